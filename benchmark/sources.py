"""The source that a plug-in runs, and its digest: changed code is another key."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_OURS = ("benchmark", "features", "models")


@cache
def digest(target: str) -> str:
    """Digest of the source that a target runs: its file and, followed from import to import, its own package's files.

    Changed code is another digest, hence another key. Imports inside functions are followed too; other libraries
    are not: their versions stand in the row.
    """
    where = target.rpartition(":")[0]
    root = where.split(".")[0]
    start = Path(where).expanduser().resolve() if where.endswith(".py") else _source(where, Path(), (root,))
    files = sorted(_followed(start, root))
    return hashlib.sha256(b"\0".join(Path(file).read_bytes() for file in files)).hexdigest()[:16]


def _followed(start: Path | None, root: str) -> set[Path]:
    done: set[Path] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file is not None and file not in done:
            done.add(file)
            names = _imports(ast.parse(file.read_bytes()))
            waiting += [_source(name, file.parent, (*_OURS, root)) for name in names]
    return done


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _source(name: str, folder: Path, roots: tuple[str, ...] = ()) -> Path | None:
    """File of a module: in one of the root packages, or beside the importing file; found without importing anything."""
    parts = name.lstrip(".").split(".")
    places = [folder]
    if parts[0] in roots:
        spec = importlib.util.find_spec(parts[0])
        places += [Path(spec.origin).parent.parent] if spec and spec.origin else []
    inside = [place.joinpath(*parts) for place in places]
    candidates = (path for base in inside for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"))
    return next((path.resolve() for path in candidates if path.is_file()), None)
