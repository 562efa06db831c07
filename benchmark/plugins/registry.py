"""Finding the code that a name in a study stands for.

A name is looked up in the registries, among the entry points of installed packages, and in plug-in
files.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import features
import models
from benchmark import datasets, strategies, tuning
from benchmark.errors import (
    MissingPackageError,
    UserError,
    describe_validation_error,
    unknown_name_error,
)
from benchmark.plugins.plugin_files import (
    list_classes,
    list_plugins,
    load_plugin_file,
    plugin_kind,
    read_type_hints,
)
from benchmark.plugins.source_digest import digest_source
from benchmark.plugins.spec import DATASET_PARAMETERS, ResolvedSpec, Spec
from benchmark.sampling import imbalance, occlusion, splits
from benchmark.utils.files import user_path
from benchmark.utils.text import describe_error, short_repr

KINDS = {
    "dataset": datasets.REGISTRY,
    "split": splits.REGISTRY,
    "imbalance": imbalance.REGISTRY,
    "occlusion": occlusion.REGISTRY,
    "extractor": features.REGISTRY,
    "strategy": strategies.REGISTRY,
    "model": models.REGISTRY,
    "tuning": tuning.REGISTRY,
}
_GROUPS = {
    "dataset": "benchmark.datasets",
    "extractor": "benchmark.extractors",
    "strategy": "benchmark.strategies",
    "model": "benchmark.models",
}
BASELINE = "majority"
_SET_BY_ENGINE = ("name", "data", "size", "dataset", "n_classes")


def registered_targets(kind: str, files: Iterable[str] = ()) -> dict[str, str]:
    """Names of all components of a kind, each with the target where its code is.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``, such as 'extractor'.
    files : iterable of str
        Plug-in files; a class in them is named by its class name in snake_case.

    Returns
    -------
    dict of str to str
        Targets are ``module:attribute`` or ``path/file.py:Class``.

    Raises
    ------
    UserError
        Two components have the same name.

    Examples
    --------
    >>> from benchmark.plugins.registry import registered_targets
    >>> registered_targets("extractor")["hog"]
    'features.hog:HOG'
    """
    targets = dict(KINDS[kind])
    from_packages = ((point.name, point.value) for point in _entry_points(kind))
    paths = dict.fromkeys(str(user_path(file).resolve()) for file in files)
    from_files = (
        (name, target)
        for path in paths
        for file_kind, name, target in list_plugins(path)
        if file_kind == kind
    )
    for name, target in (*from_packages, *from_files):
        if targets.setdefault(name, target) != target:
            raise UserError(
                f"{kind} '{name}' is defined twice: {targets[name]} and {target}; rename one"
            )
    return targets


@cache
def _entry_points(kind: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=_GROUPS[kind])) if kind in _GROUPS else ()


def resolve_spec(kind: str, spec: Spec, files: Iterable[str] = ()) -> ResolvedSpec:
    """Find the code of a spec and of the specs inside it, and check its parameters.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``, such as 'extractor'.
    spec : Spec
    files : iterable of str
        Plug-in files.

    Returns
    -------
    ResolvedSpec

    Raises
    ------
    UserError
        The name or a parameter is unknown (the nearest valid one is suggested), a value is not
        allowed, or a file cannot be loaded.

    See Also
    --------
    build_component : Build the estimator that a resolved spec describes.

    Examples
    --------
    >>> from benchmark.plugins.registry import resolve_spec
    >>> from benchmark.plugins.spec import Spec
    >>> resolve_spec("extractor", Spec.parse("hog(orientations=12)")).target
    'features.hog:HOG'
    """
    target = _find_target(kind, spec.name, files)
    params = tuple(
        (key, resolve_spec(_inner_kind(key), value, files) if isinstance(value, Spec) else value)
        for key, value in spec.params
    )
    resolved = ResolvedSpec(spec.name, params, target=target)
    valid = [*settable_parameters(resolved), *(DATASET_PARAMETERS if kind == "dataset" else ())]
    for key in (key for key, _ in params if key not in valid):
        raise unknown_name_error(f"parameter of {kind} '{spec.name}':", key, valid)
    missing = [
        key
        for key, value in _parameter_values(resolved).items()
        if value is inspect.Parameter.empty
    ]
    if missing:
        raise UserError(
            f"{kind} '{spec.name}' needs {', '.join(missing)}: write {spec.name}({missing[0]}=...)"
        )
    _check_packages(resolved)
    check_values(resolved, kind)
    _describe_weights(resolved)
    return resolved


def _check_packages(spec: ResolvedSpec) -> None:
    """Refuse a component whose attribute ``packages`` names one that is not installed."""
    packages = getattr(import_target(spec.target), "packages", {})
    for package, extra in packages.items():
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(
                f"{package} is not installed: python -m pip install 'classical-vs-deep[{extra}]'"
            )


def _describe_invalid(error: Mapping[str, Any], value: Any) -> str:
    if error["type"] == "missing":  # an item of a tuple of fixed length
        return f"has too few items: {short_repr(value)}"
    return describe_validation_error(error)


def check_values(spec: ResolvedSpec, kind: str | None = None) -> None:
    """Check values against the type hints, and against the constraints of the estimator.

    Parameters
    ----------
    spec : ResolvedSpec
    kind : str or None
        Kind of the component, for the message; None for any that is an estimator.

    Raises
    ------
    UserError
        A value is not allowed.
    """
    what = f"{kind} " if kind else ""
    hints = read_type_hints(import_target(spec.target))
    for key, value in spec.params:
        if key in hints and not isinstance(value, Spec):
            try:
                TypeAdapter(
                    hints[key], config=ConfigDict(arbitrary_types_allowed=True)
                ).validate_python(value, strict=True)
            except ValidationError as error:
                raise UserError(
                    f"{what}'{spec.name}': {key} {_describe_invalid(error.errors()[0], value)}"
                ) from None
    if kind in (None, "extractor", "strategy", "model", "tuning") and spec.params:
        component = build_component(spec)
        try:
            for value in (component, *getattr(component, "get_params", dict)().values()):
                _check_parameters(value)
        except Exception as error:  # a plug-in's check, and huge numbers, may raise any exception
            reason = describe_error(error).partition(": ")[2]
            # scikit-learn names the class, which a study does not
            reason = reason.replace(f" parameter of {type(component).__name__} ", " parameter ")
            raise UserError(f"{what}'{spec.label}': {reason}") from None


def _check_parameters(value: Any) -> None:
    """Call an estimator's ``check_parameters``, or scikit-learn's validation of parameters."""
    if hasattr(value, "check_parameters"):
        value.check_parameters()
    elif getattr(value, "_parameter_constraints", None) and not inspect.isclass(value):
        value._validate_params()


def find_plugin_specs(name: str) -> list[tuple[str, ResolvedSpec]]:
    """Find the plug-ins that a name stands for.

    Parameters
    ----------
    name : str
        A name of a registry, ``file.py`` for all plug-ins in it, or ``file.py:Class`` for one.

    Returns
    -------
    list of (str, ResolvedSpec)
        Kind and spec of each plug-in.

    Raises
    ------
    UserError
        The name or file is unknown, or the class is not a plug-in.

    Examples
    --------
    >>> from benchmark.plugins.registry import find_plugin_specs
    >>> [(kind, spec.label) for kind, spec in find_plugin_specs("hog")]
    [('extractor', 'hog')]
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
                f"{name} is not a plug-in: it needs extract, predict_proba or fit_resample"
            )
        return [(kind, resolve_spec(kind, Spec.parse(name)))]
    spec = Spec.parse(name)
    registered = {kind: registered_targets(kind) for kind in ("extractor", "model", "strategy")}
    kinds = [kind for kind, targets in registered.items() if spec.name in targets]
    if not kinds:
        names = [known for targets in registered.values() for known in targets]
        raise unknown_name_error("plug-in", spec.name, names)
    return [(kind, resolve_spec(kind, spec)) for kind in kinds]


