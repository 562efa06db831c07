"""Predictions for an uploaded image as HTML, with the images embedded."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.datasets.images.load import resize_image
from benchmark.errors import UserError
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.prediction_text import (
    describe_metrics,
    describe_prediction,
    most_probable_classes,
    predicted_classes,
)
from benchmark.pipelines.reading import InputImage
from benchmark.pipelines.sensitivity import occlusion_sensitivity
from benchmark.serving.agreement import (
    describe_agreement,
    describe_classes,
    find_dissenters,
    group_by_classes,
)
from benchmark.serving.inputs import read_inputs
from benchmark.serving.templates import load_template
from benchmark.serving.uploads import UploadedFile

SIDE = 320  # of the displayed image's longer side, in pixels
MIN_SCALE = 0.01  # a change of probability below it never has the darkest colour
_TEMPLATE = load_template("predictions.html")


def render_predictions(file: UploadedFile, pipelines: dict[str, Pipeline]) -> Iterator[str]:
    """Render the predictions of all pipelines for an image, and delete its file.

    Parameters
    ----------
    file : UploadedFile
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
    try:
        inputs = read_inputs(file.path, pipelines)
    except UserError as error:
        raise UserError(str(error).replace(str(file.path), file.name)) from None
    finally:
        file.delete()
    views = {name: _make_view(name, pipeline, inputs[name]) for name, pipeline in pipelines.items()}
    image = _resize_for_display(next(iter(inputs.values())).pixels)
    groups = [
        _make_group({name: views[name] for name in names}) for names in group_by_classes(pipelines)
    ]
    context = {"name": file.name, "image": _encode_data_uri(image), "groups": groups}
    yield _TEMPLATE.render(context)
    for name, pipeline in pipelines.items():
        heat = occlusion_sensitivity(pipeline, inputs[name].image, views[name]["k"])
        max_change = float(np.abs(heat).max())
        views[name] |= {
            "heat_map": _encode_data_uri(_overlay_heat_map(image, heat)),
            "max_change": max(MIN_SCALE, max_change),
            "is_sensitive": max_change >= MIN_SCALE,
        }
        yield _TEMPLATE.render(context)


def _make_group(views: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Views of pipelines with the same classes, and whether they agree."""
    labels = {name: view["label"] for name, view in views.items()}
    dissenters = find_dissenters(labels)
    for name, view in views.items():
        view["differs"] = name in dissenters
    return {
        "classes": describe_classes(next(iter(views.values()))["card"]),
        "agreement": describe_agreement(labels),
        "views": list(views.values()),
    }


def _make_view(name: str, pipeline: Pipeline, image: InputImage) -> dict[str, Any]:
    card = pipeline.card
    proba = pipeline.predict_proba(image.image[None])[0]
    label, probability = describe_prediction(card, proba)
    predicted = predicted_classes(card, proba)
    return {
        "name": name,
        "card": card,
        "label": label,
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
