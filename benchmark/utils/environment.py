"""The environment in which a row is computed: library versions, hardware, git commit."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NUMERIC = (
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "opencv-contrib-python-headless",
    "numba",
    "torch",
    "torchvision",
    "timm",
    "pillow",
    "pydicom",
    "imbalanced-learn",
    "scikit-learn-intelex",
)
NOT_IN_FEATURES = ("imbalanced-learn", "scikit-learn-intelex")


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the numerical libraries, without importing them."""
    versions = {}
    for name in NUMERIC:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@cache
def collect_environment() -> dict[str, Any]:
    """Collect the provenance that is stored in every row."""
    return {
        "benchmark": version("classical-vs-deep"),
        **_read_git_state(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "blas": _list_blas_libraries(),
        "libraries": library_versions(),
    }


def _read_git_state() -> dict[str, Any]:
    """Return this package's git commit, and whether files differ from it; None if not in git."""
    here = Path(__file__).resolve().parents[1]
    try:
        commit = _read_command_output("git", "-C", str(here), "rev-parse", "HEAD")
        return {
            "git_commit": commit,
            "git_dirty": bool(
                _read_command_output("git", "-C", str(here), "status", "--porcelain", "--", ".")
            ),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}


def _read_command_output(*command: str) -> str:
    # no input of a user is in the commands
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _list_blas_libraries() -> list[dict[str, Any]]:
    """List the library, version and architecture of each BLAS that NumPy and SciPy load."""
    import scipy.linalg  # noqa: F401  # loads SciPy's BLAS
    from threadpoolctl import threadpool_info

    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    described = [
        {name: library.get(name) for name in ("internal_api", "version", "architecture")}
        for library in loaded
    ]
    return [blas for k, blas in enumerate(described) if blas not in described[:k]]


def _memory_gb() -> float:
    import psutil

    return round(psutil.virtual_memory().total / 2**30, 1)
