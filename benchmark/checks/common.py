"""Checks of every kind of plug-in."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from benchmark.cell import Cell
from benchmark.checks.subject import Subject, same, some_digits, uneven_digits
from benchmark.datasets.base import Dataset
from benchmark.evaluate import evaluate
from benchmark.plugins import resolve
from benchmark.predictions import Predictions
from benchmark.spec import Spec
from benchmark.study import takes_images


def clones(subject: Subject) -> None:
    """``__init__`` only stores its arguments, as scikit-learn asks; nothing is computed or checked there."""
    estimator = subject.build()
    assert repr(clone(estimator)) == repr(estimator), "its clone has other parameters"


def pickles(subject: Subject) -> None:
    """It can be sent to another process: no open files, lambdas or locks in its attributes."""
    pickle.loads(pickle.dumps(subject.build()))  # noqa: S301  # our own bytes


def repeats(subject: Subject) -> None:
    """The same seed gives the same predictions, bit for bit: take ``random_state`` and use no other source of chance."""
    first, second = _predicted(subject, _split_digits(subject)), _predicted(subject, _split_digits(subject))
    same(first, second, "a second run with the same seed predicts something else")


def hidden_labels(subject: Subject) -> None:
    """Predictions do not change when the labels of the test part do: read no labels but those that ``fit`` is given."""
    # each data set lives only while it is evaluated, so that a plug-in that searches the memory finds the one at hand
    first, second = _predicted(subject, _split_digits(subject)), _predicted(subject, _split_digits(subject, wrong_labels=True))
    same(first, second, "predictions follow the labels of the test part")


def hidden_images(subject: Subject) -> None:
    """The prediction for a test image does not change when the other test images do: learn from the training part only."""
    first, second = _predicted(subject, _split_digits(subject)), _predicted(subject, _split_digits(subject, other_images=True))
    half = len(first) // 2
    assert np.allclose(first[:half], second[:half], atol=1e-6), "predictions of test images follow other test images"


def _split_digits(subject: Subject, wrong_labels: bool = False, other_images: bool = False) -> Dataset:
    """Make a data set of real digits with an official split; on request with wrong labels, or other images, in its test part."""
    digits, test = uneven_digits() if subject.kind == "strategy" else some_digits(200), np.arange(200) % 4 == 0
    targets = np.where(test & wrong_labels, (digits.targets + 1) % len(digits.classes), digits.targets)
    images = digits.images.copy()
    if other_images:
        images[np.flatnonzero(test)[test.sum() // 2 :]] = images[np.flatnonzero(~test)[: test.sum() - test.sum() // 2]].swapaxes(1, 2)
    return replace(digits, images=images, targets=targets, part=np.where(test, "test", "train"))


def _predicted(subject: Subject, dataset: Dataset) -> NDArray[np.float64]:
    """Probabilities of a whole evaluation with the subject in its place."""
    usual = {"extractor": Spec("pixels"), "model": Spec("logistic_regression"), "strategy": Spec("none")}
    parts = {kind: subject.spec if kind == subject.kind else resolve(kind, spec) for kind, spec in usual.items()}
    extractor = () if takes_images(parts["model"]) else (parts["extractor"],)
    split = resolve("split", Spec("official"))
    where = Spec("digits"), dataset.fingerprint, None, split, 0, resolve("imbalance", Spec("none")), 1.0, resolve("occlusion", Spec("none"))
    cell = Cell(*where, extractor, (parts["strategy"],), parts["model"], 0)
    with tempfile.TemporaryDirectory() as folder:
        row = evaluate(cell, dataset, Path(folder))
        assert row["status"] == "ok", row["reason"]
        return Predictions.load(Path(folder) / "predictions" / f"{cell.key}.npz").proba