def _find_target(kind: str, name: str, files: Iterable[str]) -> str:
    if ".py:" in name:
        file, _, attribute = name.rpartition(":")
        # absolute, since a worker may have another current folder
        return f"{user_path(file).resolve()}:{attribute}"
    targets = registered_targets(kind, files)
    prefix = name.split(":")[0] + ":"  # of folder:PATH and csv:PATH
    if name in targets or prefix in targets:
        return targets.get(name) or targets[prefix]
    if kind == "dataset" and user_path(name).exists():
        source = "folder" if user_path(name).is_dir() else "csv"
        raise UserError(
            f"unknown dataset '{name}': if you mean that {source}, write {source}:{name}"
        )
    raise unknown_name_error(kind, name, targets)


def _inner_kind(parameter: str) -> str:
    return "extractor" if parameter == "extractor" else "model"


def import_target(target: str) -> Callable[..., Any]:
    """Import the class or function at ``module:attribute`` or ``path/file.py:Class``.

    Raises
    ------
    UserError
        The file, module or attribute is missing, or fails to import.

    Examples
    --------
    >>> from benchmark.plugins.registry import import_target
    >>> import_target("features.hog:HOG").__name__
    'HOG'
    """
    where, _, attribute = target.rpartition(":")
    try:
        module = (
            load_plugin_file(where) if where.endswith(".py") else importlib.import_module(where)
        )
    except ImportError as error:
        raise UserError(
            f"{target} cannot be imported: {describe_error(error)}; fix or uninstall the package "
            "that provides it"
        ) from error
    if hasattr(module, attribute):
        return getattr(module, attribute)
    raise unknown_name_error(
        f"class in {where}:", attribute, [name for _, name in list_classes(module)]
    )


