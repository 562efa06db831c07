"""Benchmark classical image features against neural networks; see README.md.

The public names are imported at first use, so that the command line starts quickly.

Examples
--------
>>> from benchmark import load_study
>>> load_study("digits", models=["knn"]).name
'digits'
"""

from importlib.metadata import version
from pkgutil import resolve_name
from typing import Any

from benchmark import _moved_modules

_PUBLIC = {
    "run": "benchmark.engine.runner:run",
    "load_study": "benchmark.study.load:load_study",
    "load_results": "benchmark.results.store:load_results",
    "Study": "benchmark.study.study:Study",
    "Dataset": "benchmark.datasets.base:Dataset",
}
# provided by __getattr__
__all__ = ["Dataset", "Study", "__version__", "load_results", "load_study", "run"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("classical-vs-deep")
    if name in _PUBLIC:
        return resolve_name(_PUBLIC[name])
    raise AttributeError(f"module 'benchmark' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)


_moved_modules.install_finder()
