"""
A CSV file with patients and sites
==================================

How to keep patients apart, and what happens at another hospital.
"""

# %%
# The images
# ----------
#
# Two hospitals are made up from the digits that are installed with scikit-learn: small digits (0 to
# 4) are benign, large ones malignant, and one diagnosis in six cannot be seen in the image. Each
# patient has three images, which differ a little, as three photographs of one lesion do. Hospital B
# has another scanner, whose images are brighter, and fewer of its patients are ill.

from pathlib import Path

import numpy as np
from shell import publish, run
from skimage.io import imsave
from sklearn.datasets import load_digits

digits = load_digits()
random = np.random.default_rng(0)


def write_hospital(name, patients, brightness):
    folder = Path("hospitals", name)
    folder.mkdir(parents=True)
    lines = ["image,diagnosis,patient,sex,age"]
    for patient in patients:
        large = digits.target[patient] >= 5
        diagnosis = "malignant" if large != (random.random() < 1 / 6) else "benign"
        sex, age = random.choice(["female", "male"]), random.integers(30, 90)
        for number in range(3):
            noise = random.normal(scale=25, size=(8, 8))
            pixels = np.clip(digits.images[patient] * 10 + brightness + noise, 0, 255)
            file = f"{patient}-{number}.png"
            imsave(folder / file, pixels.astype(np.uint8), check_contrast=False)
            lines.append(f"{file},{diagnosis},{name}{patient},{sex},{age}")
    Path(folder, "cases.csv").write_text("\n".join(lines) + "\n")


write_hospital("A", range(200), brightness=0)
large = [patient for patient in range(800, 1100) if digits.target[patient] >= 5][:30]
small = [patient for patient in range(800, 1100) if digits.target[patient] < 5][:90]
write_hospital("B", large + small, brightness=60)
print(*Path("hospitals/A/cases.csv").read_text().splitlines()[:5], sep="\n")

# %%
# Without the patients, the numbers are wrong
# -------------------------------------------
#
# The arguments of the dataset name the columns of the file. First, the mistake: the column
# ``patient`` is not mentioned.

run(
    'python -m benchmark run --dataset \'csv:hospitals/A/cases.csv(label="diagnosis", '
    'positive="malignant", name="patients split")\' --extractor pixels --model knn '
    "--model majority --folds 5 --metric auc",
    says=["leak: images with the same patient may be in both", r"knn .* 0\.9\d\d \("],
)

# %%
# The note at the end says what is wrong: other images of the same patient were in the training set,
# and the model recognised the patient, not the disease. With ``group="patient"`` all images of a
# patient are in the same fold:

run(
    'python -m benchmark run --dataset \'csv:hospitals/A/cases.csv(label="diagnosis", '
    'positive="malignant", group="patient", name="patients whole")\' --extractor pixels '
    "--model knn --model majority --folds 5 --metric auc",
    says=[r"knn .* 0\.8\d\d \([^()]*\)  +\d\.\d+ \("],
)

# %%
# This lower value is what can be expected of new patients. For DICOM files, PatientID is the group
# without being asked for; for a folder, ``group="(patient\d+)_"`` finds the patient in the names of
# the files.
#
# A study with another hospital
# -----------------------------
#
# Further columns are attributes. They make subgroups, and the extractor ``covariates`` shows what
# is known without any image. The datasets of ``external`` are predicted by every trained model, and
# nothing is learned from them.

STUDY = """\
name: hospitals
datasets:
  - "csv:hospitals/A/cases.csv(label='diagnosis', positive='malignant', group='patient',
    attributes=('sex', 'age'), name='hospital A')"
external:
  - "csv:hospitals/B/cases.csv(label='diagnosis', positive='malignant', group='patient',
    attributes=('sex', 'age'), name='hospital B')"
extractors:
  - hog
  - covariates(columns=('sex', 'age'))
  - hog + covariates(columns=('sex', 'age'))
models: [majority, logistic_regression]
split: {stratified_kfold: {folds: 5, repeats: 4}}
"""
Path("hospitals.yaml").write_text(STUDY)

# %%

run("python -m benchmark run hospitals.yaml --metric auc", says=[r"4† +covariates", "2= +hog"])

# %%
# Age and sex alone know nothing, as they were drawn at random, and adding them to the image does
# not help.
#
# What is lost at the other hospital?

run("python -m benchmark table results/hospitals --by site --metric auc")

# %%
# Clinical questions
# ------------------
#
# One prediction per patient, the mean over the three images, and what a clinician asks for:

run("python -m benchmark table results/hospitals --metrics clinical --unit group --metric auc")

# %%
# Does it work as well for women as for men, and at any age?

run("python -m benchmark table results/hospitals --by subgroup --attribute sex --metric auc")
run(
    "python -m benchmark table results/hospitals --by subgroup --attribute age --bins 50,70 "
    "--metric auc"
)

# %%
# For whom is the model useful, compared with treating everybody or nobody?

run("python -m benchmark plot results/hospitals --kind decision --metric auc")

# %%
# The first table of the paper
# ----------------------------

run(
    'python -m benchmark describe \'csv:hospitals/A/cases.csv(label="diagnosis", '
    'positive="malignant", group="patient", attributes=("sex", "age"))\''
)

# %%
# The report has all of these tables, the second hospital, and a paragraph about the methods.

run("python -m benchmark report results/hospitals --metric auc --unit group")
publish("results/hospitals/report.html", "hospitals-report.html")

# %%
# `Open this report <../_static/published/hospitals-report.html>`_.
