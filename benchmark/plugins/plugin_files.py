"""Plug-in files: Python files of a user's, and what in them is a plug-in."""

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
    """Import a plug-in file under a name of its own, which tells its content but not where it lies.

    Raises
    ------
    UserError
        There is no such file, it is no Python file of up to 1 MB, or fails to import.
    """
    file = user_path(path).resolve()
    if not file.is_file():
        raise UserError(f"no plug-in file {file}")
    if file.suffix != ".py":
        raise UserError(f"the plug-in {file} is no Python file: its name must end in .py")
    source = read_bytes(file, 1_000_000, "plug-in")
    name = f"plugin_{file.stem}_{hashlib.sha256(source).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # noqa: PT018  # of a file that is there
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UserError(f"plug-in {file} does not import: {describe_error(error)}") from error
    return module


def list_plugins(path: str) -> Iterator[tuple[str, str, str]]:
    """Kind, name and target of every plug-in in a file: its classes, and functions that say which estimator they return.

    Raises
    ------
    UserError
        The file cannot be loaded, or holds no plug-in.
    """
    module = load_plugin_file(path)
    found = [
        (kind, name) for kind, name in (*list_classes(module), *_list_functions(module)) if kind
    ]
    if not found:
        hints = [
            f"; if {name} returns a model, annotate it (def {name}() -> KNeighborsClassifier:), or "
            f"name {path}:{name} as a model"
            for _, name in _list_functions(module)
        ]
        needed = (
            "a class with extract (extractor), predict_proba (model) or fit_resample (strategy)"
        )
        raise UserError(f"{path} holds no plug-in: {needed}{''.join(hints[:1])}")
    for kind, name in found:
        yield kind, name_in_studies(name), f"{path}:{name}"


def name_in_studies(cls: str) -> str:
    """Name of a plug-in in a study: that of its class in snake_case.

    Examples
    --------
    >>> name_in_studies("MyTexture"), name_in_studies("LBPGrid")
    ('my_texture', 'lbp_grid')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls).lower()


def list_classes(module: ModuleType) -> list[tuple[str, str]]:
    """Kind and name of each public class of a module; the kind is '' where it is no plug-in."""
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    return [(plugin_kind(cls), cls.__name__) for cls in own if not cls.__name__.startswith("_")]


def _list_functions(module: ModuleType) -> list[tuple[str, str]]:
    """Kind and name of each public function: a plug-in if its annotation is the class of the estimator that it returns."""
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
    """Kind of plug-in a class is, by what it can do; '' when it is none."""
    marks = {
        "extract": "extractor",
        "predict": "model",
        "predict_proba": "model",
        "fit_resample": "strategy",
        "resample": "strategy",
    }
    return next((kind for method, kind in marks.items() if hasattr(cls, method)), "")


def read_type_hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """Type hints of what a factory takes; none where they cannot be read."""
    try:
        return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except (NameError, TypeError):  # a plug-in may hint at what it does not import, or at nothing
        return {}
