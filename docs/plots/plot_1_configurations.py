"""
Comparing configurations
========================

The leaderboard as a picture, and quality against cost.
"""

from shell import run

run(
    "python -m benchmark run --extractor pixels --extractor hog --extractor lbp "
    "--extractor sift_bovw --model majority --model logistic_regression --model rbf_svm "
    "--model simple_cnn --folds 5 --name configurations"
)

# %%
# Leaderboard
# -----------

run("python -m benchmark plot results/configurations --kind leaderboard")

# %%
# Cost
# ----

run("python -m benchmark plot results/configurations --kind cost")
