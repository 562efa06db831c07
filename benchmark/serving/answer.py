"""What the page shows of an image: every pipeline's answer as HTML, pictures within it."""

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
from benchmark.pipelines.answers import (
    describe_metrics,
    describe_prediction,
    most_probable_classes,
    predicted_classes,
)
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.reading import InputImage, read_image
from benchmark.pipelines.sensitivity import occlusion_sensitivity

SIDE = 320  # pixels of the longer side, as shown
LEAST = 0.01  # change of a probability that has the full colour at least
_TEMPLATE = Environment(autoescape=True).from_string(
    (resources.files("benchmark.serving") / "answer.html").read_text("utf-8")
)


def render_predictions(path: Path, pipelines: dict[str, Pipeline]) -> Iterator[str]:
    """HTML of what every pipeline says of an image file: at once without heat maps, then with one after the other.

    Raises
    ------
    UserError
        The file is no image that can be read.
    """
    asked = {name: read_image(path, pipeline.card) for name, pipeline in pipelines.items()}
    views = [
        _make_template_context(name, pipeline, asked[name]) for name, pipeline in pipelines.items()
    ]
    picture = _resize_for_display(next(iter(asked.values())).pixels)
    yield _TEMPLATE.render(name=path.name, picture=_encode_data_uri(picture), views=views)
    for view, (name, pipeline) in zip(views, pipelines.items(), strict=True):
        heat = occlusion_sensitivity(pipeline, asked[name].image, view["k"])
        most = float(np.abs(heat).max())
        view |= {
            "heat": _encode_data_uri(_overlay_heat_map(picture, heat)),
            "most": max(LEAST, most),
            "matters": most >= LEAST,
        }
        yield _TEMPLATE.render(name=path.name, picture=_encode_data_uri(picture), views=views)


def _make_template_context(name: str, pipeline: Pipeline, asked: InputImage) -> dict[str, Any]:
    card = pipeline.card
    proba = pipeline.predict_proba(asked.image[None])[0]
    said, probability = describe_prediction(card, proba)
    chosen = predicted_classes(card, proba)
    return {
        "name": name,
        "card": card,
        "said": said,
        "probability": probability,
        "top": [(cls, p, cls in chosen) for cls, p in most_probable_classes(card, proba)],
        "k": int(proba.argmax()),
        "of": card.classes[int(proba.argmax())],
        "metrics": describe_metrics(card),
        "notes": asked.notes,
        "heat": None,
    }


def _resize_for_display(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Image in the size that it is shown in, (h, w, 3)."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    return np.broadcast_to(resize_image(pixels, shape), (*shape, 3))


def _overlay_heat_map(picture: NDArray[np.uint8], heat: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Heat over the picture in gray: red where covering lowers the probability, blue where it raises it."""
    most = max(LEAST, float(np.abs(heat).max()))
    eight = np.rint(127.5 + 127.5 * heat / most).astype(np.uint8)[..., None]
    colours = mpl.colormaps["RdBu_r"](resize_image(eight, picture.shape[:2])[..., 0])[..., :3] * 255
    gray = picture.mean(axis=2, keepdims=True)
    return np.rint(0.45 * gray + 0.55 * colours).astype(np.uint8)


def _encode_data_uri(pixels: NDArray[np.uint8]) -> str:
    """PNG as text, so that no file is written."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
