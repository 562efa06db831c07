"""
A folder of images
==================

Which pipeline is best for the images in a folder, and is the answer real?
"""

# %%
# The images
# ----------
#
# A dataset is a folder with one sub-folder per class. Here, faces and pieces of background of 25x25
# pixels are written, which are installed with scikit-image. Use the folder of your own images
# instead. Two images of each class are kept back, as new ones.

from pathlib import Path

from shell import publish, run
from skimage.data import lfw_subset
from skimage.io import imsave
from skimage.util import img_as_ubyte

for number, image in enumerate(lfw_subset()):
    folder = Path("photos", "face" if number < 100 else "background")
    if number % 100 >= 98:
        folder = Path("new")
    folder.mkdir(parents=True, exist_ok=True)
    imsave(folder / f"{number:03}.png", img_as_ubyte(image), check_contrast=False)

# %%
# Before anything is trained
# --------------------------
#
# ``audit`` looks for what makes the numbers of any benchmark wrong, and changes nothing.

run(
    "python -m benchmark audit folder:photos --out audit.html --write-groups groups.csv",
    says=["near copies: 6 images", r"file size +0\.99", "4 images are of nearly one gray"],
)

# %%
# A person has to judge what it finds:
#
# - Six images are nearly equal to another one. If one of a pair is trained on and the other is
#   tested on, the model has seen the answer. ``groups.csv`` puts each pair into a group, and a
#   group is never split.
# - The size of the file alone tells faces from background. Here that is honest: the pieces of
#   background are smoother, and a PNG file of a smooth image is small. In a medical dataset it
#   would be a warning: the classes may have been exported by different programs, and a model may
#   learn the program instead of the disease.
# - The border alone tells them, too. Here the border is a part of what is seen; elsewhere it may be
#   the frame of a scanner.
# - Four images are nearly blank. Here they are pieces of background without any detail.

publish("audit.html", "photos-audit.html")

# %%
# `The page of the audit <../_static/published/photos-audit.html>`_ shows the pairs side by side.
#
# Evaluate
# --------
#
# Two classical pipelines, a small network, and two that must be beaten: ``majority`` always
# predicts the most frequent class, and ``image_statistics`` knows only the brightness and the
# contrast of an image. All are trained and tested on the same five folds.

run(
    "python -m benchmark run --dataset 'folder:photos(group_file=\"groups.csv\")' --name photos "
    "--folds 5 --extractor hog --extractor sift_bovw --extractor image_statistics "
    "--model majority --model rbf_svm --model simple_cnn",
    says=["hog / none / rbf_svm: f1 .* cannot be told apart from the best deep configuration"],
)

# %%
# With neither ``--extractor`` nor ``--model``, the suite ``real_images`` would be evaluated: five
# classical pipelines with two models each, and networks.
#
# Is it real?
# -----------
#
# Four things in this output answer that.
#
# 1. **The equals signs after the ranks.** ``2=`` says that this configuration cannot be told apart
#    from the first one. A leaderboard of few images has several winners.
# 2. **The value corrected for the choice.** The first of several configurations is partly lucky.
#    The last lines under the table say what it would have on new images.
# 3. **The controls.** What ``image_statistics`` achieves needs no shape and no texture. Only the
#    difference to it was learned from what is in the images.
# 4. **The sentence "Classical against deep".** It compares the best of both, with an interval that
#    allows for the choice.
#
# ``compare`` asks about two configurations, by rank or by name.

run("python -m benchmark compare results/photos 1 2")

# %%
# And whether anything is better than the control:

run(
    "python -m benchmark compare results/photos --against 'image_statistics / none / rbf_svm'",
    says=[r"\A(?!.*\sbetter\s)"],
)

# %%
# No: these images in five folds do not show it, although the differences look large. More images
# are needed, or more folds, as in a :doc:`study </guide/studies>` with
# ``split: {stratified_kfold: {folds: 5, repeats: 4}}``. (``compare`` is stricter than the equals
# signs, as :doc:`/guide/leaderboard` explains.)
#
# Look at the mistakes
# --------------------

run("python -m benchmark errors results/photos")

# %%
# The report
# ----------
#
# ``report`` puts all of this into one file that can be mailed.

run("python -m benchmark report results/photos")
publish("results/photos/report.html", "photos-report.html")

# %%
# `Open this report <../_static/published/photos-report.html>`_.
#
# Use one of them
# ---------------
#
# ``hog`` with ``rbf_svm`` cannot be told apart from the network, and is much faster.

run(
    "python -m benchmark fit --dataset 'folder:photos(group_file=\"groups.csv\")' --extractor hog "
    "--model rbf_svm --save faces.pipeline"
)

# %%
# The images that were kept back are new to it:

run("python -m benchmark predict faces.pipeline new/098.png new/099.png new/198.png new/199.png")
