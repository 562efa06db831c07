"""The plug-in files of a pipeline: their text is in its file, to be read, and is never run from there."""

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

PLAIN_NAME = re.compile(r"\w[\w.-]{0,99}\.py")
FOLDER = "plugins/"
RESTORE = (
    "a pipeline's file holds weights only of what keeps its network in network_ and has "
    "restore(state_dict), "
    "as every subclass of models.network_classifier.NetworkClassifier does; python -m benchmark "
    "run needs neither"
)
KEPT = (
    "a pipeline's file keeps numbers, text, bytes, lists, tuples, sets, dicts whose keys are text "
    "or numbers, NumPy arrays of numbers "
    "or text, and the estimators that benchmark/pipelines/trusted.py lists: keep what was learned "
    "in such attributes"
)


class PluginError(UserError):
    """The plug-in that a pipeline needs was not named, or is another version."""


def find_plugin_files(part: Any) -> list[str]:
    """Plug-in files whose classes are in a trained part.

    Raises
    ------
    UserError
        Two files have one name, or one has changed since it was loaded.
    """
    files: dict[str, str] = {}
    for module in sorted({type(inner).__module__ for inner in _walk_objects(part)}):
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
    """Which of the files that the user named are the plug-ins of a pipeline.

    Parameters
    ----------
    sources : file name to text
        Those in the pipeline's file.
    given : paths
        What was named with ``--plugin``.
    name : str
        How messages call the pipeline.

    Raises
    ------
    PluginError
        One is missing, or is another version.
    """
    odd = [file_name for file_name in sources if not PLAIN_NAME.fullmatch(file_name)]
    if odd:  # a name from a stranger's file is printed in commands to be copied
        raise PluginError(
            f"{name} is refused: {short_repr(odd[0])} is no name of a plug-in file: letters, digits, . "
            "_ and -, then .py"
        )
    paths = [user_path(path) for path in given]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise PluginError(f"no plug-in file {missing[0]}")
    return [_match_plugin_file(file_name, text, paths, name) for file_name, text in sources.items()]


def _match_plugin_file(file_name: str, text: bytes, paths: list[Path], name: str) -> str:
    equal = [
        path for path in paths if path.stat().st_size == len(text) and path.read_bytes() == text
    ]
    named = [path for path in equal if path.name == file_name]
    read = f"unzip -p {quote(name)} {FOLDER}{file_name}"
    if named:
        return str(named[0])
    if equal:
        raise PluginError(
            f"{equal[0]} must be named {file_name}, as it was when {name} was trained"
        )
    if any(path.name == file_name for path in paths):
        raise PluginError(
            f"{name} was trained with another version of {file_name}, which it holds: {read}"
        )
    raise PluginError(
        f"{name} needs its plug-in: add --plugin {file_name}; its text is in the file, to be read "
        f"first: {read}"
    )


def holds_random_generator(part: Any) -> bool:
    """Whether a plug-in in a part holds a random generator, which a file does not keep."""
    generators = (np.random.Generator, np.random.RandomState)
    plugins = [
        inner for inner in _walk_objects(part) if type(inner).__module__.startswith("plugin_")
    ]
    return any(
        isinstance(value, generators)
        for plugin in plugins
        for value in getattr(plugin, "__dict__", {}).values()
    )


def find_torch_attribute(part: Any) -> str | None:
    """Class and attribute that hold something of torch, which a file keeps for networks only; None where nothing does."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    for inner in _walk_objects(part):
        for name, value in getattr(inner, "__dict__", {}).items():
            values = (
                value.values()
                if isinstance(value, dict)
                else value
                if isinstance(value, list | tuple)
                else [value]
            )
            if any(isinstance(one, torch.nn.Module | torch.Tensor) for one in values):
                return f"{type(inner).__name__}.{name}"
    return None


def _walk_objects(part: Any) -> Iterator[Any]:
    """A part and all objects inside it, each once."""
    waiting, seen = [part], set()
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
