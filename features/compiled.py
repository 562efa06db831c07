"""Loops over pixels, compiled: where NumPy would need a temporary array a step, numba needs one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types

IMAGES = types.Array(types.uint8, 4, "C", readonly=True)  # what ``extract`` is given


def readonly_array_type(dtype: types.Type, ndim: int) -> types.Array:
    """Type of a contiguous array that is only read."""
    return types.Array(dtype, ndim, "C", readonly=True)


def writable_array_type(dtype: types.Type, ndim: int) -> types.Array:
    """Type of a contiguous array that is written to."""
    return types.Array(dtype, ndim, "C")


def compile_kernel(
    *signature: types.Type, fastmath: bool | set[str] = False
) -> Callable[[Callable[..., None]], Any]:
    """Compile a function of arrays and numbers that returns nothing, when its module is imported.

    Compiling takes about half a second a function; what it gives is kept on disk where that can be
    written. The function lets other threads run. Compiled functions call none from other files:
    numba would not notice when those change.

    Parameters
    ----------
    *signature : numba types
        Of the arguments.
    fastmath : bool or set of str
        What LLVM may change about the order of floating-point sums.
    """

    def compile_function(function: Callable[..., None]) -> Any:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
        try:
            return numba.njit(types.void(*signature), cache=True, **options)(function)
        except Exception:  # no folder to write the cache to, a full disk, or what lies there is corrupted or another module's
            return numba.njit(types.void(*signature), **options)(function)

    return compile_function
