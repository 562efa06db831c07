"""Checks of every kind of plug-in."""

from __future__ import annotations

import inspect
import pickle
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from benchmark.checks import models, strategies
from benchmark.checks.state import snapshot_state
from benchmark.checks.subject import (
    Failure,
    Subject,
    imbalanced_digits,
    require_equal,
    require_true,
    some_digits,
)
from benchmark.datasets.base import Dataset
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.plugins.registry import build_component, resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.predictions import Predictions
from benchmark.study.cell import Cell, default_values
from benchmark.utils.status import Status


def parameters_are_stored(subject: Subject) -> None:
    """``__init__`` only stores its arguments, each under its own name, as scikit-learn asks."""
    estimator = build_component(subject.spec)
    name = type(estimator).__name__
    base = {
        "extractor": "features.base.Extractor",
        "strategy": "imblearn.base.BaseSampler or sklearn.base.BaseEstimator",
    }
    problem = f"{name} has no get_params: inherit from {base.get(subject.kind, 'sklearn.base.ClassifierMixin and BaseEstimator')}"
    require_true(hasattr(estimator, "get_params") and not inspect.isclass(estimator), problem)
    if type(estimator).get_params is BaseEstimator.get_params:
        _check_init(estimator)
    try:
        copy = clone(estimator)
    except RuntimeError as error:
        changed = re.search(r"modifies parameter (\w+)", str(error))
        if not changed:
            raise
        parameter = changed[1]
        raise Failure(
            f"__init__ changes {parameter}: write self.{parameter} = {parameter} there, and "
            "convert or check it in fit"
        ) from error
    require_true(
        repr(copy) == repr(estimator),
        "a clone has other parameters: __init__ must only store its arguments, as self.name = name",
    )


def _check_init(estimator: Any) -> None:
    """Fail on the first parameter that is hidden, or not kept under its own name."""
    for name, parameter in inspect.signature(type(estimator).__init__).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if type(estimator).__init__ is not object.__init__:
                raise Failure(
                    f"__init__ takes {parameter}: name every parameter, and store each as "
                    "self.name = name"
                )
        elif name != "self" and not hasattr(estimator, name):
            raise Failure(f"__init__ does not store {name}: write self.{name} = {name}")


def methods_fit_their_calls(subject: Subject) -> None:
    """Methods can be called as the benchmark calls them, with nothing but images or features, and labels."""
    made = subject.build()
    calls = {
        "extractor": {
            "fit": "images, y" if getattr(made, "uses_labels", False) else "images",
            "transform": "images",
            "extract": "batch",
        },
        "model": {"fit": "X, y", "predict_proba": "X"},
        "strategy": {"fit_resample": "X, y", "resample": "X, y"},
    }
    for method, given in calls[subject.kind].items():
        if hasattr(made, method):
            _check_call(type(made).__name__, method, getattr(made, method), given.split(", "))


def _check_call(cls: str, method: str, function: Any, given: list[str]) -> None:
    """Fail unless a method can be called with so many arguments by position."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of compiled code
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        others = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.default is parameter.empty
        ][len(given) :]
        call = (
            f"{cls}.{method}{signature} cannot be called as {method}({', '.join(given)}) ({error})"
        )
        if others:
            raise Failure(
                f"{call}: nobody gives it {others[0]}; make that a parameter of __init__, and use "
                f"self.{others[0]}"
            ) from None
        raise Failure(f"{call}: write def {method}({', '.join(['self', *given])})") from None


def can_be_pickled(subject: Subject) -> None:
    """It can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(subject.build()))  # noqa: S301  # our own bytes
    except Exception as error:
        raise Failure(
            f"{subject.describe_error(error)}: keep no open file, lambda or lock in an attribute; "
            "make it where it is used"
        ) from error


def results_are_reproducible(subject: Subject) -> None:
    """The same ``random_state`` gives the same result, bit for bit; the same images give the same at every call."""
    first, second = _resample_twice(subject) if subject.kind == "strategy" else _run_twice(subject)
    takes = "random_state" in subject.build().get_params(deep=False)
    remedy = "draw every random number from sklearn.utils.check_random_state(self.random_state)"
    if "torch" in sys.modules:
        remedy += "; torch draws its own: call torch.manual_seed(self.random_state) in fit"
    problem = "run twice with the same seed, it gives two results: " + (
        remedy if takes else f"add random_state=None to __init__, and {remedy}"
    )
    require_equal(first, second, problem)
    if subject.kind == "strategy":
        require_equal(_predict_test_set(subject), _predict_test_set(subject), problem)


