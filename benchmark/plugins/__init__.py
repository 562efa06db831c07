"""Registries of components, specs that name components, and digests of their sources."""

from pkgutil import resolve_name
from typing import Any

# imported on first use by __getattr__
__all__ = [
    "build_component",
    "describe_spec",
    "find_plugin_specs",
    "import_target",
    "resolve_spec",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return resolve_name(f"benchmark.plugins.registry:{name}")
    raise AttributeError(f"module 'benchmark.plugins' has no attribute '{name}'")
