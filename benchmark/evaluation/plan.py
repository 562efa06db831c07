"""What a study comes to: its data sets and its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Any

from benchmark.datasets.base import Dataset, data_folder
from benchmark.errors import UserError
from benchmark.evaluation.components import folds, refusal
from benchmark.plugins.registry import FLOOR, load, resolve, takes_images, with_defaults
from benchmark.plugins.spec import Spec
from benchmark.sampling.splits import has_official
from benchmark.study.cell import Cell
from benchmark.study.study import Study, content_of


@dataclass(frozen=True)
class Plan:
    """What a study comes to on its data.

    Parameters
    ----------
    study : Study
        Resolved.
    datasets : label to Dataset
    """

    study: Study
    datasets: dict[str, Dataset]

    def cells(self) -> Iterator[Cell]:
        """All cells, each made when it is asked for."""
        n_folds = {label: len(folds(dataset, split_of(self.study, dataset))) for label, dataset in self.datasets.items()}
        return cells(self.study, self.datasets, n_folds)

    @cached_property
    def n_cells(self) -> int:
        """Number of cells."""
        return sum(1 for _ in self.cells())

    @cached_property
    def refusals(self) -> list[tuple[Cell, str]]:
        """Cells of which the split alone tells that they cannot be run, with the reason; features may refuse others."""
        reasons = ((cell, refusal(cell, self.datasets[cell.dataset.label])) for cell in self.cells())
        return [(cell, reason) for cell, reason in reasons if reason]


def make_plan(study: Study, data: str | Path | None = None) -> Plan:
    """Find the code of a study and load its data sets; nothing is evaluated or written.

    Raises
    ------
    UserError
        A name is unknown, a data set cannot be loaded or split, or there is nothing to run.
    """
    study = study.resolved()
    folder = data_folder(data)
    loaded = {spec.label: load(spec.target)(spec.name, folder, study.size, **dict(spec.params)) for spec in study.datasets}
    plan = Plan(study, {label: dataset.noted_for(split_of(study, dataset).name) for label, dataset in loaded.items()})
    if not any(True for _ in plan.cells()):
        raise UserError(
            f"study '{study.name}' has no cells: it names no model, or models that take features and no extractor "
            "(--extractor and --model replace a study's pipelines: name both)"
        )
    return plan


def cells(study: Study, datasets: dict[str, Dataset], folds: dict[str, int]) -> Iterator[Cell]:
    """Yield the cells of a resolved study; one lazy generator for everything that is ever run.

    Parameters
    ----------
    study : Study
    datasets : label to Dataset
    folds : label to number of folds
    """
    for data in study.datasets:
        dataset = datasets[data.label]
        split = split_of(study, dataset)
        samples = product(study.seeds, study.imbalances, study.train_sizes, study.occlusions)
        for (seed, imbalance, train_size, occlusion), (strategy, (extractor, model)) in product(samples, _entries(study)):
            for fold in range(folds[data.label]):
                where = data, dataset.fingerprint, study.size, split, fold
                yield Cell(*where, imbalance, train_size, occlusion, extractor, strategy, model, seed)


def _entries(study: Study) -> list[tuple[tuple[Spec, ...], tuple[tuple[Spec, ...], Spec]]]:
    """Every strategy with every pipeline; ``majority`` looks at no image, and so is run without a strategy."""
    nothing = ((resolve("strategy", Spec("none")),),)
    return [
        (strategy, (extractor, model))
        for extractor, model in _pipelines(study)
        for strategy in (nothing if model.name == FLOOR else study.strategies)
    ]


def split_of(study: Study, dataset: Dataset) -> Spec:
    """Split of a study on one data set: the named one, else the official one where there is one, else 3-fold."""
    default = Spec("official") if has_official(dataset) else Spec("stratified_kfold")
    return with_defaults(study.split or resolve("split", default))


def _pipelines(study: Study) -> Iterator[tuple[tuple[Spec, ...], Spec]]:
    """Every pair of extractor and model, each once; the floor needs no extractor where a study has none."""
    spanned = ((extractor, model) for extractor in study.extractors for model in study.models if not takes_images(model))
    alone = (((), model) for model in study.models if takes_images(model) or (model.name == FLOOR and not study.extractors))
    first: dict[Any, tuple[tuple[Spec, ...], Spec]] = {}
    for pair in chain(spanned, alone, study.pipelines):
        first.setdefault(content_of(pair), pair)
    yield from first.values()
