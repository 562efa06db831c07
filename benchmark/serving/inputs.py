"""Read an uploaded file as the input of several pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.reading import InputImage, read_image


def read_inputs(path: Path, pipelines: dict[str, Pipeline]) -> dict[str, InputImage]:
    """Read a file for each pipeline, once for those that need it in the same form.

    Raises
    ------
    UserError
        One of the pipelines cannot read it.
    """
    inputs: dict[tuple[Any, ...], InputImage] = {}
    keys = {
        name: (card.image_shape, card.percentiles, card.max_pixels)
        for name, card in ((name, pipeline.card) for name, pipeline in pipelines.items())
    }
    for name, key in keys.items():
        if key not in inputs:
            inputs[key] = read_image(path, pipelines[name].card)
    return {name: inputs[key] for name, key in keys.items()}
