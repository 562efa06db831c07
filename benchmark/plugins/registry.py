"""From a name in a study to code: registries, entry points, and classes in a file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import features
import models
from benchmark import datasets, strategies
from benchmark.errors import UserError, describe_validation_error, unknown_name_error
from benchmark.plugins.plugin_files import (
    list_classes,
    list_plugins,
    load_plugin_file,
    plugin_kind,
    read_type_hints,
)
from benchmark.plugins.source_digest import digest_source
from benchmark.plugins.spec import ResolvedSpec, Spec
from benchmark.sampling import imbalance, occlusion, splits
from benchmark.utils.files import user_path
from benchmark.utils.text import describe_error

KINDS = {
    "dataset": datasets.REGISTRY,
    "split": splits.REGISTRY,
    "imbalance": imbalance.REGISTRY,
    "occlusion": occlusion.REGISTRY,
    "extractor": features.REGISTRY,
    "strategy": strategies.REGISTRY,
    "model": models.REGISTRY,
}
_GROUPS = {
    "dataset": "benchmark.datasets",
    "extractor": "benchmark.extractors",
    "strategy": "benchmark.strategies",
    "model": "benchmark.models",
}
BASELINE = "majority"  # the model that every other must clear
_GIVEN = ("name", "data", "size", "dataset", "n_classes")


def registered_targets(kind: str, files: Iterable[str] = ()) -> dict[str, str]:
    """Names of one kind ('dataset', 'extractor', 'strategy', 'model') and where their code is.

    Parameters
    ----------
    kind : str
    files : iterable of str
        Plug-in files: each public class in one is named by its class name in snake_case.

    Raises
    ------
    UserError
        Two things have one name.
    """
    found = dict(KINDS[kind])
    points = ((point.name, point.value) for point in _entry_points(kind))
    whole = dict.fromkeys(str(user_path(file).resolve()) for file in files)
    in_files = (
        content[1:] for file in whole for content in list_plugins(file) if content[0] == kind
    )
    for name, target in (*points, *in_files):
        if found.setdefault(name, target) != target:
            raise UserError(
                f"two {kind}s are named '{name}': {found[name]} and {target}; rename one"
            )
    return found


@cache
def _entry_points(kind: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=_GROUPS[kind])) if kind in _GROUPS else ()


def resolve_spec(kind: str, spec: Spec, files: Iterable[str] = ()) -> ResolvedSpec:
    """Find the code of a spec, and of the specs inside it; check the names of its parameters.

    Raises
    ------
    UserError
        Unknown name or parameter (the nearest valid one is named), or a file that cannot be loaded.
    """
    target = _find_target(kind, spec.name, files)
    params = tuple(
        (key, resolve_spec(_inner_kind(key), value, files) if isinstance(value, Spec) else value)
        for key, value in spec.params
    )
    found = ResolvedSpec(spec.name, params, target=target)
    valid = settable_parameters(found)
    for key in (key for key, _ in params if key not in valid):
        raise unknown_name_error(f"parameter of {kind} '{spec.name}':", key, valid)
    missing = [
        key for key, value in _parameter_values(found).items() if value is inspect.Parameter.empty
    ]
    if missing:
        raise UserError(
            f"{kind} '{spec.name}' needs {', '.join(missing)}: write {spec.name}({missing[0]}=...)"
        )
    _check_values(kind, found)
    return found


def _check_values(kind: str, spec: ResolvedSpec) -> None:
    """Hold values against the type hints, and against what a class says it allows, before anything is run."""
    hints = read_type_hints(import_target(spec.target))
    for key, value in spec.params:
        if key in hints and not isinstance(value, Spec):
            try:
                TypeAdapter(
                    hints[key], config=ConfigDict(arbitrary_types_allowed=True)
                ).validate_python(value, strict=True)
            except ValidationError as error:
                raise UserError(
                    f"{kind} '{spec.name}': {key} {describe_validation_error(error.errors()[0])}"
                ) from None
    if kind in ("extractor", "strategy", "model") and spec.params:
        made = build_component(spec)
        try:
            for part in (made, *getattr(made, "get_params", dict)().values()):
                _check_parameters(part)
        except (
            Exception
        ) as error:  # of a plug-in's check as well, and of numbers too large for a comparison
            raise UserError(
                f"{kind} '{spec.label}': {describe_error(error).partition(': ')[2]}"
            ) from None


def _check_parameters(part: Any) -> None:
    """Have an estimator refuse its values: by ``check_parameters`` if it is ours, by what scikit-learn's declare otherwise."""
    if hasattr(part, "check_parameters"):
        part.check_parameters()
    elif getattr(part, "_parameter_constraints", None) and not inspect.isclass(part):
        part._validate_params()


