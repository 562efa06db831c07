"""How image files are to become an array, as the user says it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.datasets.images.decoded import MAX_PIXELS
from benchmark.errors import UserError, unknown_name_error

ON_ERROR = ("raise", "skip")


@dataclass(frozen=True)
class Options:
    """How files become an array.

    Parameters
    ----------
    size : int or None
        Side of the square images, in pixels; None: native if small and all equal, else the median
        side, at most 128.
    percentiles : (low, high)
        Of each image's values, mapped to 0 and 255 where a file has more than 8 bits.
    on_error : 'raise' or 'skip'
        What an unreadable file does.
    max_pixels : int
        An image of more pixels, or of more than 8 bytes for each of them when decoded, is
        unreadable: a file of a few kilobytes can announce any number.

    Raises
    ------
    UserError
        A value is not as above.
    """

    size: int | None = None
    percentiles: tuple[float, float] = (1, 99)
    on_error: str = "raise"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.on_error not in ON_ERROR:
            raise unknown_name_error("value of on_error", str(self.on_error), ON_ERROR)
        if self.size is not None and (not isinstance(self.size, int) or self.size < 1):
            raise UserError(
                f"size: {self.size} is not a number of pixels; give an integer of at least 1"
            )
        if type(self.max_pixels) is not int or self.max_pixels < 1:
            raise UserError(
                f"max_pixels: {self.max_pixels} is not a number of pixels; give an integer of at "
                "least 1"
            )
        if not _are_percentiles(self.percentiles):
            raise UserError(
                f"percentiles: {self.percentiles} are not two rising numbers from 0 to 100, such "
                "as [1, 99]"
            )


def _are_percentiles(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return all(isinstance(v, int | float) for v in value) and 0 <= value[0] < value[1] <= 100
