"""Predictions for many uploaded images as an HTML table, with the CSV embedded."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.prediction_csv import FilePrediction, format_prediction_csv
from benchmark.pipelines.prediction_text import describe_prediction
from benchmark.pipelines.reading import InputImage
from benchmark.serving.agreement import find_dissenters, group_by_classes
from benchmark.serving.inputs import read_inputs
from benchmark.serving.templates import load_template
from benchmark.serving.uploads import UploadedFile
from benchmark.utils.text import format_count

BATCH_SIZE = 32  # images that are predicted at once
_TABLE = load_template("prediction_table.html")
_PROGRESS = load_template("progress.html")


def render_prediction_table(
    files: Sequence[UploadedFile], pipelines: dict[str, Pipeline]
) -> Iterator[str]:
    """Render the predictions of all pipelines for many images, and delete each file once read.

    Parameters
    ----------
    files : sequence of UploadedFile
        Those that cannot be read become lines with the reason.
    pipelines : dict of str to Pipeline
        Pipelines by the name of their file.

    Yields
    ------
    str
        HTML: the progress, then a table with one line per file and a link to its CSV.
    """
    predictions: list[FilePrediction] = []
    for start in range(0, len(files), BATCH_SIZE):
        yield _PROGRESS.render(n_done=start, n=len(files))
        predictions += predict_files(files[start : start + BATCH_SIZE], pipelines)
    groups = group_by_classes(pipelines)
    is_compared = any(len(names) > 1 for names in groups)
    lines = [
        _make_line(predictions[start : start + len(pipelines)], groups)
        for start in range(0, len(predictions), len(pipelines))
    ]
    csv = format_prediction_csv(predictions).encode()
    yield _TABLE.render(
        summary=_summarize_lines(lines, is_compared),
        is_compared=is_compared,
        cards={name: pipeline.card for name, pipeline in pipelines.items()},
        lines=lines,
        csv="data:text/csv;charset=utf-8;base64," + base64.b64encode(csv).decode(),
    )


def predict_files(
    files: Sequence[UploadedFile], pipelines: dict[str, Pipeline]
) -> list[FilePrediction]:
    """Predict the classes of image files, and delete the files.

    Returns
    -------
    list of FilePrediction
        For each file, in this order, one per pipeline.
    """
    inputs: dict[str, dict[str, InputImage]] = {}
    errors: dict[str, str] = {}
    for file in files:
        try:
            if file.problem:
                raise UserError(file.problem)
            inputs[file.name] = read_inputs(file.path, pipelines)
        except UserError as error:
            unread = f"cannot read the image {file.path}: "
            errors[file.name] = str(error).removeprefix(unread).replace(str(file.path), file.name)
        finally:
            file.delete()
    proba: dict[tuple[str, str], NDArray[np.float64]] = {}
    for name, pipeline in pipelines.items() if inputs else ():
        images = np.stack([inputs[file][name].image for file in inputs])
        predicted = pipeline.predict_proba(images)
        proba |= {(file, name): p for file, p in zip(inputs, predicted, strict=True)}
    return [
        FilePrediction(
            file.name,
            name,
            pipeline.card,
            proba.get((file.name, name)),
            inputs[file.name][name].notes if file.name in inputs else (),
            errors.get(file.name, ""),
        )
        for file in files
        for name, pipeline in pipelines.items()
    ]


def _make_line(predictions: Sequence[FilePrediction], groups: list[list[str]]) -> dict[str, Any]:
    """One line of the table: the predictions of all pipelines for a file."""
    described = {
        each.pipeline: describe_prediction(each.card, each.proba)
        for each in predictions
        if each.proba is not None
    }
    labels = {name: label for name, (label, _) in described.items()}
    dissenters = {
        name
        for names in (groups if labels else ())
        for name in find_dissenters({name: labels[name] for name in names})
    }
    return {
        "file": predictions[0].file,
        "error": predictions[0].error,
        "cells": [(*described[name], name in dissenters) for name in described],
        "agree": not dissenters,
    }


def _summarize_lines(lines: Sequence[Mapping[str, Any]], is_compared: bool) -> str:
    """Count the files, those that cannot be read, and those on which pipelines agree."""
    n_failed = sum(bool(line["error"]) for line in lines)
    n_read = len(lines) - n_failed
    text = format_count(len(lines), "file")
    if n_failed:
        text += f", of which {n_failed} cannot be read"
    if is_compared and n_read:
        n_agreed = sum(line["agree"] and not line["error"] for line in lines)
        text += f". The pipelines agree on {n_agreed} of {format_count(n_read, 'image')}"
    return f"{text}."
