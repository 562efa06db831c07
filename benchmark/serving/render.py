"""Predictions for an uploaded image as HTML, with the images embedded."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image

from benchmark.datasets.images.load import resize_image
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.prediction_text import (
    describe_metrics,
    describe_prediction,
    most_probable_classes,
    predicted_classes,
)
from benchmark.pipelines.reading import InputImage, read_image
from benchmark.pipelines.sensitivity import occlusion_sensitivity

SIDE = 320  # of the displayed image's longer side, in pixels
MIN_SCALE = 0.01  # a change of probability below it never has the darkest colour
_TEMPLATE = Environment(autoescape=True).from_string(
    (resources.files("benchmark.serving") / "predictions.html").read_text("utf-8")
)


def render_predictions(path: Path, pipelines: dict[str, Pipeline]) -> Iterator[str]:
    """Render the predictions of all pipelines for an image file.

    Parameters
    ----------
    path : Path
    pipelines : dict of str to Pipeline
        Pipelines by the name of their file.

    Yields
    ------
    str
        HTML: first without heat maps, then again after the heat map of each pipeline.

    Raises
    ------
    UserError
        The image cannot be read.
    """
    inputs = {name: read_image(path, pipeline.card) for name, pipeline in pipelines.items()}
    views = [
        _make_template_context(name, pipeline, inputs[name]) for name, pipeline in pipelines.items()
    ]
    image = _resize_for_display(next(iter(inputs.values())).pixels)
    yield _TEMPLATE.render(name=path.name, image=_encode_data_uri(image), views=views)
    for view, (name, pipeline) in zip(views, pipelines.items(), strict=True):
        heat = occlusion_sensitivity(pipeline, inputs[name].image, view["k"])
        max_change = float(np.abs(heat).max())
        view |= {
            "heat_map": _encode_data_uri(_overlay_heat_map(image, heat)),
            "max_change": max(MIN_SCALE, max_change),
            "is_sensitive": max_change >= MIN_SCALE,
        }
        yield _TEMPLATE.render(name=path.name, image=_encode_data_uri(image), views=views)


def _make_template_context(name: str, pipeline: Pipeline, image: InputImage) -> dict[str, Any]:
    card = pipeline.card
    proba = pipeline.predict_proba(image.image[None])[0]
    prediction, probability = describe_prediction(card, proba)
    predicted = predicted_classes(card, proba)
    return {
        "name": name,
        "card": card,
        "prediction": prediction,
        "probability": probability,
        "top": [(cls, p, cls in predicted) for cls, p in most_probable_classes(card, proba)],
        "k": int(proba.argmax()),
        "top_class": card.classes[int(proba.argmax())],
        "metrics": describe_metrics(card),
        "notes": image.notes,
        "heat_map": None,
    }


def _resize_for_display(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Image (h, w, 3) in the size in which it is displayed."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    return np.broadcast_to(resize_image(pixels, shape), (*shape, 3))


def _overlay_heat_map(image: NDArray[np.uint8], heat: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Image (h, w, 3) in gray, under a heat map of the decrease of a probability.

    It is red where covering lowers the probability, and blue where covering raises it.
    """
    max_change = max(MIN_SCALE, float(np.abs(heat).max()))
    levels = np.rint(127.5 + 127.5 * heat / max_change).astype(np.uint8)[..., None]
    colours = mpl.colormaps["RdBu_r"](resize_image(levels, image.shape[:2])[..., 0])[..., :3] * 255
    gray = image.mean(axis=2, keepdims=True)
    return np.rint(0.45 * gray + 0.55 * colours).astype(np.uint8)


def _encode_data_uri(pixels: NDArray[np.uint8]) -> str:
    """Image as a data URI of a PNG, so that no file is written."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
