"""Check that a plug-in does not change the process in which it runs with other code."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

import numpy as np
import sklearn

from benchmark.checks.subject import Subject, require_true

_forks: list[int] = []  # one id of the parent process per fork


def _read_settings() -> dict[str, Any]:
    """Settings that affect other code, by what to do instead of changing them."""
    torch = sys.modules.get("torch")
    dtype = str(torch.get_default_dtype()) if torch else "torch.float32"
    return {
        "NumPy's error handling: use `with np.errstate(...):`": np.geterr(),
        "scikit-learn's configuration: use `with sklearn.config_context(...):`": (
            sklearn.get_config()
        ),
        "torch's default dtype: pass the dtype when you create a tensor": dtype,
    }


_BEFORE = _read_settings()


def process_is_left_alone(subject: Subject) -> None:
    """The process, in which other code runs as well, keeps its settings and is not forked."""
    problem = describe_process_changes()
    require_true(not problem, problem)


def describe_process_changes() -> str:
    """Describe what was changed in this process, and what to do instead; empty if nothing was."""
    current = _read_settings()
    for name, value in _BEFORE.items():
        if current[name] != value:
            return f"it changes, for all code in the process, {name}"
    if _forks:
        return (
            "it copies the process (os.fork), and each copy runs the rest of the program again: "
            "use joblib.Parallel(prefer='threads') or a subprocess"
        )
    return ""


@cache
def watch_forks() -> None:
    """Count the forks of this process from now on, and end a process that a fork forks."""
    if hasattr(os, "register_at_fork"):
        parent = os.getpid()
        os.register_at_fork(after_in_parent=lambda: _forks.append(os.getpid()))
        os.register_at_fork(after_in_child=lambda: os.getppid() == parent or os._exit(1))
