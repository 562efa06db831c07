"""Compilation of loops over pixels with numba.

A compiled loop needs one pass over the pixels where NumPy needs a temporary array per step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types

IMAGES = types.Array(types.uint8, 4, "C", readonly=True)  # type of the batch given to ``extract``


def readonly_array_type(dtype: types.Type, ndim: int) -> types.Array:
    """Type of a contiguous array that is only read."""
    return types.Array(dtype, ndim, "C", readonly=True)


def writable_array_type(dtype: types.Type, ndim: int) -> types.Array:
    """Type of a contiguous array that is written to."""
    return types.Array(dtype, ndim, "C")


def compile_kernel(
    *signature: types.Type, fastmath: bool | set[str] = False
) -> Callable[[Callable[..., None]], Any]:
    """Decorator that compiles a function of arrays and numbers which returns nothing.

    The function is compiled when its module is imported, which takes about half a second per
    function; the machine code is cached on disk if the cache folder is writable. A compiled
    function releases the GIL. It must not call compiled functions from other files, because numba
    would not notice changes there.

    Parameters
    ----------
    *signature : numba types
        Types of the arguments.
    fastmath : bool or set of str
        Freedom that LLVM has in floating-point arithmetic, such as the order of sums.
    """

    def compile_function(function: Callable[..., None]) -> Any:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
        try:
            return numba.njit(types.void(*signature), cache=True, **options)(function)
        except Exception:
            # no writable cache folder, a full disk, or a file there that is corrupted or not ours
            return numba.njit(types.void(*signature), **options)(function)

    return compile_function
