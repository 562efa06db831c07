"""The source that a plug-in runs, and its digest: changed code is another key, and the code is kept with the results."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from benchmark.plugins.spec import ResolvedSpec
from benchmark.utils.files import write_atomic

_OURS = ("benchmark", "features", "models")


@cache
def digest_source(target: str) -> str:
    """Digest of the source that a target runs: its file and, followed from import to import, its own package's files.

    Changed code is another digest, hence another key. Imports inside functions are followed too;
    other libraries are not: their versions stand in the row.
    """
    return _digest_contents(_read_sources(target))


def _digest_contents(contents: dict[Path, bytes]) -> str:
    return hashlib.sha256(b"\0".join(contents.values())).hexdigest()[:16]


def _read_sources(target: str) -> dict[Path, bytes]:
    where = target.rpartition(":")[0]
    root = where.split(".")[0]
    return {
        file: file.read_bytes() for file in sorted(_follow_imports(_find_target_file(target), root))
    }


def _find_target_file(target: str) -> Path | None:
    where = target.rpartition(":")[0]
    return (
        Path(where).expanduser().resolve()
        if where.endswith(".py")
        else _find_module_file(where, Path(), (where.split(".")[0],))
    )


def select_external_specs(specs: Iterable[ResolvedSpec]) -> tuple[ResolvedSpec, ...]:
    """Those of some specs, and of the specs inside them, whose code is not of this program; each once, in one order."""
    plugins = {plugin for spec in specs for plugin in _external_specs_in(spec)}
    return tuple(sorted(plugins, key=lambda spec: (spec.target, spec.label)))


@cache
def _external_specs_in(spec: ResolvedSpec) -> frozenset[ResolvedSpec]:
    where = spec.target.rpartition(":")[0]
    is_ours = not where.endswith(".py") and where.split(".")[0] in _OURS
    inner = (value for _, value in spec.params if isinstance(value, ResolvedSpec))
    return frozenset(() if is_ours else (spec,)).union(*map(_external_specs_in, inner))


def save_plugin_sources(plugins: Iterable[ResolvedSpec], folder: Path) -> None:
    """Write the source of plug-ins into a folder: ``<file>-<digest>.py``, and what it imports into a folder of that name.

    Parameters
    ----------
    plugins : iterable of ResolvedSpec
        As ``select_external_specs`` gives them; the digest is the one in the rows.
    folder : Path
    """
    for target in {spec.target for spec in plugins}:
        contents, main = _read_sources(target), _find_target_file(target)
        if main is None:
            continue
        name = f"{main.stem}-{_digest_contents(contents)}"
        for file, content in contents.items():
            beside = file.is_relative_to(main.parent)
            inside = file.relative_to(main.parent) if beside else Path(*file.parts[-2:])
            path = folder / f"{name}.py" if file == main else folder / name / inside
            if not _is_own_source(file) and not path.exists():
                write_atomic(path, partial(_write_content, content))


def _write_content(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _is_own_source(file: Path) -> bool:
    specs = (importlib.util.find_spec(name) for name in _OURS)
    return any(
        file.is_relative_to(Path(spec.origin).parent) for spec in specs if spec and spec.origin
    )


def _follow_imports(start: Path | None, root: str) -> set[Path]:
    done: set[Path] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file is not None and file not in done:
            done.add(file)
            names = _imported_names(file.read_bytes())
            waiting += [_find_module_file(name, file.parent, (*_OURS, root)) for name in names]
    return done


def _imported_names(source: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (
        SyntaxError,
        ValueError,
        RecursionError,
    ):  # a file beside the plug-in that is never imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _find_module_file(name: str, folder: Path, roots: tuple[str, ...] = ()) -> Path | None:
    """File of a module: in one of the root packages, or beside the importing file; found without importing anything."""
    parts = name.lstrip(".").split(".")
    places = [folder]
    if parts[0] in roots:
        spec = importlib.util.find_spec(parts[0])
        places += [Path(spec.origin).parent.parent] if spec and spec.origin else []
    inside = [place.joinpath(*parts) for place in places]
    candidates = (
        path
        for base in inside
        for path in (base.with_name(f"{base.name}.py"), base / "__init__.py")
    )
    return next((path.resolve() for path in candidates if path.is_file()), None)
