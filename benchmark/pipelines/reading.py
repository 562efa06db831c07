"""An image file, as a pipeline takes it: read the way the data sets read theirs."""

from __future__ import annotations

import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.images.load import resize_image
from benchmark.datasets.images.notes import describe_conversions
from benchmark.datasets.images.picture import SUFFIXES, read_image_size, read_picture
from benchmark.errors import UserError
from benchmark.pipelines.card import Card
from benchmark.utils.files import user_path
from features.base import to_gray


@dataclass(frozen=True)
class Asked:
    """An image that a pipeline is asked about.

    Parameters
    ----------
    name : str
        Of its file.
    pixels : (h, w, c) uint8
        As it is shown.
    image : (height, width, channels) uint8
        As the pipeline takes it.
    notes : tuple of str
        What was done to it.
    """

    name: str
    pixels: NDArray[np.uint8]
    image: NDArray[np.uint8]
    notes: tuple[str, ...]


def read_image(path: Path, card: Card) -> Asked:
    """Read an image of any format that the data sets read: PNG, JPEG, TIFF, BMP, DICOM.

    Raises
    ------
    UserError
        There is no such file, it is damaged, of another kind, or has more pixels than the images of
        the pipeline's data set may have.
    """
    path = user_path(path)
    if not path.is_file():
        raise UserError(
            f"{path} is a folder, not an image" if path.is_dir() else f"no image file {path}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            height, width = read_image_size(path)
            if height * width > card.max_pixels:
                raise ValueError(
                    f"{height}x{width} are more than {card.max_pixels:,} pixels; fit the pipeline "
                    f"with max_pixels={height * width}"
                )
            picture = read_picture(path, card.percentiles, card.max_pixels)
    except Exception as error:  # decoders raise whatever they like on a damaged file; all of it is for the user to read
        reason = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")
        known = ", ".join(sorted(SUFFIXES))
        raise UserError(f"cannot read the image {path}: {reason} (known are {known})") from None
    *shape, channels = card.image_shape
    notes = describe_conversions(
        [picture], tuple(shape), "as the pipeline was trained on", card.percentiles
    )
    image = resize_image(picture.pixels, (shape[0], shape[1]))
    if channels == 1 and image.shape[2] == 3:
        image = np.rint(to_gray(image)).astype(np.uint8)[..., None]
        notes = (*notes, "colours left out: the pipeline was trained on gray images")
    if channels == 3 and image.shape[2] == 1:
        notes = (
            *notes,
            "gray, given three equal channels: the pipeline was trained on colour images",
        )
    return Asked(
        path.name, picture.pixels, np.broadcast_to(image, (*shape, channels)).copy(), notes
    )
