"""Predictions as CSV, for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.pipelines.card import Card
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.prediction_text import predicted_classes
from benchmark.pipelines.reading import InputImage, read_image
from benchmark.utils.text import escape_controls

FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True, eq=False)
class FilePrediction:
    """Prediction of a pipeline for an image file, or the reason why there is none.

    Parameters
    ----------
    file : str
        Name of the image file.
    pipeline : str
        Name of the pipeline file.
    card : Card
        Metadata of the pipeline.
    proba : (n_classes,) float64, or None
        None if the image could not be read.
    notes : sequence of str
        Conversions of the image.
    error : str
        Why the image could not be read; empty if it was.
    """

    file: str
    pipeline: str
    card: Card
    proba: NDArray[np.float64] | None
    notes: Sequence[str] = ()
    error: str = ""


def predict_files(
    paths: Sequence[Path], pipeline: Pipeline, pipeline_name: str
) -> list[FilePrediction]:
    """Predict the classes of image files, of which some may be unreadable.

    Parameters
    ----------
    paths : sequence of Path
    pipeline : Pipeline
    pipeline_name : str
        Name of the pipeline file.
    """
    images: dict[Path, InputImage] = {}
    errors: dict[Path, str] = {}
    for path in paths:
        try:
            images[path] = read_image(path, pipeline.card)
        except UserError as error:
            errors[path] = str(error)
    stacked = [image.image for image in images.values()]
    proba = pipeline.predict_proba(np.stack(stacked)) if stacked else ()
    predicted = {
        path: FilePrediction(str(path), pipeline_name, pipeline.card, p, image.notes)
        for (path, image), p in zip(images.items(), proba, strict=True)
    }
    return [
        predicted.get(path)
        or FilePrediction(str(path), pipeline_name, pipeline.card, None, (), errors[path])
        for path in paths
    ]


def format_prediction_csv(predictions: Sequence[FilePrediction]) -> str:
    """Format predictions as CSV, one line per file and pipeline.

    The columns are ``file``, ``pipeline``, ``prediction`` (several labels are separated by ``|``),
    ``error``, ``notes`` and ``p:CLASS``, the probability of each class that any of the pipelines
    has; it is empty where a pipeline has no such class. Spreadsheets take a text that begins with
    ``=``, ``+``, ``-`` or ``@`` for a formula, so an apostrophe is written before it.

    Parameters
    ----------
    predictions : sequence of FilePrediction

    Returns
    -------
    str
    """
    classes = list(dict.fromkeys(name for each in predictions for name in each.card.classes))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = [
        "file",
        "pipeline",
        "prediction",
        "error",
        "notes",
        *(f"p:{name}" for name in classes),
    ]
    writer.writerow(map(_escape_cell, header))
    for each in predictions:
        prediction, values = "", {}
        if each.proba is not None:
            prediction = "|".join(predicted_classes(each.card, each.proba))
            values = dict(zip(each.card.classes, each.proba.tolist(), strict=True))
        texts = (each.file, each.pipeline, prediction, each.error, "; ".join(each.notes))
        writer.writerow([*map(_escape_cell, texts), *(values.get(name, "") for name in classes)])
    return text.getvalue()


def _escape_cell(text: str) -> str:
    """Escape control characters, and the start of a formula.

    Examples
    --------
    >>> _escape_cell("=1+1.png")
    "'=1+1.png"
    """
    visible = escape_controls(text)
    return f"'{visible}" if visible.lstrip().startswith(FORMULA_STARTS) else visible
