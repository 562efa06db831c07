"""One cell, start to finish; knows nothing of pools, stores or terminals."""

from __future__ import annotations

import json
import random
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from benchmark import metrics
from benchmark.accelerate import accelerated
from benchmark.cell import Cell
from benchmark.datasets.base import Dataset, shape_of
from benchmark.environment import environment
from benchmark.errors import StorageError
from benchmark.featurize import Features, featurize, said, words
from benchmark.memory import peak_mb, reset_peak
from benchmark.predictions import Predictions
from benchmark.prepare import make_model, make_strategy, refusal_of, split
from benchmark.splits import inner_folds, shared_images
from benchmark.strategies.base import Refused, Strategy
from benchmark.threads import THREADS


def evaluate(cell: Cell, dataset: Dataset, folder: Path, accelerate: bool = False) -> dict[str, Any]:
    """Evaluate a cell: its predictions are written to ``folder/predictions/<key>.npz``, its row is returned.

    Whatever goes wrong inside becomes the row's ``status`` and ``reason``.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset
    folder : Path
        Holds ``predictions/`` and ``features/`` (the cache).
    accelerate : bool
        Use scikit-learn-intelex where it helps; see ``accelerated``.

    Returns
    -------
    dict
        The row: labels, status, metrics, times in seconds, provenance.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    reset_peak()
    seed_global_generators(cell)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = attempt(lambda: _outcome(cell, dataset, folder, accelerate))
    notes = [*dataset.notes, *outcome.get("notes", ()), *said(caught)]
    return row_of(cell, {**outcome, "accelerated": accelerate, "notes": notes, "peak_mb": peak_mb()})


def seed_global_generators(cell: Cell) -> None:
    """Seed Python's and NumPy's own generators, for plug-ins that draw from them."""
    random.seed(cell.seed_for("global"))
    np.random.seed(cell.seed_for("global"))  # noqa: NPY002


def row_of(cell: Cell, outcome: dict[str, Any]) -> dict[str, Any]:
    """Row of a cell that ended now, in whatever way: its labels and provenance, and its outcome."""
    row = {"key": cell.key, **cell.identity, "params": cell.params, "environment": environment(), "threads": THREADS}
    return row | outcome | {"ended": datetime.now(UTC).isoformat(timespec="milliseconds")}


def attempt(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do a piece of work and say how it ended: whatever its plug-ins raise is a status and a reason.

    Raises
    ------
    StorageError
        The results folder cannot be written: no fault of the work, which is to be done again.
    """
    try:
        return {"status": "ok", "reason": "", **work()}
    except StorageError:
        raise
    except Refused as reason:
        return {"status": "skipped", "reason": str(reason)}
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and parent_process() is None:
            raise  # Ctrl-C; a worker is never told of that
        status = "memory" if isinstance(error, MemoryError) else "failed"
        return {"status": status, "reason": f"{type(error).__name__}: {words(error)}", "traceback": words(traceback.format_exc())}


def _outcome(cell: Cell, dataset: Dataset, folder: Path, accelerate: bool) -> dict[str, Any]:
    with accelerated(accelerate):
        return _predicted(cell, dataset, folder)


def _predicted(cell: Cell, dataset: Dataset, folder: Path) -> dict[str, Any]:
    train, test = split(cell, dataset)
    strategy, model = make_strategy(cell.strategy, cell.seed_for("strategy")), make_model(cell, dataset)
    reason = refusal_of(cell, dataset, train, strategy, model)
    if reason:
        raise Refused(reason)
    features = featurize(cell, dataset, train, test, folder / "features")
    model = strategy.weight(model, dataset.targets[train])
    timings, predictions = fit_predict(model, strategy, features, dataset, train, test)
    path = folder / "predictions" / f"{cell.key}.npz"
    predictions.save(path)
    stored = Predictions.load(path)
    return {
        **metrics.compute(stored),
        "per_class": _per_class(stored, dataset.targets[train]),
        "shape": shape_of(dataset),
        "n_images": len(dataset.images),
        "n_train": len(train),
        "n_test": len(test),
        "matrices": features.matrices,
        "extract_s": features.seconds,
        **timings,
        "images_per_s": _images_per_s(features, timings["predict_s"], len(test)),
        "history": _plain(getattr(model, "history_", None)),
        "notes": [*features.notes, *metrics.class_notes(stored, dataset.targets[train]), *shared_images(dataset, train, test)],
    }


