"""Studies, their axes, and the cells that they expand into."""

from pkgutil import resolve_name
from typing import Any

_PUBLIC = {"Study": "study", "load_study": "load", "Cell": "cell", "Axis": "axes"}
__all__ = ["Axis", "Cell", "Study", "load_study"]  # provided by __getattr__


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return resolve_name(f"benchmark.study.{_PUBLIC[name]}:{name}")
    raise AttributeError(f"module 'benchmark.study' has no attribute '{name}'")
