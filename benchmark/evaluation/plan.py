"""The plan of a study: its datasets and its cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import Any

from benchmark.datasets.attributes import digest_attributes
from benchmark.datasets.base import Dataset, data_folder
from benchmark.datasets.case_lists import apply_lists
from benchmark.datasets.external import add_external
from benchmark.datasets.groups import with_group_prefix
from benchmark.datasets.listing import find_path
from benchmark.datasets.positive import with_positive_class
from benchmark.errors import UserError
from benchmark.evaluation.components import build_components, compute_folds
from benchmark.plugins.registry import (
    BASELINE,
    import_target,
    resolve_spec,
    takes_attributes,
    takes_images,
    with_defaults,
)
from benchmark.plugins.spec import DATASET_PARAMETERS, ResolvedSpec, Spec
from benchmark.sampling.splits import ATTRIBUTE_PARAMETERS, has_official_split
from benchmark.study.axes import NONE, Axis, Role, axes_with_roles, dataset_label
from benchmark.study.cell import Cell, default_values
from benchmark.study.optional import leave_out_missing
from benchmark.study.spaces import find_search_space
from benchmark.study.study import Study, identifying_content
from benchmark.tuning.search_space import SearchSpace


@dataclass(frozen=True)
class Plan:
    """A study with its datasets loaded.

    Parameters
    ----------
    study : Study
        Its components are resolved.
    datasets : label to Dataset
        With the external datasets of the study behind their own images.
    left_out : tuple of str
        Why optional components of the study are left out: how to install what they need.
    """

    study: Study
    datasets: dict[str, Dataset]
    left_out: tuple[str, ...] = ()

    def cells(self) -> Iterator[Cell]:
        """Return an iterator of all cells, which are created as they are needed.

        They are ordered by round: by seed and fold.
        """
        return generate_cells(self.study, self.datasets, self._n_folds)

    @cached_property
    def _n_folds(self) -> dict[str, int]:
        return {
            label: len(compute_folds(dataset, resolve_split(self.study, dataset)))
            for label, dataset in self.datasets.items()
        }

    def is_in_first_round(self, cell: Cell) -> bool:
        """Whether a cell has the first fold and the first seed.

        The first round holds one cell of every configuration under every condition.
        """
        return cell.fold == 0 and all(
            cell.values[axis.name] == getattr(self.study, axis.plural)[0]
            for axis in axes_with_roles(Role.REPLICATE)
        )

    def describe_first_round(self, name: str) -> str:
        """Describe the first round of the dataset of this name: 'fold 1 of 5, seed 1 of 2'."""
        spec = next(spec for spec in self.study.datasets if dataset_label(spec) == name)
        replicates = axes_with_roles(Role.REPLICATE)
        counts = {"fold": self._n_folds[spec.label]} | {
            axis.name: len(getattr(self.study, axis.plural)) for axis in replicates
        }
        parts = [f"{name} 1 of {n}" for name, n in counts.items() if n > 1]
        return ", ".join(parts) or "fold 1 of 1"

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
    study, left_out = leave_out_missing(study)
    study = study.resolve_components()
    folder = data_folder(data)
    plan = Plan(study, _load_datasets(study, folder), left_out)
    if not any(True for _ in plan.cells()):
        if left_out:
            raise UserError(f"study '{study.name}' has no cells left: {'; '.join(left_out)}")
        raise UserError(
            f"study '{study.name}' has no cells: it names no model, or models that take features "
            "and no extractor (--extractor and --model replace a study's pipelines: name both)"
        )
    return plan


def _load_datasets(study: Study, data: Path) -> dict[str, Dataset]:
    resolved: tuple[ResolvedSpec, ...] = study.external  # type: ignore[assignment]
    external = [
        replace(load_dataset(spec, data, study.size), name=dataset_label(spec)) for spec in resolved
    ]
    datasets = {}
    for spec in study.datasets:
        loaded = load_dataset(spec, data, study.size)
        noted = loaded.with_split_notes(resolve_split(study, loaded).name)
        datasets[spec.label] = add_external(noted, external) if external else noted
    return datasets


def load_dataset(spec: ResolvedSpec, data: Path, size: int | None) -> Dataset:
    """Load the dataset that an entry of a study describes.

    Parameters
    ----------
    spec : ResolvedSpec
    data : Path
        Data folder.
    size : int or None
        Side of the images in pixels; None lets the loader choose.

    Raises
    ------
    UserError
        The dataset cannot be loaded, or does not have the positive class that the entry names, or
        the groups that it renames.
    """
    params = dict(spec.params)
    name, positive, prefix, *lists = (params.pop(each, None) for each in DATASET_PARAMETERS)
    dataset = import_target(spec.target)(spec.name, data, size, **params)
    files = (None if path is None else find_path(str(path), data) for path in lists)
    dataset = apply_lists(dataset, *files)
    dataset = dataset if positive is None else with_positive_class(dataset, positive)
    dataset = dataset if prefix is None else with_group_prefix(dataset, prefix)
    return dataset if name is None else replace(dataset, name=name)


def generate_cells(
    study: Study, datasets: dict[str, Dataset], n_folds: dict[str, int]
) -> Iterator[Cell]:
    """Yield the cells of a study, fold by fold.

    Parameters
    ----------
    study : Study
        Its components are resolved.
    datasets : label to Dataset
    n_folds : label to int
        Number of folds of each dataset.
    """
    configurations = _list_configurations(study)
    replicates = _list_combinations(study, axes_with_roles(Role.REPLICATE))
    conditions = _list_combinations(study, axes_with_roles(Role.CONDITION))
    splits = {label: resolve_split(study, dataset) for label, dataset in datasets.items()}
    for replicate in replicates:
        for fold in range(max(n_folds.values())):
            for condition in conditions:
                label = condition["dataset"].label
                if fold >= n_folds[label]:
                    continue
                for configuration, space in configurations:
                    attributes = datasets[label].attributes
                    used = _used_attributes(splits[label], configuration["extractor"], attributes)
                    yield Cell(
                        datasets[label].own.fingerprint,
                        study.size,
                        splits[label],
                        fold,
                        replicate | condition | configuration,
                        space,
                        digest_attributes(attributes, used),
                        "" if datasets[label].external is None else datasets[label].fingerprint,
                    )


def _list_combinations(study: Study, axes: tuple[Axis, ...]) -> list[dict[str, Any]]:
    """List every combination of a study's values on some axes, by the names of the axes."""
    return [
        {axis.name: value for axis, value in zip(axes, values, strict=True)}
        for values in product(*(getattr(study, axis.plural) for axis in axes))
    ]


