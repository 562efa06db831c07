"""Digests of the source code that components run, and copies of the code of plug-ins.

Changed code has another digest, and a cell with another digest has another key. The code of
plug-ins is saved with the results.
"""

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

_OWN_PACKAGES = ("benchmark", "features", "models")


@cache
def digest_source(target: str) -> str:
    """Digest of the source code that a target runs.

    It covers the target's file and all files that it imports, directly or indirectly, also within
    functions. Only files of its own package, of this library and beside the importing file are
    followed; the versions of other libraries are in the row.

    Parameters
    ----------
    target : str
        ``module:attribute`` or ``path/file.py:Class``.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    return _digest_contents(_read_sources(target))


def _digest_contents(contents: dict[Path, bytes]) -> str:
    return hashlib.sha256(b"\0".join(contents.values())).hexdigest()[:16]


def _read_sources(target: str) -> dict[Path, bytes]:
    """Content of each file that a target runs, sorted by path."""
    module = target.rpartition(":")[0]
    root = module.split(".")[0]
    return {
        file: file.read_bytes() for file in sorted(_follow_imports(_find_target_file(target), root))
    }


def _find_target_file(target: str) -> Path | None:
    module = target.rpartition(":")[0]
    if module.endswith(".py"):
        return Path(module).expanduser().resolve()
    return _find_module_file(module, Path(), (module.split(".")[0],))


def select_external_specs(specs: Iterable[ResolvedSpec]) -> tuple[ResolvedSpec, ...]:
    """Specs whose code is not of this library, among the given ones and those inside them.

    Each occurs once, and they are sorted by target and label.
    """
    plugins = {plugin for spec in specs for plugin in _external_specs_in(spec)}
    return tuple(sorted(plugins, key=lambda spec: (spec.target, spec.label)))


@cache
def _external_specs_in(spec: ResolvedSpec) -> frozenset[ResolvedSpec]:
    module = spec.target.rpartition(":")[0]
    is_own = not module.endswith(".py") and module.split(".")[0] in _OWN_PACKAGES
    inner = (value for _, value in spec.params if isinstance(value, ResolvedSpec))
    return frozenset(() if is_own else (spec,)).union(*map(_external_specs_in, inner))


def save_plugin_sources(plugins: Iterable[ResolvedSpec], folder: Path) -> None:
    """Save the source code of plug-ins in a folder, under names with the digest of the rows.

    The file of a plug-in becomes ``<file>-<digest>.py``; the files that it imports go into a folder
    ``<file>-<digest>``.

    Parameters
    ----------
    plugins : iterable of ResolvedSpec
        From `select_external_specs`.
    folder : Path
    """
    for target in {spec.target for spec in plugins}:
        contents, main = _read_sources(target), _find_target_file(target)
        if main is None:
            continue
        name = f"{main.stem}-{_digest_contents(contents)}"
        for file, content in contents.items():
            is_beside = file.is_relative_to(main.parent)
            relative = file.relative_to(main.parent) if is_beside else Path(*file.parts[-2:])
            path = folder / f"{name}.py" if file == main else folder / name / relative
            if not _is_own_source(file) and not path.exists():
                write_atomic(path, partial(_write_content, content))


def _write_content(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _is_own_source(file: Path) -> bool:
    specs = (importlib.util.find_spec(name) for name in _OWN_PACKAGES)
    return any(
        file.is_relative_to(Path(spec.origin).parent) for spec in specs if spec and spec.origin
    )


def _follow_imports(start: Path | None, root: str) -> set[Path]:
    """A file and all files that it imports, directly or indirectly."""
    visited: set[Path] = set()
    waiting = [start]
    roots = (*_OWN_PACKAGES, root)
    while waiting:
        file = waiting.pop()
        if file is not None and file not in visited:
            visited.add(file)
            names = _imported_names(file.read_bytes())
            waiting += [_find_module_file(name, file.parent, roots) for name in names]
    return visited


def _imported_names(source: bytes) -> Iterator[str]:
    """Yield the names of modules, and of attributes of modules, that a source imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # a file that is never really imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _find_module_file(name: str, folder: Path, roots: tuple[str, ...] = ()) -> Path | None:
    """File of a module, in ``folder`` or in one of the root packages, found without an import."""
    parts = name.lstrip(".").split(".")
    folders = [folder]
    if parts[0] in roots:
        spec = importlib.util.find_spec(parts[0])
        folders += [Path(spec.origin).parent.parent] if spec and spec.origin else []
    bases = [parent.joinpath(*parts) for parent in folders]
    candidates = (
        path for base in bases for path in (base.with_name(f"{base.name}.py"), base / "__init__.py")
    )
    return next((path.resolve() for path in candidates if path.is_file()), None)
