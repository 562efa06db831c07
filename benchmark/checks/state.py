"""State that a plug-in keeps between two calls: in its object, its class and its file."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any


def snapshot_state(component: Any) -> dict[str, bytes]:
    """Pickled state of an object of a plug-in, by name.

    It consists of the attributes of the object and of its classes, and of the globals of the
    plug-in files. Values that cannot be pickled, such as methods, modules and locks, are left out.
    """
    state = {f"self.{name}": _pickle_value(value) for name, value in vars(component).items()}
    for cls in type(component).__mro__:
        module = sys.modules.get(cls.__module__)
        if module is None or not cls.__module__.startswith("plugin_"):
            continue
        state |= {
            f"{cls.__name__}.{name}": _pickle_value(value)
            for name, value in vars(cls).items()
            if not name.startswith("__")
        }
        state |= {
            f"the global {name}": _pickle_value(value)
            for name, value in vars(module).items()
            if not name.startswith("__")
        }
    return {name: content for name, content in state.items() if content}


def _pickle_value(value: Any) -> bytes:
    """Pickle of a value; empty if it cannot be pickled."""
    if callable(value) or isinstance(value, ModuleType):
        return b""
    try:
        return pickle.dumps(value)
    except Exception:  # an object's own methods may raise any exception
        return b""
