"""Benchmark classical image features against a CNN; see README.md.

``run``, ``load_study`` and ``load_results`` are imported when they are first asked for, so that the command line is quick.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {"run": "benchmark.engine.runner", "load_study": "benchmark.study.study", "load_results": "benchmark.results.store"}
__all__ = ["load_results", "load_study", "run"]  # given by __getattr__


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
