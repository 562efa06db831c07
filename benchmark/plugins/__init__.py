"""Registries of components, what names one, and digests of their sources."""

from importlib import import_module
from typing import Any

__all__ = [
    "build_component",
    "describe_spec",
    "find_plugin_specs",
    "import_target",
    "resolve_spec",
]  # given by __getattr__


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("benchmark.plugins.registry"), name)
    raise AttributeError(f"module 'benchmark.plugins' has no attribute '{name}'")
