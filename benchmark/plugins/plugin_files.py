"""Plug-in files: loading a user's Python file, and finding the plug-ins in it."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

from benchmark.errors import UserError
from benchmark.utils.files import read_bytes, user_path
from benchmark.utils.text import describe_error


@cache
def load_plugin_file(path: str) -> ModuleType:
    """Import a plug-in file under a module name that depends on its content, not on its path.

    Raises
    ------
    UserError
        The file is missing, is not a Python file, is larger than 1 MB, or fails to import.
    """
    file = user_path(path).resolve()
    if not file.is_file():
        raise UserError(f"no plug-in file {file}")
    if file.suffix != ".py":
        raise UserError(f"the plug-in {file} is not a Python file: its name must end in .py")
    source = read_bytes(file, 1_000_000, "plug-in")
    name = f"plugin_{file.stem}_{hashlib.sha256(source).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # noqa: PT018  # the file exists
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UserError(f"plug-in {file} cannot be imported: {describe_error(error)}") from error
    return module


def list_plugins(path: str) -> Iterator[tuple[str, str, str]]:
    """Kind, name and target of every plug-in in a file.

    Plug-ins are public classes, and public functions whose return annotation is an estimator.

    Raises
    ------
    UserError
        The file cannot be loaded, or contains no plug-in.
    """
    module = load_plugin_file(path)
    plugins = [
        (kind, name) for kind, name in (*list_classes(module), *_list_functions(module)) if kind
    ]
    if not plugins:
        hints = [
            f"; if {name} returns a model, annotate it (def {name}() -> KNeighborsClassifier:), or "
            f"name {path}:{name} as a model"
            for _, name in _list_functions(module)
        ]
        needed = (
            "a class with extract (extractor), predict_proba (model) or fit_resample (strategy)"
        )
        raise UserError(f"{path} contains no plug-in, which is {needed}{''.join(hints[:1])}")
    for kind, name in plugins:
        yield kind, name_in_studies(name), f"{path}:{name}"


def name_in_studies(cls: str) -> str:
    """Name of a plug-in in a study: the name of its class in snake_case.

    Examples
    --------
    >>> name_in_studies("MyTexture"), name_in_studies("LBPGrid")
    ('my_texture', 'lbp_grid')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls).lower()


def list_classes(module: ModuleType) -> list[tuple[str, str]]:
    """Kind and name of each public class of a module; the kind is '' for one that is no plug-in."""
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    return [(plugin_kind(cls), cls.__name__) for cls in own if not cls.__name__.startswith("_")]


def _list_functions(module: ModuleType) -> list[tuple[str, str]]:
    """Kind, by its return annotation, and name of each public function of a module."""
    own = [
        value
        for value in vars(module).values()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    return [
        (plugin_kind(read_type_hints(value).get("return")), value.__name__)
        for value in own
        if not value.__name__.startswith("_")
    ]


def plugin_kind(cls: object) -> str:
    """Kind of plug-in that a class is, by its methods; '' if it is no plug-in."""
    kinds = {
        "extract": "extractor",
        "predict": "model",
        "predict_proba": "model",
        "fit_resample": "strategy",
        "resample": "strategy",
    }
    return next((kind for method, kind in kinds.items() if hasattr(cls, method)), "")


def read_type_hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """Type hints of the parameters of a class or function; empty if they cannot be resolved."""
    try:
        return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except (NameError, TypeError):  # a plug-in may have hints with names that it does not import
        return {}
