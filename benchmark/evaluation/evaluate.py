"""The evaluation of one cell, from its components to its row."""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import parent_process
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset, format_image_shape
from benchmark.errors import StorageError
from benchmark.evaluation.accelerate import accelerate_models
from benchmark.evaluation.bounds import truncate_outcome
from benchmark.evaluation.components import (
    Components,
    build_components,
    seed_global_generators,
    warm_up,
)
from benchmark.evaluation.extraction import Features, extract_features
from benchmark.evaluation.training import train_and_predict
from benchmark.evaluation.tuning import forget_trials, tune_components
from benchmark.plugins.registry import find_probe
from benchmark.results.folder import ResultsFolder
from benchmark.sampling.splits import note_shared_images
from benchmark.scoring import metrics
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Refused
from benchmark.study.cell import Cell
from benchmark.utils.environment import collect_environment
from benchmark.utils.hashing import digest_of_file
from benchmark.utils.memory import peak_memory_mb, reset_peak_memory
from benchmark.utils.messages import describe_warnings, exception_text
from benchmark.utils.notes import Note, leak_note
from benchmark.utils.status import Status
from benchmark.utils.threads import THREADS

# what an extractor with the attribute ``probe`` takes: the AUC that it should not exceed alone, and
# what may be the reason
PROBES = MappingProxyType(
    {
        "covariates": (
            0.99,
            "one of them may give the class away, such as one that was recorded after the "
            "diagnosis",
        ),
        "border pixels": (
            0.8,
            "the classes may come from different sources, such as hospitals or devices, which a "
            "model can recognise instead of the finding",
        ),
    }
)


def evaluate_on_dataset(
    cell: Cell, dataset: Dataset, folder: Path, accelerate: bool = False
) -> dict[str, Any]:
    """Evaluate a cell: write its predictions to ``predictions/<key>.npz``, and return its row.

    An exception that is raised meanwhile becomes the ``status`` and the ``reason`` of the row.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset
    folder : Path
        Results folder, with ``predictions/`` and ``features/`` (the cache).
    accelerate : bool
        Whether to use scikit-learn-intelex; see ``accelerate_models``.

    Returns
    -------
    dict
        The row: labels, status, metrics, times in seconds, provenance.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    reset_peak_memory()
    seed_global_generators(cell)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = capture_outcome(
            lambda: _evaluate_with_acceleration(cell, dataset, folder, accelerate)
        )
    notes = [*dataset.notes, *outcome.get("notes", ()), *describe_warnings(caught)]
    return build_row(
        cell,
        {**outcome, "accelerated": accelerate, "notes": notes, "peak_mb": peak_memory_mb()},
        dataset,
    )


def build_row(cell: Cell, outcome: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Build the row of a cell that has just ended: labels, provenance and truncated outcome."""
    row = {
        "key": cell.key,
        **cell.identity,
        "params": cell.params,
        "environment": collect_environment(),
        "threads": THREADS,
    }
    row |= {"licence": dataset.licence, "citation": dataset.citation}
    return (
        row
        | truncate_outcome(outcome)
        | {"ended": datetime.now(UTC).isoformat(timespec="milliseconds")}
    )


