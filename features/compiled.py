"""Compilation of loops over pixels with numba.

A compiled loop needs one pass over the pixels where NumPy needs a temporary array per step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Any

import numba
from numba import types
from numba.extending import typeof_impl

IMAGES = types.Array(types.uint8, 4, "C", readonly=True)  # type of the batch given to ``extract``


def readonly_array_type(dtype: types.Type, ndim: int) -> types.Array:
    """Type of a contiguous array that is only read."""
    return types.Array(dtype, ndim, "C", readonly=True)


def writable_array_type(dtype: types.Type, ndim: int) -> types.Array:
    """Type of a contiguous array that is written to."""
    return types.Array(dtype, ndim, "C")


class Kernel:
    """A function of arrays and numbers that is compiled when it is first called.

    Parameters
    ----------
    function : callable
        Returns nothing.
    signature : tuple of numba types
    fastmath : bool or set of str
    """

    def __init__(
        self,
        function: Callable[..., None],
        signature: tuple[types.Type, ...],
        fastmath: bool | set[str],
    ) -> None:
        update_wrapper(self, function)
        self._function = function
        self._signature = types.void(*signature)
        self._fastmath = fastmath
        self._lock = RLock()
        self._compiled: Callable[..., None] | None = None

    def __call__(self, *arguments: Any) -> None:
        """Call the compiled function."""
        (self._compiled or self.compile())(*arguments)

    def compile(self) -> Callable[..., None]:
        """Compile the function, or read its machine code from the cache, if that is not done."""
        with self._lock:
            if self._compiled is None:
                options: dict[str, Any] = {
                    "nogil": True,
                    "error_model": "numpy",
                    "fastmath": self._fastmath,
                }
                try:
                    compiler = numba.njit(self._signature, cache=True, **options)
                    self._compiled = compiler(self._function)
                except Exception:
                    # no writable cache folder, a full disk, or a file there that is corrupted or
                    # not ours
                    self._compiled = numba.njit(self._signature, **options)(self._function)
        return self._compiled


@typeof_impl.register(Kernel)
def _type_of_kernel(kernel: Kernel, context: Any) -> Any:
    """Type of a kernel that another one calls."""
    return typeof_impl(kernel.compile(), context)


_declared: list[Kernel] = []


def compile_kernels() -> None:
    """Compile the kernels of all imported modules, so that a measured time does not include it."""
    while _declared:
        _declared.pop().compile()


def compile_kernel(
    *signature: types.Type, fastmath: bool | set[str] = False
) -> Callable[[Callable[..., None]], Kernel]:
    """Decorator that compiles a function of arrays and numbers which returns nothing.

    The function is compiled when it is first called, or by ``compile_kernels``. That takes about
    half a second per function; the machine code is cached on disk if the cache folder is writable.
    A compiled function releases the GIL. It must not call compiled functions from other files,
    because numba would not notice changes there.

    Parameters
    ----------
    *signature : numba types
        Types of the arguments.
    fastmath : bool or set of str
        Freedom that LLVM has in floating-point arithmetic, such as the order of sums.
    """

    def declare(function: Callable[..., None]) -> Kernel:
        _declared.append(Kernel(function, signature, fastmath))
        return _declared[-1]

    return declare
