"""
Imbalance, training size, occlusion
===================================

One line per strategy or configuration, over an axis of the study.
"""

from shell import run

# %%
# Imbalance ratio
# ---------------

run(
    "python -m benchmark run --imbalance 'step(ratio=1)' --imbalance 'step(ratio=5)' "
    "--imbalance 'step(ratio=20)' --strategy none --strategy random_over "
    "--strategy prior_threshold --extractor hog --model majority --model logistic_regression "
    "--folds 5 --name ratios"
)
run("python -m benchmark plot results/ratios --kind imbalance")

# %%
# Number of training images
# -------------------------

run(
    "python -m benchmark run --train-size 50 --train-size 200 --train-size 800 --extractor hog "
    "--extractor pixels --model majority --model logistic_regression --folds 5 --name sizes"
)
run("python -m benchmark plot results/sizes --kind train_size")

# %%
# Covered share of the test images
# --------------------------------

run(
    "python -m benchmark run --occlusion none --occlusion 'boxes(share=0.1)' "
    "--occlusion 'boxes(share=0.3)' --extractor hog --extractor pixels --model majority "
    "--model logistic_regression --folds 5 --name covered"
)
run("python -m benchmark plot results/covered --kind occlusion")