def build_component(spec: ResolvedSpec) -> Any:
    """Build the estimator that a resolved spec describes.

    Raises
    ------
    UserError
        Its ``__init__`` fails.

    See Also
    --------
    resolve_spec : Find the code of a spec.

    Examples
    --------
    >>> from benchmark.plugins.registry import build_component, resolve_spec
    >>> from benchmark.plugins.spec import Spec
    >>> build_component(resolve_spec("extractor", Spec.parse("hog(orientations=12)"))).orientations
    12
    """
    inner = {
        key: build_component(value) if isinstance(value, ResolvedSpec) else value
        for key, value in spec.params
    }
    try:
        return import_target(spec.target)(**inner)
    except (Exception, SystemExit) as error:
        raise UserError(f"{spec.label} cannot be created: {describe_error(error)}") from error


def settable_parameters(spec: ResolvedSpec) -> dict[str, inspect.Parameter]:
    """Parameters of a component that a study may set; the others are set by the engine."""
    parameters = inspect.signature(import_target(spec.target)).parameters
    return {
        name: parameter
        for name, parameter in parameters.items()
        if name not in _SET_BY_ENGINE and parameter.kind is not parameter.VAR_KEYWORD
    }


def _parameter_values(spec: ResolvedSpec) -> dict[str, Any]:
    defaults = {name: parameter.default for name, parameter in settable_parameters(spec).items()}
    return defaults | dict(spec.params)


def with_defaults(spec: ResolvedSpec) -> ResolvedSpec:
    """Spec with all parameters, also those that have their default value."""
    return replace(spec, params=tuple(sorted(_parameter_values(spec).items())))


def describe_spec(spec: ResolvedSpec) -> dict[str, Any]:
    """Describe all that determines the results of a component, for keys and rows.

    Returns
    -------
    dict
        'name', 'params' with the values of all parameters, and 'source', the digest of the code.
        If the component begins with given weights, also 'weights', which is what its method
        ``describe_weights`` returns: file, SHA-256 and licence.

    Raises
    ------
    UserError
        The given weights are missing or damaged.

    Examples
    --------
    >>> from benchmark.plugins.registry import describe_spec, resolve_spec
    >>> from benchmark.plugins.spec import Spec
    >>> describe_spec(resolve_spec("split", Spec("holdout")))["params"]
    {'test_size': 0.2, 'seed': 42}
    """
    values, source = _describe_code(spec)
    params = {
        key: describe_spec(value) if isinstance(value, ResolvedSpec) else value
        for key, value in values.items()
    }
    description = {"name": spec.name, "params": params, "source": source}
    weights = _describe_weights(spec)
    return {**description, "weights": weights} if weights else description


@cache
def _describe_code(spec: ResolvedSpec) -> tuple[dict[str, Any], str]:
    """Values of all parameters of a component, and the digest of its code."""
    return _parameter_values(spec), digest_source(spec.target)


def _describe_weights(spec: ResolvedSpec) -> dict[str, Any] | None:
    """Describe the given weights of a component; None if it has none.

    They are not cached with the code, since a file can be replaced while a program runs.
    """
    if not hasattr(import_target(spec.target), "describe_weights"):
        return None
    try:
        described: dict[str, Any] | None = build_component(spec).describe_weights()
    except ImportError as error:
        raise MissingPackageError(str(error)) from None
    except Exception as error:  # a plug-in's method may raise any exception
        raise UserError(f"{spec.label}: {describe_error(error).partition(': ')[2]}") from None
    return described


def takes_attributes(extractor: ResolvedSpec) -> bool:
    """Whether a resolved extractor takes the attributes of the images instead of the images."""
    return getattr(import_target(extractor.target), "takes", "images") == "attributes"


def find_probe(extractor: ResolvedSpec) -> str:
    """Name what a resolved extractor probes the dataset for; empty for most."""
    return str(getattr(import_target(extractor.target), "probe", ""))


def takes_images(model: ResolvedSpec) -> bool:
    """Whether a resolved model takes images instead of features."""
    return getattr(import_target(model.target), "takes", "features") == "images"


def reads_chunks(model: ResolvedSpec) -> bool:
    """Whether a resolved model reads features in chunks, from memory or from disk."""
    return bool(getattr(import_target(model.target), "reads_chunks", False))


def is_deep(spec: ResolvedSpec) -> bool:
    """Whether a component, or one inside it, is a deep network.

    A network has the attribute ``deep = True``; a model that takes images is taken for one unless
    it has ``deep = False``.
    """
    inner = any(is_deep(value) for _, value in spec.params if isinstance(value, ResolvedSpec))
    return inner or bool(getattr(import_target(spec.target), "deep", takes_images(spec)))
