"""
Two classes
===========

What clinical journals ask for.
"""

from pathlib import Path

import numpy as np
from shell import run
from skimage.io import imsave
from sklearn.datasets import load_digits

# %%
# One noisy digit in ten is of the positive class.

digits = load_digits()
random = np.random.default_rng(0)
for number, image in enumerate(digits.images):
    folder = Path("scans", "ill" if digits.target[number] == 8 else "healthy")
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(image * 10 + random.normal(40, 40, size=(8, 8)), 0, 255)
    imsave(folder / f"{number:04}.png", pixels.astype(np.uint8), check_contrast=False)

# %%

run(
    "python -m benchmark run --dataset \"folder:scans(positive='ill')\" --extractor hog "
    "--extractor pixels --model majority --model logistic_regression --model random_forest "
    "--folds 5 --metric auc --name scans"
)

# %%
# ROC curves
# ----------

run("python -m benchmark plot results/scans --kind roc --metric auc")

# %%
# Precision-recall curves
# -----------------------

run("python -m benchmark plot results/scans --kind precision_recall --metric auc")

# %%
# Decision curves
# ---------------

run("python -m benchmark plot results/scans --kind decision --metric auc")

# %%
# Calibration
# -----------

run("python -m benchmark plot results/scans --kind calibration --metric auc")

# %%
# Distribution of the probabilities
# ---------------------------------

run("python -m benchmark plot results/scans --kind scores --metric auc")
