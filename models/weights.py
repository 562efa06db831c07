"""Files of given weights: their digests, and reading them without unpickling objects."""

from __future__ import annotations

import hashlib
import pickle
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def describe_weights_file(file: str | Path, licence: str | None = None) -> dict[str, str | None]:
    """Describe a file of weights, for the keys of results and for their rows.

    Parameters
    ----------
    file : str or Path
    licence : str or None
        None if it is unknown.

    Returns
    -------
    dict
        'file', the name without its folders; 'sha256'; 'licence'.

    Raises
    ------
    ValueError
        There is no such file.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"weights={str(file)!r}: no such file; name a file of weights")
    status = path.stat()
    digest = _digest_file(path.absolute(), status.st_mtime_ns, status.st_size)
    return {"file": path.name, "sha256": digest, "licence": licence}


@lru_cache(maxsize=64)
def _digest_file(path: Path, *version: int) -> str:
    """SHA-256 of a file, computed once per version of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state_dict(file: str | Path) -> dict[str, Tensor]:
    """Read the state dictionary in a file (.safetensors, or of ``torch.save``).

    Raises
    ------
    ValueError
        There is no such file, or it is damaged or holds something else.
    """
    import torch

    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"weights={str(file)!r}: no such file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch and safetensors raise many types for a damaged file
        raise ValueError(
            f"weights={str(file)!r}: cannot be read as a file of weights "
            f"({_describe_reason(error)}); copy it again, and save a state dictionary only, with "
            "torch.save(network.state_dict(), FILE)"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError(
            f"weights={str(file)!r}: holds no state dictionary; save one with "
            "torch.save(network.state_dict(), FILE)"
        )
    return state


def _describe_reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # its message explains how to unpickle anything
        return "it is damaged, or holds Python objects other than weights"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def load_weights(module: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Load a state dictionary into a module that has the same names and shapes.

    Parameters
    ----------
    module : torch.nn.Module
    state : dict of str to Tensor
    origin : str
        What the message begins with.

    Raises
    ------
    ValueError
        Names or shapes differ.
    """
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    differing = sorted(name for name in {*own, *given} if own.get(name) != given.get(name))
    if differing:
        name = differing[0]
        raise ValueError(
            f"{origin}: not those of this network; {len(differing)} arrays differ, such as {name}, "
            f"whose shape is {own.get(name, 'absent')} there and {given.get(name, 'absent')} here"
        )
    module.load_state_dict(state)
