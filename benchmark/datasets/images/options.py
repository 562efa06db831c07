"""The user's options for reading image files."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.datasets.images.decoded import MAX_PIXELS
from benchmark.errors import UserError, unknown_name_error

ON_ERROR = ("raise", "skip")


@dataclass(frozen=True)
class Options:
    """Options for reading image files.

    Parameters
    ----------
    size : int or None
        Side of the square images, in pixels. None keeps the size of the files if it is the same for
        all and at most 128, and else takes their median side, at most 128.
    percentiles : (low, high)
        Percentiles of each image's values that are mapped to 0 and 255, for files with more than 8
        bits.
    on_error : 'raise' or 'skip'
        Whether an unreadable file is an error or is left out.
    max_pixels : int
        An image with more pixels, or that takes more than ``8 * max_pixels`` bytes when decoded, is
        unreadable. This protects the memory: the header of a small file can state any size.

    Raises
    ------
    UserError
        A value is not as above.

    See Also
    --------
    benchmark.datasets.images.load.load_images : Reads files with these options.

    Examples
    --------
    >>> Options(size=64).percentiles
    (1, 99)
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
                f"percentiles: {self.percentiles} are not two increasing numbers from 0 to 100, "
                "such as [1, 99]"
            )


def _are_percentiles(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return all(isinstance(v, int | float) for v in value) and 0 <= value[0] < value[1] <= 100
