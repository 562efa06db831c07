"""A training of seconds, so that what cannot be saved is known before the training of hours."""

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

PER_CLASS = 4  # training images
N_COMPARED = 8  # images whose predictions must be the same when it is read back


def rehearse_saving(cell: Cell, dataset: Dataset) -> None:
    """Train a cell on a few images and read it back as from a file, if a part of it is of no registry or is made of other parts.

    A training that fails on so few images says nothing, and is left to the whole one.

    Raises
    ------
    UserError
        What was trained cannot be saved.
    """
    if all(
        spec.name in KINDS[kind] and not _inner_specs(spec)
        for kind, spec in _list_component_specs(cell)
    ):
        return
    whole = build_components(cell, dataset)
    few = _first_of_each_class(dataset, whole.train)
    components = replace(whole, fold=(few, _first_of_each_class(dataset, whole.test)))
    with limited_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trained = train_components(components)
        except (Exception, SystemExit):  # the whole training says what is wrong
            return
    saving.serialize_and_verify(
        assemble_pipeline(components, trained, ()), "the pipeline", dataset.images[few[:N_COMPARED]]
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
    """Kind and spec of each part that a part is made of."""
    inner = [(name, value) for name, value in spec.params if isinstance(value, ResolvedSpec)]
    return [("extractor" if name == "extractor" else "model", value) for name, value in inner]


def _first_of_each_class(dataset: Dataset, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first few images of each class, or of each combination of labels."""
    _, codes = np.unique(dataset.targets[indices], axis=0, return_inverse=True)
    chosen = [np.flatnonzero(codes.ravel() == code)[:PER_CLASS] for code in np.unique(codes)[:100]]
    return indices[np.sort(np.concatenate(chosen))]
