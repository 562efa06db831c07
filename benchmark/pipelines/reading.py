"""Reading of image files as input of a pipeline, in the same way as the datasets read theirs."""

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
class InputImage:
    """An image file, read for a pipeline.

    Parameters
    ----------
    name : str
        Name of the file.
    pixels : (h, w, c) uint8
        The image in its original size, for display.
    image : (height, width, channels) uint8
        Input of the pipeline.
    notes : tuple of str
        Conversions of the image.
    """

    name: str
    pixels: NDArray[np.uint8]
    image: NDArray[np.uint8]
    notes: tuple[str, ...]


def read_image(path: Path, card: Card) -> InputImage:
    """Read an image of any format that the datasets read: PNG, JPEG, TIFF, BMP, DICOM.

    Parameters
    ----------
    path : Path
    card : Card
        Metadata of the pipeline, which gives the shape of its input.

    Raises
    ------
    UserError
        The file is missing, corrupted, of another format, or has more pixels than
        ``card.max_pixels``.
    """
    path = user_path(path)
    if not path.is_file():
        raise UserError(
            f"{path} is a folder, not an image; name its files, such as {path}/*.png"
            if path.is_dir()
            else f"no image file {path}"
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
    except Exception as error:  # decoders raise any exception on a corrupted file
        reason = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")
        formats = ", ".join(sorted(SUFFIXES))
        raise UserError(
            f"cannot read the image {path}: {reason} (supported formats: {formats})"
        ) from None
    *shape, channels = card.image_shape
    notes = describe_conversions(
        [picture], tuple(shape), "as the pipeline was trained on", card.percentiles
    )
    image = resize_image(picture.pixels, (shape[0], shape[1]))
    if channels == 1 and image.shape[2] == 3:
        image = np.rint(to_gray(image)).astype(np.uint8)[..., None]
        notes = (*notes, "converted to gray: the pipeline was trained on gray images")
    if channels == 3 and image.shape[2] == 1:
        notes = (
            *notes,
            "gray, repeated in three channels: the pipeline was trained on colour images",
        )
    pixels = np.broadcast_to(image, (*shape, channels)).copy()
    return InputImage(path.name, picture.pixels, pixels, notes)