def _list_configurations(study: Study) -> list[tuple[dict[str, Any], SearchSpace]]:
    """List every extractor and model with every value of the other configuration axes.

    Each comes with the search space of its components, which is empty if it is not tuned.

    The baseline ``majority`` ignores the images, and is run with the default values only.
    """
    axes = [
        axis
        for axis in axes_with_roles(Role.CONFIGURATION)
        if axis.name not in ("extractor", "model")
    ]
    defaults = default_values()
    configurations = [
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
    return [(values, _find_space(study, values)) for values in configurations]


def _find_space(study: Study, values: Mapping[str, Any]) -> SearchSpace:
    if values["tuning"].name == NONE:
        return {}
    components = *values["extractor"], *values["strategy"], values["model"]
    return find_search_space(study.search_spaces, *components)


def _used_attributes(
    split: ResolvedSpec, extractors: tuple[ResolvedSpec, ...], known: Iterable[str]
) -> list[str]:
    """Names of the attributes that a split and extractors use."""
    used = [str(value) for name, value in split.params if name in ATTRIBUTE_PARAMETERS]
    for spec in extractors:
        if takes_attributes(spec):
            used += dict(spec.params).get("columns") or known
    return list(dict.fromkeys(used))


def resolve_split(study: Study, dataset: Dataset) -> ResolvedSpec:
    """Return the split of a study on a dataset.

    It is the split that the study names, else ``official_or_kfold``, which stands for the official
    split if there is one, and else for stratified cross-validation.
    """
    split = study.split or Spec("official_or_kfold")
    if split.name == "official_or_kfold":
        folds = Spec("stratified_kfold", split.params)
        split = Spec("official") if has_official_split(dataset) else folds
    return with_defaults(resolve_spec("split", split))


def _extractor_model_pairs(study: Study) -> Iterator[tuple[tuple[ResolvedSpec, ...], ResolvedSpec]]:
    """Yield every pair of extractor and model once; the baseline is paired with no extractor."""
    on_images = [((), model) for model in study.models if takes_images(model)]
    on_features = product(study.extractors, [m for m in study.models if not takes_images(m)])
    baselines = [((), model) for model in study.models if model.name == BASELINE]
    first: dict[Any, tuple[tuple[ResolvedSpec, ...], ResolvedSpec]] = {}
    for extractor, model in chain(on_features, on_images, baselines, study.pipelines):
        pair = (() if model.name == BASELINE else extractor), model
        first.setdefault(identifying_content(pair), pair)
    yield from first.values()
