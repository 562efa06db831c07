"""Predictions of a pipeline as text and as JSON records."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.pipelines.card import Card
from benchmark.pipelines.reading import InputImage
from benchmark.reporting.leaderboard import MULTILABEL_METRICS, TABLE_METRICS

N_SHOWN = 5  # classes


def predicted_classes(card: Card, proba: NDArray[np.float64]) -> list[str]:
    """Names of the predicted classes of one image.

    Parameters
    ----------
    card : Card
    proba : (n_classes,) float64

    Returns
    -------
    list of str
        The most probable class; with several labels per image, all classes above 0.5.
    """
    if card.multilabel:
        return [name for name, p in zip(card.classes, proba, strict=True) if p > 0.5]
    return [card.classes[proba.argmax()]]


def describe_prediction(card: Card, proba: NDArray[np.float64]) -> tuple[str, float]:
    """Text and probability of the prediction for one image.

    Of several predicted classes, the probability is that of the least probable one; if no class is
    predicted, the text is 'none' and the probability that of the most probable class.
    """
    names = predicted_classes(card, proba)
    if not names:
        return "none", float(proba.max())
    return ", ".join(names), float(
        min(p for name, p in zip(card.classes, proba, strict=True) if name in names)
    )


def most_probable_classes(card: Card, proba: NDArray[np.float64]) -> list[tuple[str, float]]:
    """The five most probable classes with their probabilities, most probable first."""
    return [(card.classes[k], float(proba[k])) for k in np.argsort(-proba, kind="stable")[:N_SHOWN]]


def describe_metrics(card: Card, metric: str | None = None) -> str:
    """Metrics on the test set, as text: the given one, or the six of a leaderboard."""
    six = MULTILABEL_METRICS if card.multilabel else TABLE_METRICS
    names = six if metric is None else (metric,)
    values = {name: card.metrics.get(name) for name in names}
    return ", ".join(
        f"{name} {'undefined' if value is None else f'{value:.3f}'}"
        for name, value in values.items()
    )


def prediction_record(card: Card, image: InputImage, proba: NDArray[np.float64]) -> dict[str, Any]:
    """Prediction for one image as JSON; 'class' is a list if images may have several labels."""
    names = predicted_classes(card, proba)
    return {
        "image": image.name,
        "class": names if card.multilabel else names[0],
        "probabilities": dict(zip(card.classes, proba.tolist(), strict=True)),
        "notes": list(image.notes),
    }