def capture_outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call a function, and turn whatever it raises into a status and a reason.

    Parameters
    ----------
    work : callable () -> dict

    Returns
    -------
    dict
        'status', 'reason', and the dict that the function returned, or 'traceback' if it failed.

    Raises
    ------
    StorageError
        The results folder cannot be written. The work is not to blame and can be done again.
    """
    depth = sys.getrecursionlimit()  # a plug-in may lower it below what the rest needs
    try:
        return {"status": Status.OK, "reason": "", **work()}
    except StorageError:
        raise
    except Refused as reason:
        return {"status": Status.SKIPPED, "reason": str(reason)}
    except BaseException as error:
        sys.setrecursionlimit(depth)
        if isinstance(error, KeyboardInterrupt) and parent_process() is None:
            raise  # Ctrl-C, which never reaches a worker
        return failure_outcome(error)
    finally:
        sys.setrecursionlimit(depth)


def failure_outcome(error: BaseException) -> dict[str, Any]:
    """Return the columns of a row that describe an exception: status, reason and traceback."""
    status = Status.MEMORY if isinstance(error, MemoryError) else Status.FAILED
    formatted = "".join(traceback.format_exception(error))
    return {
        "status": status,
        "reason": f"{type(error).__name__}: {exception_text(error)}",
        "traceback": exception_text(formatted),
    }


def _evaluate_with_acceleration(
    cell: Cell, dataset: Dataset, folder: Path, accelerate: bool
) -> dict[str, Any]:
    with accelerate_models(accelerate):
        return _compute_outcome(cell, dataset, folder)


def _compute_outcome(cell: Cell, dataset: Dataset, folder: Path) -> dict[str, Any]:
    components = build_components(cell, dataset)
    reason = components.refusal_reason()
    if reason:
        raise Refused(reason)
    return evaluate_components(components, folder)


def evaluate_components(components: Components, folder: Path) -> dict[str, Any]:
    """Extract features, train and predict; write the predictions, and return the results.

    Parameters
    ----------
    components : Components
    folder : Path
        Results folder.

    Returns
    -------
    dict
        The columns of a row that are computed: metrics, times, numbers of images, notes.
    """
    key, dataset = components.cell.key, components.dataset
    results = ResultsFolder(folder)
    if components.approach == "deep":
        warm_up()
    tuned = tune_components(components, results)
    features = extract_features(tuned.components, results.features)
    trained = train_and_predict(tuned.components, features)
    train, test = tuned.components.fold
    path = results.predictions_path(key)
    trained.predictions.save(path, trained.external)
    forget_trials(components, results)
    stored = Predictions.load(path)
    values = metrics.compute_metrics(stored)
    matrices = tuned.matrices | features.matrices
    return {
        **values,
        **tuned.describe(values),
        "predictions": digest_of_file(path),
        **({"external": components.cell.external} if components.cell.external else {}),
        "per_class": _per_class_metrics(stored, dataset.targets[train]),
        "approach": components.approach,
        "shape": format_image_shape(dataset),
        "n_images": len(dataset.images),
        "n_train": len(train),
        "n_test": len(test),
        "matrices": matrices,
        "extract_s": sum(matrix["seconds"] for matrix in matrices.values()),
        **trained.outcome,
        "images_per_s": _images_per_s(features, trained.outcome["predict_s"], len(test)),
        "history": _to_json_types(getattr(trained.model, "history_", None)),
        "notes": [
            *features.notes,
            *tuned.notes,
            *trained.notes,
            *metrics.note_missing_classes(stored, dataset.targets[train]),
            *note_shared_images(dataset, train, test),
            *_note_telling_probe(components, values),
        ],
    }


def _note_telling_probe(components: Components, values: dict[str, float]) -> list[Note]:
    """Note that what should not tell the class predicts it alone."""
    # the extractors are not built for it, as their features may be stored
    probes = {find_probe(extractor) for extractor in components.cell.extractor}
    (probe,) = probes if len(probes) == 1 else ("",)
    if probe not in PROBES or not values["auc"] > PROBES[probe][0]:
        return []
    highest, reason = PROBES[probe]
    return [leak_note(f"{probe} alone reach an AUC above {highest}: {reason}")]


def _per_class_metrics(stored: Predictions, y: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Return the metrics of each class, and its number of training images as 'train'."""
    counts = y.sum(axis=0) if stored.multilabel else np.bincount(y, minlength=len(stored.classes))
    return {
        cls: {**values, "train": int(n)}
        for (cls, values), n in zip(
            metrics.compute_class_metrics(stored).items(), counts, strict=True
        )
    }


def _to_json_types(history: Any) -> Any:
    """Convert NumPy's types to Python's, and all other types that JSON does not have to text."""
    return json.loads(
        json.dumps(
            history,
            default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value),
        )
    )


def _images_per_s(features: Features, predict_s: float, n_test: int) -> float:
    """Images per second from pixels to probabilities, including extraction."""
    seconds = predict_s / n_test + features.seconds_per_image
    return 1 / seconds if seconds else float("inf")
