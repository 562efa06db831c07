"""
Many classes
============

Which classes are confused, and what probabilities are worth.
"""

from shell import run

run(
    "python -m benchmark run --extractor pixels --extractor hog --model majority "
    "--model gaussian_nb --model logistic_regression --folds 5 --name classes"
)

# %%
# Confusion matrices
# ------------------

run("python -m benchmark plot results/classes --kind confusion")

# %%
# Recall by class
# ---------------

run("python -m benchmark plot results/classes --kind recall")

# %%
# Reliability
# -----------

run("python -m benchmark plot results/classes --kind reliability")
