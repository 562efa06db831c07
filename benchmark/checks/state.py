"""What a plug-in keeps between two calls: in itself, in its class, and in its file."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any


def snapshot_state(made: Any) -> dict[str, bytes]:
    """Content of attributes of an object, of its classes, and of the globals of their plug-in files, by name.

    What cannot be pickled, such as a method, a module or a lock, is left out.
    """
    state = {f"self.{name}": _pickle_value(value) for name, value in vars(made).items()}
    for cls in type(made).__mro__:
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
    if callable(value) or isinstance(value, ModuleType):
        return b""
    try:
        return pickle.dumps(value)
    except Exception:  # whatever an object's own methods raise
        return b""
