"""The positive class of a binary dataset."""

from pathlib import Path

import numpy as np
import pytest

from benchmark import load_study
from benchmark.datasets.bundled import load_digits, load_faces
from benchmark.datasets.medmnist_sets import load_medmnist
from benchmark.datasets.positive import with_positive_class
from benchmark.errors import UserError
from benchmark.evaluation.plan import make_plan

FACES = load_faces("faces", Path(), None)


def test_the_positive_class_becomes_the_second_with_its_images():
    swapped = with_positive_class(FACES, "other")
    assert swapped.classes == ("face", "other")
    assert swapped.positive == "other"
    assert swapped.targets.tolist() == (1 - FACES.targets).tolist()
    assert swapped.fingerprint != FACES.fingerprint


def test_naming_the_class_that_is_second_already_changes_no_result():
    named = with_positive_class(FACES, "face")
    assert named.positive == "face"
    assert named.fingerprint == FACES.fingerprint


def test_a_study_names_the_positive_class_of_any_dataset():
    study = load_study("digits", datasets=["faces(positive='other')"], extractors=["pixels"])
    (dataset,) = make_plan(study).datasets.values()
    assert dataset.positive == "other"


@pytest.mark.parametrize(("name", "positive", "n"), [("breastmnist", "malignant", 210)])
def test_published_binary_datasets_know_their_positive_class(data_folder, name, positive, n):
    dataset = load_medmnist(name, data_folder, None)
    assert dataset.classes[1] == dataset.positive == positive
    assert np.count_nonzero(dataset.targets) == n


@pytest.mark.parametrize(
    ("dataset", "positive", "reason"),
    [
        (FACES, "faces", "unknown class 'faces'"),
        (FACES, 1, "1 is not the name of a class"),
        (
            load_digits("digits", Path(), None),
            "3",
            "it is multiclass, with 10 classes, and only one of two classes can be positive; "
            "`table --by class` shows each class against the rest",
        ),
    ],
)
def test_a_class_that_cannot_be_positive_is_refused(dataset, positive, reason):
    with pytest.raises(UserError, match=reason):
        with_positive_class(dataset, positive)
