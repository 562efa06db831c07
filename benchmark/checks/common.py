"""Checks that apply to all kinds of plug-ins."""

from __future__ import annotations

import gc
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
from benchmark.errors import UserError
from benchmark.evaluation.components import build_strategy
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.plugins.registry import build_component, resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.predictions import Predictions
from benchmark.study.cell import Cell, default_values
from benchmark.study.spaces import check_space, declared_space
from benchmark.utils.status import Status


def parameters_are_stored(subject: Subject) -> None:
    """``__init__`` only stores its arguments, each under its own name, as scikit-learn asks."""
    estimator = build_component(subject.spec)
    name = type(estimator).__name__
    bases = {
        "extractor": "features.base.Extractor",
        "model": "sklearn.base.ClassifierMixin and BaseEstimator",
        "strategy": "imblearn.base.BaseSampler or sklearn.base.BaseEstimator",
    }
    require_true(
        hasattr(estimator, "get_params") and not inspect.isclass(estimator),
        f"{name} has no get_params: inherit from {bases[subject.kind]}",
    )
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
        "a clone has different parameters: __init__ must only store its arguments, as self.name = "
        "name",
    )


def _check_init(estimator: Any) -> None:
    """Fail on the first parameter that is not named, or not stored under its own name."""
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
    """Methods can be called with nothing but images or features, and labels."""
    estimator = subject.build()
    calls = {
        "extractor": {
            "fit": "images, y" if getattr(estimator, "uses_labels", False) else "images",
            "transform": "images",
            "extract": "batch",
        },
        "model": {"fit": "X, y", "predict_proba": "X"},
        "strategy": {"fit_resample": "X, y", "resample": "X, y"},
    }
    for method, given in calls[subject.kind].items():
        if hasattr(estimator, method):
            _check_call(
                type(estimator).__name__, method, getattr(estimator, method), given.split(", ")
            )


