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
from benchmark.checks.subject import Subject, same, some_digits
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
    first, second = _predicted(subject, _split_digits()), _predicted(subject, _split_digits())
    same(first, second, "a second run with the same seed predicts something else")


def hidden_labels(subject: Subject) -> None:
    """Predictions do not change when the labels of the test part do: read no labels but those that ``fit`` is given."""
    # each data set lives only while it is evaluated, so that a plug-in that searches the memory finds the one at hand
    first, second = _predicted(subject, _split_digits()), _predicted(subject, _split_digits(wrong=True))
    same(first, second, "predictions follow the labels of the test part")


def _split_digits(wrong: bool = False) -> Dataset:
    """Make a data set of real digits with an official split, and wrong labels in its test part on request."""
    digits, test = some_digits(200), np.arange(200) % 4 == 0
    targets = np.where(test & wrong, (digits.targets + 1) % 10, digits.targets)
    return replace(digits, targets=targets, part=np.where(test, "test", "train"))


def _predicted(subject: Subject, dataset: Dataset) -> NDArray[np.float64]:
    """Probabilities of a whole evaluation with the subject in its place."""
    usual = {"extractor": Spec("pixels"), "model": Spec("logistic_regression"), "strategy": Spec("none")}
    parts = {kind: subject.spec if kind == subject.kind else resolve(kind, spec) for kind, spec in usual.items()}
    extractor = () if takes_images(parts["model"]) else (parts["extractor"],)
    split = resolve("split", Spec("official"))
    where = Spec("digits"), dataset.fingerprint, None, split, 0, resolve("imbalance", Spec("none")), 1.0
    cell = Cell(*where, extractor, (parts["strategy"],), parts["model"], 0)
    with tempfile.TemporaryDirectory() as folder:
        row = evaluate(cell, dataset, Path(folder))
        assert row["status"] == "ok", row["reason"]
        return Predictions.load(Path(folder) / "predictions" / f"{cell.key}.npz").proba
