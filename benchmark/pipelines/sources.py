"""Plug-in files of a pipeline.

The file of a pipeline stores their source text for the reader; it is never executed from there.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from benchmark.errors import UserError
from benchmark.utils.files import user_path
from benchmark.utils.text import short_repr

SAFE_FILE_NAME = re.compile(r"\w[\w.-]{0,99}\.py")
PLUGIN_FOLDER = "plugins/"
NETWORK_HINT = (
    "a pipeline's file stores weights only of classes that keep their network in network_ and have "
    "restore(state_dict), such as subclasses of models.network_classifier.NetworkClassifier; "
    "python -m benchmark run needs neither"
)
STORABLE_HINT = (
    "a pipeline's file can store numbers, text, bytes, lists, tuples, sets, dicts whose keys are "
    "text or numbers, NumPy arrays of numbers or text, and the estimators that "
    "benchmark/pipelines/trusted.py lists: keep what was learned in such attributes"
)


class PluginError(UserError):
    """A plug-in that a pipeline needs was not named, or is of another version."""


def find_plugin_files(component: Any) -> list[str]:
    """Paths of the plug-in files whose classes occur in a trained component.

    Raises
    ------
    UserError
        Two files have the same name, or a file has changed since it was loaded.
    """
    files: dict[str, str] = {}
    for module in sorted({type(inner).__module__ for inner in _walk_objects(component)}):
        if not module.startswith("plugin_"):
            continue
        path = Path(str(sys.modules[module].__file__))
        if not path.is_file() or plugin_module_name(path.name, path.read_bytes()) != module:
            raise UserError(f"{path} has changed since it was loaded: run the same command again")
        if files.setdefault(path.name, str(path)) != str(path):
            raise UserError(f"two plug-in files are named {path.name}: rename one")
    return list(files.values())


def plugin_module_name(file_name: str, text: bytes) -> str:
    """Name under which ``load_plugin_file`` imports a plug-in file."""
    return f"plugin_{Path(file_name).stem}_{hashlib.sha256(text).hexdigest()[:8]}"


def match_plugin_files(sources: dict[str, bytes], given: Iterable[str], name: str) -> list[str]:
    """Find the plug-ins of a pipeline among the files that the user named.

    Parameters
    ----------
    sources : dict of str to bytes
        Name and source text of each plug-in in the pipeline's file.
    given : iterable of str
        Paths that were named with ``--plugin``.
    name : str
        Name of the pipeline's file in messages.

    Returns
    -------
    list of str
        One path per plug-in.

    Raises
    ------
    PluginError
        A plug-in is missing, or is of another version.
    """
    unsafe = [file_name for file_name in sources if not SAFE_FILE_NAME.fullmatch(file_name)]
    if unsafe:  # the name would be printed in commands that users copy into a shell
        raise PluginError(
            f"{name} is refused: {short_repr(unsafe[0])} is not a valid name of a plug-in file, "
            "which consists of letters, digits, '.', '_' and '-', and ends in .py"
        )
    paths = [user_path(path) for path in given]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise PluginError(f"no plug-in file {missing[0]}")
    return [_match_plugin_file(file_name, text, paths, name) for file_name, text in sources.items()]


def _match_plugin_file(file_name: str, text: bytes, paths: list[Path], name: str) -> str:
    same_text = [
        path for path in paths if path.stat().st_size == len(text) and path.read_bytes() == text
    ]
    matches = [path for path in same_text if path.name == file_name]
    command = f"unzip -p {quote(name)} {PLUGIN_FOLDER}{file_name}"
    if matches:
        return str(matches[0])
    if same_text:
        raise PluginError(
            f"{same_text[0]} must be named {file_name}, as it was when {name} was trained"
        )
    if any(path.name == file_name for path in paths):
        raise PluginError(
            f"{name} was trained with another version of {file_name}; print that version with: "
            f"{command}"
        )
    raise PluginError(
        f"{name} needs its plug-in: add --plugin {file_name}; print its source with: {command}"
    )


def holds_random_generator(component: Any) -> bool:
    """Whether a plug-in in a component has a random generator, which a file does not store."""
    generators = (np.random.Generator, np.random.RandomState)
    plugins = [
        inner for inner in _walk_objects(component) if type(inner).__module__.startswith("plugin_")
    ]
    return any(
        isinstance(value, generators)
        for plugin in plugins
        for value in getattr(plugin, "__dict__", {}).values()
    )


def find_torch_attribute(component: Any) -> str | None:
    """Class and name of the first attribute that holds an object of torch, or None.

    A file stores such objects only for networks, as weights.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    for inner in _walk_objects(component):
        for name, attribute in getattr(inner, "__dict__", {}).items():
            values = [attribute]
            if isinstance(attribute, dict | list | tuple):
                values = list(attribute.values() if isinstance(attribute, dict) else attribute)
            if any(isinstance(value, torch.nn.Module | torch.Tensor) for value in values):
                return f"{type(inner).__name__}.{name}"
    return None


def _walk_objects(component: Any) -> Iterator[Any]:
    """Yield a component and all objects inside it, each once."""
    waiting, seen = [component], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | type(None)):
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        else:
            waiting += getattr(value, "__dict__", {}).values()