def _resample_twice(subject: Subject) -> tuple[NDArray, NDArray]:
    digits = (
        imbalanced_digits()
    )  # bound to a name, so that a plug-in that searches the memory for the dataset finds it
    X, y = digits.images.reshape(len(digits.images), -1).astype(np.float32), digits.targets
    with global_seeds(1):
        first = strategies.resample_with_plugin(subject, X.copy(), y.copy())[0]
    with global_seeds(2):
        return first, strategies.resample_with_plugin(subject, X.copy(), y.copy())[0]


def _run_twice(subject: Subject) -> tuple[NDArray, NDArray]:
    """Features or probabilities of two that are fitted alike, with the global generators in two states."""
    X, y = _make_training_set(subject)
    with global_seeds(1):
        made = subject.build_and_fit(X, y)
        first = subject.apply_fitted(made, X)
    _check_second_call(subject, made, X)
    with global_seeds(2):
        return first, subject.fit_and_apply(X, y)


def _check_second_call(subject: Subject, made: Any, X: NDArray) -> None:
    """Fail if a second call on the same images gives something else, and something that is kept between calls has changed."""
    with global_seeds(0):
        first, before = subject.apply_fitted(made, X), snapshot_state(made)
    with global_seeds(0):
        second, after = subject.apply_fitted(made, X), snapshot_state(made)
    changed = [name for name, content in after.items() if before.get(name) != content]
    if changed and not np.allclose(first, second, atol=1e-6):
        method = "transform" if subject.kind == "extractor" else "predict_proba"
        raise Failure(
            f"a second call of {method} on the same images gives another result, and changes "
            f"{changed[0]}: "
            "set attributes in fit or learn only, and draw random numbers there"
        )


def _make_training_set(subject: Subject) -> tuple[NDArray, NDArray[np.int64]]:
    """Images or features, as the subject takes them, and labels."""
    if subject.kind == "model":
        return models.make_training_set(subject)
    digits = some_digits(60, subject.side)
    return digits.images, digits.targets


@contextmanager
def global_seeds(seed: int) -> Iterator[None]:
    """Have the global generators in some state for a while."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def predictions_ignore_test_labels(subject: Subject) -> None:
    """Predictions do not change when the labels of the test set do."""
    # each dataset lives only while it is evaluated, so that a plug-in that searches the memory
    # finds the one at hand
    problem = (
        "predictions follow the labels of the test set: read no labels but those that fit is given"
    )
    require_equal(
        _predict_test_set(subject), _predict_test_set(subject, wrong_labels=True), problem
    )


def predictions_ignore_other_images(subject: Subject) -> None:
    """The prediction for a test image does not change when the other test images do."""
    first, second = _predict_test_set(subject), _predict_test_set(subject, other_images=True)
    half = len(first) // 2
    problem = (
        "predictions of test images follow other test images: learn from the training set only"
    )
    require_true(np.allclose(first[:half], second[:half], atol=1e-6), problem)


def _split_digits(
    subject: Subject, wrong_labels: bool = False, other_images: bool = False
) -> Dataset:
    """Make a dataset of real digits with an official split; on request with wrong labels, or other images, in its test set."""
    digits = imbalanced_digits() if subject.kind == "strategy" else some_digits(200, subject.side)
    test = np.arange(200) % 4 == 0
    targets = np.where(
        test & wrong_labels, (digits.targets + 1) % len(digits.classes), digits.targets
    )
    images = digits.images.copy()
    if other_images:
        images[np.flatnonzero(test)[test.sum() // 2 :]] = images[
            np.flatnonzero(~test)[: test.sum() - test.sum() // 2]
        ].swapaxes(1, 2)
    return replace(digits, images=images, targets=targets, subset=np.where(test, "test", "train"))


def _predict_test_set(
    subject: Subject, wrong_labels: bool = False, other_images: bool = False
) -> NDArray[np.float64]:
    """Probabilities of a whole evaluation with the subject in its place."""
    dataset = _split_digits(subject, wrong_labels, other_images)
    usual = {
        "extractor": Spec("pixels"),
        "model": Spec("logistic_regression"),
        "strategy": Spec("none"),
    }
    parts = {
        kind: subject.spec if kind == subject.kind else resolve_spec(kind, spec)
        for kind, spec in usual.items()
    }
    extractor = () if subject.kind == "model" and subject.takes_images else (parts["extractor"],)
    values = {
        "dataset": Spec("digits"),
        "extractor": extractor,
        "strategy": (parts["strategy"],),
        "model": parts["model"],
    }
    cell = Cell(
        dataset.fingerprint,
        None,
        resolve_spec("split", Spec("official")),
        0,
        default_values() | values,
    )
    with tempfile.TemporaryDirectory() as folder:
        row = evaluate_on_dataset(cell, dataset, Path(folder))
        require_true(
            row["status"] == Status.OK,
            f"the evaluation of a cell ends as {row['status']}: {row['reason']}",
        )
        return Predictions.load(ResultsFolder(folder).predictions_path(cell.key)).proba
