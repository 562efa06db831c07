"""Evaluate a trained pipeline on the images of another hospital."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.datasets.base import Dataset
from benchmark.datasets.matching import match_images, match_targets, refuse_shared_groups
from benchmark.errors import UserError
from benchmark.pipelines.card import Card
from benchmark.pipelines.pipeline import Pipeline
from benchmark.scoring.class_order import ask_about_class_names
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Result
from benchmark.utils.hashing import digest_of
from benchmark.utils.notes import Note
from benchmark.utils.text import format_count

AT_ONCE = 1000  # images


@dataclass(frozen=True)
class ExternalValidation:
    """Metrics of a pipeline on an external dataset, beside those on its own test set.

    Parameters
    ----------
    table : DataFrame
        One row per metric: metric, internal (NaN where it is unknown), external, lower, upper,
        interval (method, or why there is none), loss (the difference, positive if the pipeline is
        worse there).
    notes : tuple of str
        What a reader must know.
    predictions : Predictions
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    predictions: Predictions


def evaluate_externally(
    pipeline: Pipeline, dataset: Dataset, metrics: tuple[str, ...]
) -> ExternalValidation:
    """Predict all images of a dataset, and compute metrics with 95% confidence intervals.

    Parameters
    ----------
    pipeline : Pipeline
    dataset : Dataset
        Its images have the height and width that the pipeline was trained on.
    metrics : tuple of str

    Raises
    ------
    UserError
        The classes differ from those of the pipeline, the positive class is another one, groups are
        also in its training set, or the images have another size, or colours where the pipeline
        knows gray.
    """
    card = pipeline.card
    _check_positive_class(card, dataset, metrics)
    if dataset.fingerprint != card.fingerprint:
        _check_groups(card, dataset)
    predictions = predict_dataset(pipeline, dataset)
    rows = [_compare(card, predictions, name) for name in metrics]
    return ExternalValidation(
        pd.DataFrame(rows), tuple(_list_notes(card, dataset, predictions)), predictions
    )


def predict_dataset(pipeline: Pipeline, dataset: Dataset) -> Predictions:
    """Predict all images of a dataset, with the classes in the order of the pipeline."""
    card = pipeline.card
    targets = match_targets(dataset, card.classes, card.multilabel, "the pipeline")
    images = match_images(dataset, card.image_shape, "the pipeline")
    proba = np.concatenate(
        [
            pipeline.predict_proba(images[start : start + AT_ONCE])
            for start in range(0, len(images), AT_ONCE)
        ]
    )
    return Predictions(
        targets, proba, card.classes, np.arange(len(images)), card.ordinal, dataset.groups
    )


def _check_positive_class(card: Card, dataset: Dataset, metrics: tuple[str, ...]) -> None:
    """Refuse another positive class than the pipeline's, and metrics that need an unknown one."""
    if None not in (card.positive, dataset.positive) and card.positive != dataset.positive:
        raise UserError(
            f"dataset '{dataset.name}': its positive class is '{dataset.positive}', and that of "
            f"the pipeline '{card.positive}'"
        )
    needing = [name for name in metrics if find_metric(name).binary]
    positive = card.positive or dataset.positive
    if needing and (len(card.classes) != 2 or card.multilabel):
        raise UserError(
            f"{needing[0]} needs two classes, one of them positive, and the pipeline has "
            f"{len(card.classes)}{' of which an image may have several' * card.multilabel}"
        )
    if needing and positive is None:
        suggested = f"add positive={card.classes[1]!r} to --dataset"
        raise UserError(f"{needing[0]} needs a positive class: {suggested}")
    if needing and positive != card.classes[1]:
        raise UserError(
            f"dataset '{dataset.name}': its positive class is '{positive}', and the pipeline was "
            f"fitted without one; fit it again with positive='{positive}' for its dataset"
        )


def _check_groups(card: Card, dataset: Dataset) -> None:
    """Refuse groups, such as patients, that the pipeline was trained on."""
    if dataset.groups is None:
        return
    known = set(card.training_groups)
    names = sorted({str(group) for group in dataset.groups})
    shared = [name for name in names if digest_of(name) in known]
    refuse_shared_groups(dataset, shared, "in the training set of the pipeline")


def _compare(card: Card, predictions: Predictions, name: str) -> dict[str, object]:
    internal = card.metrics.get(name)
    result: Result = interval_over_images(name, [predictions])
    value = find_metric(name)(predictions)
    sign = 1 if find_metric(name).greater_is_better else -1
    known = np.nan if internal is None else internal
    return {
        "metric": name,
        "internal": known,
        "external": value,
        "lower": result.lower,
        "upper": result.upper,
        "interval": f"none: {result.refusal}"
        if result.refusal
        else f"{result.test}, {result.n} {result.unit}",
        "loss": sign * (known - value),
    }


def _list_notes(card: Card, dataset: Dataset, predictions: Predictions) -> list[str]:
    notes = []
    if dataset.fingerprint == card.fingerprint:
        notes.append(
            "these are the images that the pipeline was trained and tested on: the values are no "
            "external validation"
        )
    elif dataset.groups is None or not card.training_groups:
        if dataset.groups is None:
            notes.append(
                f"'{dataset.name}' has no groups: patients of the training set would not be "
                "noticed, and intervals take all images as independent"
            )
        else:
            notes.append("the training set has no groups: patients of it would not be noticed here")
    if absent := predictions.absent_classes:
        notes.append(f"there are no images of {', '.join(absent)}: means over classes lack them")
    if len(predictions.classes) == 2 and not predictions.multilabel:
        share = (predictions.y_true == 1).mean()
        n = format_count(len(predictions.y_true), "image")
        notes.append(f"{share:.1%} of {n} are of '{predictions.classes[1]}'")
        notes += ask_about_class_names([predictions])
    # leaks between the subsets of this dataset do not matter, as none of it was trained on
    return notes + [str(note) for note in map(Note.from_text, dataset.notes) if not note.is_leak]
