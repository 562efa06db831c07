"""
Deciding about imbalance
========================

Does resampling help, and what does it cost?
"""

# %%
# The images
# ----------
#
# One image in ten is of the rare class: the eights among the digits that are installed with
# scikit-learn, made hard to see by noise.

from pathlib import Path

import numpy as np
from shell import publish, run
from skimage.io import imsave
from sklearn.datasets import load_digits

digits = load_digits()
random = np.random.default_rng(0)
for number, image in enumerate(digits.images):
    folder = Path("scans", "ill" if digits.target[number] == 8 else "healthy")
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(image * 10 + random.normal(40, 40, size=(8, 8)), 0, 255)
    imsave(folder / f"{number:04}.png", pixels.astype(np.uint8), check_contrast=False)

# %%
# Three questions, three metrics
# ------------------------------
#
# What helps depends on what the model is for:
#
# - to name a class: *macro F1*, the mean over both classes;
# - to rank patients: *AUC*, which no threshold changes;
# - to give a probability: *log loss*, or the slope and the intercept of the calibration.
#
# A strategy that is better in one may be worse in another. All act on the training set only: the
# test set has the shares of the classes that new patients have.

STUDY = """\
name: imbalance
datasets: ["folder:scans(positive='ill')"]
extractors: [hog]
models: [majority, logistic_regression]
strategies:
  - none
  - class_weight
  - random_over
  - random_under
  - smote
  - smote + prior_correction
  - prior_threshold
  - tuned_threshold
split: {stratified_kfold: {folds: 5, repeats: 4}}
"""
Path("imbalance.yaml").write_text(STUDY)

# %%
# ``plan`` says what it would cost and what is impossible, before anything is trained.

run("python -m benchmark plan imbalance.yaml")
run("python -m benchmark run imbalance.yaml")

# %%
# Naming a class
# --------------
#
# Every strategy against none, with p-values that are corrected for their number:

run(
    "python -m benchmark compare results/imbalance --against none --metric f1",
    says=["tuned_threshold .* not significant", "random_under .* worse"],
)

# %%
# Ranking
# -------

run(
    "python -m benchmark compare results/imbalance --against none --metric auc",
    says=[r"(?s)\A(?!.*\sbetter\s\s)"],
)

# %%
# Probabilities
# -------------

run(
    "python -m benchmark compare results/imbalance --against none --metric log_loss",
    says=[f"{name} .* worse" for name in ("class_weight", "random_over", "prior_threshold")],
)
run("python -m benchmark plot results/imbalance --kind calibration --metric log_loss")

# %%
# What this says
# --------------
#
# - The better macro F1 of a strategy over none is not significant on 1,797 images, and
#   ``random_under``, which throws most of the training images away, is worse.
# - No strategy ranks better: none has a significantly better AUC.
# - Over-sampling, weights and thresholds make the probabilities of the rare class too high, which
#   costs log loss. ``prior_correction`` undoes most of that.
#
# So do nothing here, unless a class has to be named with a given sensitivity: ``operating_point``
# chooses the threshold on held-out training images, and leaves the ranking as it is. It needs two
# classes; ``prior_threshold`` and ``tuned_threshold`` take any number.

run(
    "python -m benchmark run imbalance.yaml --strategy none "
    "--strategy 'operating_point(sensitivity=0.8)' --name operating_point"
)
run(
    "python -m benchmark table results/operating_point --metric auc "
    "--metrics sensitivity,specificity,ppv,npv,auc"
)

# %%
# With another dataset the answer may differ. :doc:`The published results </published_results>` have
# all strategies on skin lesions and on two sets of MedMNIST.
#
# An experiment on imbalance itself
# ---------------------------------
#
# Where the question is how much a method suffers from imbalance, make it: the axis ``imbalances``
# removes images of some classes from the training set, while the test set stays as it is.
# :doc:`/plots_executed/plot_4_conditions` has an example, and the suite ``imbalance_quick`` is
# a larger one. There the strategies that balance the classes win, as the test set is balanced. Such
# an experiment answers how much can be learned from few images of a class, not what to do about
# your patients.
#
# The report
# ----------

run("python -m benchmark report results/imbalance")
publish("results/imbalance/report.html", "imbalance-report.html")

# %%
# `Open this report <../_static/published/imbalance-report.html>`_.