def find_plugin_specs(name: str) -> list[tuple[str, ResolvedSpec]]:
    """Find what ``check`` is to look at: a name of a registry, every plug-in in ``file.py``, or the one in ``file.py:Class``.

    Raises
    ------
    UserError
        There is no such name or file, or the class is no plug-in.
    """
    if name.endswith(".py"):
        return [(kind, resolve_spec(kind, Spec(target))) for kind, _, target in list_plugins(name)]
    if ".py:" in name:
        named = Spec.parse(name)
        plugin = import_target(named.name)
        kind = plugin_kind(plugin) or (
            inspect.isfunction(plugin)
            and plugin_kind(
                build_component(ResolvedSpec(named.name, named.params, target=named.name))
            )
        )
        if not kind:
            raise UserError(
                f"{name} is no plug-in: it has none of extract, predict_proba and fit_resample"
            )
        return [(kind, resolve_spec(kind, Spec.parse(name)))]
    spec = Spec.parse(name)
    found = [
        kind for kind in ("extractor", "model", "strategy") if spec.name in registered_targets(kind)
    ]
    if not found:
        raise unknown_name_error(
            "plug-in",
            spec.name,
            [
                known
                for kind in ("extractor", "model", "strategy")
                for known in registered_targets(kind)
            ],
        )
    return [(kind, resolve_spec(kind, spec)) for kind in found]


def _find_target(kind: str, name: str, files: Iterable[str]) -> str:
    if ".py:" in name:
        file, _, attribute = name.rpartition(":")
        return f"{user_path(file).resolve()}:{attribute}"  # a worker may be elsewhere
    names = registered_targets(kind, files)
    prefix = (
        name.split(":")[0] + ":"
    )  # folder:PATH and csv:PATH are named by what stands before the path
    if name in names or prefix in names:
        return names.get(name) or names[prefix]
    raise unknown_name_error(kind, name, names)


def _inner_kind(parameter: str) -> str:
    return "extractor" if parameter == "extractor" else "model"


def import_target(target: str) -> Callable[..., Any]:
    """Import what ``module:attribute`` or ``path/file.py:Class`` names.

    Raises
    ------
    UserError
        There is no such file, module or attribute, or the file fails to import.
    """
    where, _, attribute = target.rpartition(":")
    try:
        module = (
            load_plugin_file(where) if where.endswith(".py") else importlib.import_module(where)
        )
    except ImportError as error:
        raise UserError(
            f"{target} does not import: {describe_error(error)}; fix or uninstall the package "
            "that offers it"
        ) from error
    if hasattr(module, attribute):
        return getattr(module, attribute)
    raise unknown_name_error(
        f"class in {where}:", attribute, [name for _, name in list_classes(module)]
    )


def build_component(spec: ResolvedSpec) -> Any:
    """Make the estimator that a resolved spec describes.

    Raises
    ------
    UserError
        Its ``__init__`` fails.
    """
    inner = {
        key: build_component(value) if isinstance(value, ResolvedSpec) else value
        for key, value in spec.params
    }
    try:
        return import_target(spec.target)(**inner)
    except (Exception, SystemExit) as error:
        raise UserError(f"{spec.label} cannot be made: {describe_error(error)}") from error


def settable_parameters(spec: ResolvedSpec) -> dict[str, inspect.Parameter]:
    """Parameters a study may set on what a resolved spec names (those in ``_GIVEN`` come from the harness)."""
    known = inspect.signature(import_target(spec.target)).parameters.items()
    return {
        name: value
        for name, value in known
        if name not in _GIVEN and value.kind is not value.VAR_KEYWORD
    }


def _parameter_values(spec: ResolvedSpec) -> dict[str, Any]:
    return {
        name: parameter.default for name, parameter in settable_parameters(spec).items()
    } | dict(spec.params)


def with_defaults(spec: ResolvedSpec) -> ResolvedSpec:
    """Spec with every parameter written out, as a table that is cited should have it."""
    return replace(spec, params=tuple(sorted(_parameter_values(spec).items())))


@cache
def describe_spec(spec: ResolvedSpec) -> dict[str, Any]:
    """Say all that decides what a resolved spec computes: name, every parameter's value, digest of its source."""
    params = {
        key: describe_spec(value) if isinstance(value, ResolvedSpec) else value
        for key, value in _parameter_values(spec).items()
    }
    return {"name": spec.name, "params": params, "source": digest_source(spec.target)}


def takes_images(model: ResolvedSpec) -> bool:
    """Whether a resolved model is given images instead of features."""
    return getattr(import_target(model.target), "takes", "features") == "images"
