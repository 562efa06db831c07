"""What a pipeline says of images: as rows, and as text for people."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.pipelines.card import Card
from benchmark.pipelines.reading import Asked
from benchmark.reporting.leaderboard import SIX, SIX_MULTILABEL

SHOWN = 5  # classes


def predicted_classes(card: Card, proba: NDArray[np.float64]) -> list[str]:
    """The most probable class, or those above one half if an image may have several."""
    if card.multilabel:
        return [name for name, p in zip(card.classes, proba, strict=True) if p > 0.5]
    return [card.classes[proba.argmax()]]


def describe_prediction(card: Card, proba: NDArray[np.float64]) -> tuple[str, float]:
    """The class in words, and its probability; of several classes that of the least probable, of none that of the most probable."""
    found = predicted_classes(card, proba)
    if not found:
        return "none", float(proba.max())
    return ", ".join(found), float(
        min(p for name, p in zip(card.classes, proba, strict=True) if name in found)
    )


def most_probable_classes(card: Card, proba: NDArray[np.float64]) -> list[tuple[str, float]]:
    """The most probable classes, with their probabilities."""
    return [(card.classes[k], float(proba[k])) for k in np.argsort(-proba, kind="stable")[:SHOWN]]


def describe_metrics(card: Card) -> str:
    """The six metrics of a leaderboard, on the test set."""
    shown = {name: card.metrics.get(name) for name in (SIX_MULTILABEL if card.multilabel else SIX)}
    return ", ".join(
        f"{name} {'undefined' if value is None else f'{value:.3f}'}"
        for name, value in shown.items()
    )


def prediction_record(card: Card, asked: Asked, proba: NDArray[np.float64]) -> dict[str, Any]:
    """One image's answer as JSON has it; 'class' is a list if an image may have several."""
    found = predicted_classes(card, proba)
    return {
        "image": asked.name,
        "class": found if card.multilabel else found[0],
        "probabilities": dict(zip(card.classes, proba.tolist(), strict=True)),
        "notes": list(asked.notes),
    }
