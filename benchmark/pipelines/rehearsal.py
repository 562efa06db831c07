"""Rehearsal of saving: train on a few images first, to find early what cannot be saved."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.components import build_components
from benchmark.pipelines import saving
from benchmark.pipelines.pipeline import assemble_pipeline, train_components
from benchmark.plugins.registry import KINDS
from benchmark.plugins.spec import ResolvedSpec
from benchmark.study.cell import Cell
from benchmark.utils.threads import limited_threads

N_PER_CLASS = 4  # training images
NOT_STORABLE = ("lightgbm",)  # built-in, but of a type that no pipeline file may hold
N_COMPARED = 8  # images whose predictions are compared after the pipeline is read back


def rehearse_saving(cell: Cell, dataset: Dataset) -> None:
    """Train a cell on a few images, save the pipeline to memory and read it back.

    Cells made of built-in components without components inside them are not rehearsed, except those
    that cannot be saved: the tests save each of the others. A training that fails on so few images
    is ignored, since the one on all images may succeed.

    Raises
    ------
    UserError
        The pipeline cannot be saved.
    """
    if all(
        spec.name in KINDS[kind] and spec.name not in NOT_STORABLE and not _inner_specs(spec)
        for kind, spec in _list_component_specs(cell)
    ):
        return
    complete = build_components(cell, dataset)
    train = _first_of_each_class(dataset, complete.train)
    components = replace(complete, fold=(train, _first_of_each_class(dataset, complete.test)))
    with limited_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trained = train_components(components)
        except (Exception, SystemExit):  # the training on all images reports what is wrong
            return
    saving.serialize_and_verify(
        assemble_pipeline(components, trained, ()),
        "the pipeline",
        dataset.images[train[:N_COMPARED]],
    )


def _list_component_specs(cell: Cell) -> Iterator[tuple[str, ResolvedSpec]]:
    for kind, specs in (
        ("extractor", cell.extractor),
        ("strategy", cell.strategy),
        ("model", (cell.model,)),
    ):
        for spec in specs:
            yield kind, spec
            yield from _inner_specs(spec)


def _inner_specs(spec: ResolvedSpec) -> list[tuple[str, ResolvedSpec]]:
    """Kind and spec of each component among a component's parameters."""
    return [
        ("extractor" if name == "extractor" else "model", value)
        for name, value in spec.params
        if isinstance(value, ResolvedSpec)
    ]


def _first_of_each_class(dataset: Dataset, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the first few images of each class, or of each combination of labels."""
    _, codes = np.unique(dataset.targets[indices], axis=0, return_inverse=True)
    positions = [
        np.flatnonzero(codes.ravel() == code)[:N_PER_CLASS] for code in np.unique(codes)[:100]
    ]
    return indices[np.sort(np.concatenate(positions))]
