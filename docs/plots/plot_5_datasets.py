"""
Many datasets
=============

Which configuration is better over datasets, and by how much.
"""

from pathlib import Path

from shell import run
from skimage.io import imsave
from sklearn.datasets import load_digits

# %%
# Each pair of neighbouring digits, from 0 and 1 to 9 and 0, is a dataset.

digits = load_digits()
for number, image in enumerate(digits.images[:600]):
    for first in (digits.target[number], (digits.target[number] - 1) % 10):
        folder = Path(f"pair{first}", f"digit{digits.target[number]}")
        folder.mkdir(parents=True, exist_ok=True)
        imsave(folder / f"{number:04}.png", (image * 15).astype("uint8"), check_contrast=False)

STUDY = """\
name: pairs
datasets: [DATASETS]
extractors: [pixels, hog, lbp, shape_histogram]
models: [majority, nearest_centroid, logistic_regression]
split: {stratified_kfold: {folds: 5}}
""".replace("DATASETS", ", ".join(f"'folder:pair{first}'" for first in range(10)))
Path("pairs.yaml").write_text(STUDY)

# %%

run("python -m benchmark run pairs.yaml --metric auc")

# %%
# Critical difference
# -------------------

run("python -m benchmark plot results/pairs --kind critical_difference --metric auc")

# %%
# Wins
# ----

run("python -m benchmark plot results/pairs --kind win_matrix --metric auc")

# %%
# Forest plot
# -----------

run(
    "python -m benchmark plot results/pairs --kind forest --metric auc "
    "--against 'hog / none / logistic_regression'"
)
