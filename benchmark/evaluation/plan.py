"""The plan of a study: its datasets and its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Any

from benchmark.datasets.base import Dataset, data_folder
from benchmark.errors import UserError
from benchmark.evaluation.components import build_components, compute_folds
from benchmark.plugins.registry import (
    BASELINE,
    import_target,
    resolve_spec,
    takes_images,
    with_defaults,
)
from benchmark.plugins.spec import ResolvedSpec, Spec
from benchmark.sampling.splits import has_official_split
from benchmark.study.axes import Role, axes_with_roles
from benchmark.study.cell import Cell, default_values
from benchmark.study.study import Study, identifying_content


@dataclass(frozen=True)
class Plan:
    """A study with its datasets loaded.

    Parameters
    ----------
    study : Study
        Its components are resolved.
    datasets : label to Dataset
    """

    study: Study
    datasets: dict[str, Dataset]

    def cells(self) -> Iterator[Cell]:
        """Return an iterator of all cells, which are created as they are needed."""
        n_folds = {
            label: len(compute_folds(dataset, resolve_split(self.study, dataset)))
            for label, dataset in self.datasets.items()
        }
        return generate_cells(self.study, self.datasets, n_folds)

    @cached_property
    def n_cells(self) -> int:
        """Number of cells."""
        return sum(1 for _ in self.cells())

    @cached_property
    def refused_cells(self) -> list[tuple[Cell, str]]:
        """Cells that cannot be run as far as the split tells, each with the reason.

        Further cells may turn out to be impossible when their features are known.
        """
        reasons = (
            (cell, build_components(cell, self.datasets[cell.dataset.label]).refusal_reason())
            for cell in self.cells()
        )
        return [(cell, reason) for cell, reason in reasons if reason]


def make_plan(study: Study, data: str | Path | None = None) -> Plan:
    """Resolve the components of a study and load its datasets; nothing is evaluated or written.

    Parameters
    ----------
    study : Study
    data : str or Path, optional
        Data folder; see ``benchmark.datasets.base.data_folder``.

    Returns
    -------
    Plan

    Raises
    ------
    UserError
        A name is unknown, a dataset cannot be loaded or split, or there is nothing to run.
    """
    study = study.resolve_components()
    folder = data_folder(data)
    loaded = {
        spec.label: import_target(spec.target)(spec.name, folder, study.size, **dict(spec.params))
        for spec in study.datasets
    }
    plan = Plan(
        study,
        {
            label: dataset.with_split_notes(resolve_split(study, dataset).name)
            for label, dataset in loaded.items()
        },
    )
    if not any(True for _ in plan.cells()):
        raise UserError(
            f"study '{study.name}' has no cells: it names no model, or models that take features "
            "and no extractor (--extractor and --model replace a study's pipelines: name both)"
        )
    return plan


def generate_cells(
    study: Study, datasets: dict[str, Dataset], n_folds: dict[str, int]
) -> Iterator[Cell]:
    """Yield the cells of a study.

    Parameters
    ----------
    study : Study
        Its components are resolved.
    datasets : label to Dataset
    n_folds : label to int
        Number of folds of each dataset.
    """
    configurations = _list_configurations(study)
    axes = [
        axis for axis in axes_with_roles(Role.REPLICATE, Role.CONDITION) if axis.name != "dataset"
    ]
    for spec in study.datasets:
        dataset = datasets[spec.label]
        split = resolve_split(study, dataset)
        for values in product(*(getattr(study, axis.plural) for axis in axes)):
            condition = {
                "dataset": spec,
                **{axis.name: value for axis, value in zip(axes, values, strict=True)},
            }
            for configuration in configurations:
                for fold in range(n_folds[spec.label]):
                    yield Cell(
                        dataset.fingerprint, study.size, split, fold, condition | configuration
                    )


def _list_configurations(study: Study) -> list[dict[str, Any]]:
    """List every extractor and model with every value of the other configuration axes.

    The baseline ``majority`` ignores the images, and is run with the default values only.
    """
    axes = [
        axis
        for axis in axes_with_roles(Role.CONFIGURATION)
        if axis.name not in ("extractor", "model")
    ]
    defaults = default_values()
    return [
        {
            "extractor": extractor,
            "model": model,
            **{axis.name: value for axis, value in zip(axes, values, strict=True)},
        }
        for extractor, model in _extractor_model_pairs(study)
        for values in product(
            *(
                [defaults[axis.name]] if model.name == BASELINE else getattr(study, axis.plural)
                for axis in axes
            )
        )
    ]


def resolve_split(study: Study, dataset: Dataset) -> ResolvedSpec:
    """Return the split of a study on a dataset.

    It is the split that the study names, else the official one if there is one, else stratified
    3-fold cross-validation.
    """
    default = Spec("official") if has_official_split(dataset) else Spec("stratified_kfold")
    return with_defaults(resolve_spec("split", study.split or default))


def _extractor_model_pairs(study: Study) -> Iterator[tuple[tuple[ResolvedSpec, ...], ResolvedSpec]]:
    """Yield every pair of extractor and model once.

    The baseline needs no extractor if the study has none.
    """
    on_features = (
        (extractor, model)
        for extractor in study.extractors
        for model in study.models
        if not takes_images(model)
    )
    without_extractor = (
        ((), model)
        for model in study.models
        if takes_images(model) or (model.name == BASELINE and not study.extractors)
    )
    first: dict[Any, tuple[tuple[ResolvedSpec, ...], ResolvedSpec]] = {}
    for pair in chain(on_features, without_extractor, study.pipelines):
        first.setdefault(identifying_content(pair), pair)
    yield from first.values()
