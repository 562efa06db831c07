"""Durations at full size, extrapolated from those at smaller sizes, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple, Self

NOISE = 1.1  # factor by which a duration differs when it is measured again
DOUBT = 0.25  # exponent of the uncertain part of the scaling, where two durations are known
MORE_DOUBT = 0.75  # the same where only one is known


class Seconds(NamedTuple):
    """An estimated duration in seconds, with the range in which it is expected.

    Examples
    --------
    >>> Seconds(1, 2, 4) + 2 * Seconds.exactly(10)
    Seconds(low=21, middle=22, high=24)
    """

    low: float
    middle: float
    high: float

    @classmethod
    def exactly(cls, seconds: float) -> Self:
        """Return a duration without uncertainty."""
        return cls(seconds, seconds, seconds)

    def __add__(self, other: Seconds) -> Seconds:  # type: ignore[override]
        return Seconds(*(a + b for a, b in zip(self, other, strict=True)))

    def __rmul__(self, factor: float) -> Seconds:  # type: ignore[override]
        return Seconds(*(factor * seconds for seconds in self))


NO_SECONDS = Seconds.exactly(0.0)


def extrapolate(times: Sequence[tuple[float, float]], size: float, linear: bool) -> Seconds:
    """Extrapolate a duration to a larger size.

    The growth between the last two durations tells whether it is linear, quadratic (as the kernel
    matrix of a support vector machine, or the distances of nearest neighbours), or in between; the
    time of a call remains constant. After a single duration, the growth may be any of these.

    Parameters
    ----------
    times : sequence of (size, seconds)
        At least one, the smallest size first.
    size : float
        The size to extrapolate to, at least the largest one.
    linear : bool
        Whether the growth is known to be linear.

    Returns
    -------
    Seconds

    Examples
    --------
    >>> round(extrapolate([(100, 1.0), (200, 4.0)], 400, linear=False).middle)
    16
    >>> round(extrapolate([(100, 1.1), (200, 2.1)], 400, linear=False).middle, 1)
    4.1
    >>> round(extrapolate([(100, 1.0)], 200, linear=True).middle)
    2
    """
    last, seconds = times[-1]
    if len(times) == 1:
        exponent = 1.0 if linear else 1.25
        middle, doubt = seconds * (size / last) ** exponent, DOUBT if linear else MORE_DOUBT
    else:
        before, seconds_before = times[-2]
        growth = max(0.0, seconds - seconds_before)
        by_line = seconds + growth * (size - last) / (last - before)
        by_square = seconds + growth * (size**2 - last**2) / (last**2 - before**2)
        exponent = log(seconds / seconds_before) / log(last / before)
        share = 0.0 if linear else min(1.0, max(0.0, exponent - 1))
        middle, doubt = by_line ** (1 - share) * by_square**share, DOUBT
    factor = NOISE * (size / last) ** doubt
    return Seconds(middle / factor, middle, middle * factor)