def _per_class(stored: Predictions, y: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Metrics of each class, and its number of training images."""
    counts = y.sum(axis=0) if stored.multilabel else np.bincount(y, minlength=len(stored.classes))
    return {cls: {**found, "train": int(n)} for (cls, found), n in zip(metrics.per_class(stored).items(), counts, strict=True)}


def fit_predict(
    model: Any, strategy: Strategy, features: Features, dataset: Dataset, train: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[dict[str, float], Predictions]:
    """Fit a model, and what its strategy learns, to the training part, and predict the test part.

    Parameters
    ----------
    model : scikit-learn classifier
        Weighted by the strategy already.
    strategy : Strategy
    features : Features
    dataset : Dataset
    train, test : indices

    Returns
    -------
    timings : dict of seconds
    predictions : Predictions
    """
    timings: dict[str, float] = {}
    kept, held_out = _held_out_part(model, features.train, dataset, train)
    with _timed(timings, "resample_s"):
        X, y = strategy.resample(features.train[kept], dataset.targets[train[kept]])
    timings["n_resampled"] = len(y)
    with _timed(timings, "fit_s"):
        model.fit(X, y, **held_out)
        strategy.learn(dataset.targets[train], lambda: _held_out(model, strategy, features.train, dataset, train))
    with _timed(timings, "predict_s"):
        proba = strategy.adjust(probabilities(model, features.test, dataset))
    groups = None if dataset.groups is None else dataset.groups[test]
    return timings, Predictions(dataset.targets[test], proba, dataset.classes, test, dataset.ordinal, groups)


def _held_out_part(model: Any, X: NDArray, dataset: Dataset, train: NDArray[np.int64]) -> tuple[Any, dict[str, Any]]:
    """Positions to train on, and the part that a network holds out to know when to stop: whole groups, and never resampled."""
    share = getattr(model, "validation", 0)
    if not share:
        return slice(None), {}
    kept, held = inner_folds(dataset, train, max(2, round(1 / share)))[0]
    return kept, {"held_out": (X[held], dataset.targets[train[held]])}


def _held_out(model: Any, strategy: Strategy, X: NDArray, dataset: Dataset, train: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities of the training images by models that have not seen them; resampled and fitted anew in each inner fold."""
    proba = np.zeros((len(train), len(dataset.classes)))
    for inner, held in inner_folds(dataset, train):
        kept, held_out = _held_out_part(model, X[inner], dataset, train[inner])
        fitted = clone(model).fit(*strategy.resample(X[inner[kept]], dataset.targets[train[inner[kept]]]), **held_out)
        proba[held] = probabilities(fitted, X[held], dataset)
    return proba


class Labelled(Protocol):
    """What has classes: a data set, or a fitted pipeline."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several."""


def probabilities(model: Any, X: NDArray, labelled: Labelled) -> NDArray[np.float64]:
    """Probabilities for all classes, (n, n_classes): one that the training part lacked has probability zero."""
    proba = np.asarray(model.predict_proba(X))
    if labelled.multilabel:
        return proba.astype(np.float64)
    full = np.zeros((len(proba), len(labelled.classes)))
    full[:, np.asarray(model.classes_, dtype=int)] = proba
    return full


def _plain(history: Any) -> Any:
    """Keep what JSON can hold; NumPy's numbers are made Python's, anything else is made text."""
    return json.loads(json.dumps(history, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value)))


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start


def _images_per_s(features: Features, predict_s: float, n_test: int) -> float:
    """Images a second from pixels to probabilities, extraction included."""
    seconds = predict_s / n_test + (features.seconds / features.n_images if features.n_images else 0)
    return 1 / seconds if seconds else float("inf")