def _check_call(cls: str, method: str, function: Any, given: list[str]) -> None:
    """Fail unless a method can be called with the given arguments by position."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a method in native code
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        required = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.default is parameter.empty
        ]
        extra = required[len(given) :]
        call = (
            f"{cls}.{method}{signature} cannot be called as {method}({', '.join(given)}) ({error})"
        )
        if extra:
            raise Failure(
                f"{call}: {extra[0]} is never passed; make it a parameter of __init__, and use "
                f"self.{extra[0]}"
            ) from None
        raise Failure(f"{call}: write def {method}({', '.join(['self', *given])})") from None


def can_be_pickled(subject: Subject) -> None:
    """It can be pickled, and thus be sent to another process."""
    try:
        pickle.loads(pickle.dumps(subject.build()))  # noqa: S301  # pickled on the same line
    except Exception as error:
        raise Failure(
            f"{subject.describe_error(error)}: keep no open file, lambda or lock in an attribute; "
            "create it where it is used"
        ) from error


def search_space_is_valid(subject: Subject) -> None:
    """The attribute ``search_space``, if there is one, names parameters and valid values."""
    spec = subject.spec
    try:
        check_space(spec, declared_space(spec.target, spec.name), "search_space")
    except UserError as error:
        raise Failure(f"{error}: correct the attribute search_space") from None


def results_are_reproducible(subject: Subject) -> None:
    """The same ``random_state`` and the same images give the same results, bit for bit."""
    first, second = _resample_twice(subject) if subject.kind == "strategy" else _run_twice(subject)
    has_seed = "random_state" in subject.build().get_params(deep=False)
    remedy = "draw every random number from sklearn.utils.check_random_state(self.random_state)"
    if "torch" in sys.modules:
        remedy += "; torch draws its own: call torch.manual_seed(self.random_state) in fit"
    problem = "two runs with the same seed give different results: " + (
        remedy if has_seed else f"add random_state=None to __init__, and {remedy}"
    )
    require_equal(first, second, problem)
    if subject.kind == "strategy":
        require_equal(_predict_test_set(subject), _predict_test_set(subject), problem)


def _resample_twice(subject: Subject) -> tuple[NDArray, NDArray]:
    # kept alive, so that a plug-in that searches the memory for the dataset finds it
    digits = imbalanced_digits()
    X, y = digits.images.reshape(len(digits.images), -1).astype(np.float32), digits.targets
    with global_seeds(1):
        first = strategies.resample_with_plugin(subject, X.copy(), y.copy())[0]
    with global_seeds(2):
        return first, strategies.resample_with_plugin(subject, X.copy(), y.copy())[0]


def _run_twice(subject: Subject) -> tuple[NDArray, NDArray]:
    """Features or probabilities of two equal fits, with the global generators in two states."""
    X, y = _make_training_set(subject)
    with global_seeds(1):
        fitted = subject.build_and_fit(X, y)
        first = subject.apply_fitted(fitted, X)
    _check_second_call(subject, fitted, X)
    with global_seeds(2):
        return first, subject.fit_and_apply(X, y)


def _check_second_call(subject: Subject, fitted: Any, X: NDArray) -> None:
    """Fail if a second call on the same images has another result and changes the state."""
    with global_seeds(0):
        first, before = subject.apply_fitted(fitted, X), snapshot_state(fitted)
    with global_seeds(0):
        second, after = subject.apply_fitted(fitted, X), snapshot_state(fitted)
    changed = [name for name, content in after.items() if before.get(name) != content]
    if changed and not np.allclose(first, second, atol=1e-6):
        method = "transform" if subject.kind == "extractor" else "predict_proba"
        raise Failure(
            f"a second call of {method} on the same images gives another result, and changes "
            f"{changed[0]}: set attributes in fit or learn only, and draw random numbers there"
        )


def _make_training_set(subject: Subject) -> tuple[NDArray, NDArray[np.int64]]:
    """Input that the subject takes (images or features), and labels."""
    if subject.kind == "model":
        return models.make_training_set(subject)
    digits = some_digits(60, subject.side)
    return digits.images, digits.targets


@contextmanager
def global_seeds(seed: int) -> Iterator[None]:
    """Seed the global random generators within a context, and restore their states after it."""
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
    # a plug-in that searches the memory must find the current dataset only: earlier ones may be
    # held by the traceback of a failed check until they are collected
    gc.collect()
    first = _predict_test_set(subject)
    gc.collect()
    second = _predict_test_set(subject, wrong_labels=True)
    require_equal(
        first,
        second,
        "predictions depend on the labels of the test set: use no labels but those passed to fit",
    )


def predictions_ignore_other_images(subject: Subject) -> None:
    """The prediction for a test image does not change when the other test images do."""
    first, second = _predict_test_set(subject), _predict_test_set(subject, other_images=True)
    half = len(first) // 2
    require_true(
        np.allclose(first[:half], second[:half], atol=1e-6),
        "predictions of test images depend on other test images: learn from the training set only",
    )


def _split_digits(
    subject: Subject, wrong_labels: bool = False, other_images: bool = False
) -> Dataset:
    """Digits with an official split; optionally with wrong labels or other images for testing."""
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
    digits = replace(digits, images=images, targets=targets, subset=np.where(test, "test", "train"))
    if subject.kind == "strategy" and build_strategy((subject.spec,), 0).needs_positive:
        return replace(digits, targets=digits.targets % 2, classes=("0", "1"), positive="1")
    return digits


def _predict_test_set(
    subject: Subject, wrong_labels: bool = False, other_images: bool = False
) -> NDArray[np.float64]:
    """Probabilities of the test set, from the evaluation of a cell that uses the subject."""
    dataset = _split_digits(subject, wrong_labels, other_images)
    defaults = {
        "extractor": Spec("pixels"),
        "model": Spec("logistic_regression"),
        "strategy": Spec("none"),
    }
    specs = {
        kind: subject.spec if kind == subject.kind else resolve_spec(kind, spec)
        for kind, spec in defaults.items()
    }
    extractor = () if subject.kind == "model" and subject.takes_images else (specs["extractor"],)
    values = {
        "dataset": Spec("digits"),
        "extractor": extractor,
        "strategy": (specs["strategy"],),
        "model": specs["model"],
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
