"""What a plug-in may not do to the process that it runs in, which it shares with everything else in a cell."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

import numpy as np
import sklearn

from benchmark.checks.subject import Subject, require_true

_forks: list[int] = []  # process ids of copies


def _read_settings() -> dict[str, Any]:
    """Settings of this process that change what other code computes, each with what to do instead of changing it."""
    torch = sys.modules.get("torch")
    return {
        "NumPy's error handling: use `with np.errstate(...):`": np.geterr(),
        "scikit-learn's configuration: use `with sklearn.config_context(...):`": sklearn.get_config(),
        "torch's default type: name the type where a tensor is made": str(torch.get_default_dtype())
        if torch
        else "torch.float32",
    }


_BEFORE = _read_settings()


def process_is_left_alone(subject: Subject) -> None:
    """The settings of the process stay as they are, and no copy of it is made: other code runs in it, too."""
    problem = describe_process_changes()
    require_true(not problem, problem)


def describe_process_changes() -> str:
    """What has been changed in this process, and what to do instead; empty if nothing has."""
    now = _read_settings()
    for name, value in _BEFORE.items():
        if now[name] != value:
            return f"it changes for all code in the process {name}"
    if _forks:
        return (
            "it copies the process (os.fork), and each copy computes all that follows once more: "
            "use joblib.Parallel(prefer='threads') or a subprocess"
        )
    return ""


@cache
def watch_forks() -> None:
    """Count the copies that are made of this process from now on, and let no copy make another."""
    if hasattr(os, "register_at_fork"):
        parent = os.getpid()
        os.register_at_fork(after_in_parent=lambda: _forks.append(os.getpid()))
        os.register_at_fork(after_in_child=lambda: os.getppid() == parent or os._exit(1))
