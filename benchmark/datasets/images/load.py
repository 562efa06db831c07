"""Read image files into one array of images with a common size."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.images.notes import describe_conversions
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import Picture, read_image_size, read_picture
from benchmark.errors import UserError

LARGEST_DEFAULT = 128  # pixels of the longer side, if the user sets no size


@dataclass(frozen=True)
class Loaded:
    """Images with a common size.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array
    kept : list of int
        Indices of their files among those requested.
    patients : list of (str or None)
        PatientID of each DICOM file, "" if it has none; None for other types of files.
    notes : tuple of str
        Conversions of the images, with the number of images for each.
    """

    images: NDArray[np.uint8]
    kept: list[int]
    patients: list[str | None]
    notes: tuple[str, ...]


def load_images(paths: Sequence[Path], names: Sequence[str], options: Options) -> Loaded:
    """Read all files in threads; each image is resized as soon as it is decoded.

    Parameters
    ----------
    paths : sequence of Path
    names : sequence of str
        Names of the files in messages.
    options : Options

    Returns
    -------
    Loaded

    Raises
    ------
    UserError
        A file is unreadable and ``on_error`` is 'raise', or no file is readable.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn about files that are read or refused here
        shape, reason = _choose_common_shape(paths, options.size)
        outcomes = _map_in_threads(lambda path: _read(path, shape, options), paths)
    pictures = [outcome for outcome in outcomes if isinstance(outcome, Picture)]
    if len(pictures) < len(outcomes):
        return _reload_readable_images(paths, names, options, outcomes)
    notes = describe_conversions(pictures, shape, reason, options.percentiles)
    return Loaded(
        _stack_images(pictures),
        list(range(len(paths))),
        [picture.patient for picture in pictures],
        notes,
    )


def _reload_readable_images(
    paths: Sequence[Path], names: Sequence[str], options: Options, outcomes: list[Picture | str]
) -> Loaded:
    """Raise an error, or reload the readable files, as skipped ones must not affect the size."""
    errors = [
        f"{name}: {reason}"
        for name, reason in zip(names, outcomes, strict=True)
        if isinstance(reason, str)
    ]
    count = f"{len(errors)} of {len(paths)} image files cannot be read"
    listed = "; ".join(errors[:3]) + ("; ..." if len(errors) > 3 else "")
    if len(errors) == len(paths):
        raise UserError(f"{count}: {listed}")
    if options.on_error == "raise":
        raise UserError(f"{count}: {listed}. Fix or remove them, or drop them with on_error: skip")
    kept = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Picture)]
    loaded = load_images([paths[i] for i in kept], [names[i] for i in kept], options)
    note = f"{count} and were left out: {listed}"
    return replace(loaded, kept=[kept[i] for i in loaded.kept], notes=(note, *loaded.notes))


def _map_in_threads(function: Callable, paths: Sequence[Path]) -> list:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, paths))


def _read(path: Path, shape: tuple[int, int], options: Options) -> Picture | str:
    """Read and resize an image, or return the reason why it cannot be read."""
    try:
        picture = read_picture(path, options.percentiles, options.max_pixels)
        return replace(picture, pixels=resize_image(picture.pixels, shape))
    except Exception as error:  # decoders raise errors of many types on a corrupted file
        return _describe_read_error(error)


def _describe_read_error(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    one_line = str(error) or type(error).__name__
    return textwrap.shorten(one_line, 200, placeholder=" ...")


def _read_size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return read_image_size(path)
    except Exception:  # reading the whole file will fail too, and report the reason
        return None


def _choose_common_shape(paths: Sequence[Path], size: int | None) -> tuple[tuple[int, int], str]:
    """Return the common (height, width) and the reason for it."""
    if size is not None:
        return (size, size), "as requested"
    sizes = [file_size for file_size in _map_in_threads(_read_size_or_none, paths) if file_size]
    if len(set(sizes)) == 1 and max(sizes[0]) <= LARGEST_DEFAULT:
        return sizes[0], "native"
    side = min(LARGEST_DEFAULT, int(np.median(sizes or [1])))
    return (side, side), f"the median side, at most {LARGEST_DEFAULT}"


def resize_image(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image: average over areas if it shrinks, bicubic interpolation if it grows.

    Parameters
    ----------
    pixels : (h, w, c) uint8 array
    shape : (height, width)

    Returns
    -------
    (height, width, c) uint8 array
    """
    if pixels.shape[:2] == shape:
        return np.ascontiguousarray(pixels)
    import cv2

    shrinks = shape[0] * shape[1] < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(pixels), shape[::-1], interpolation=method)
    return np.asarray(resized, np.uint8).reshape(*shape, -1)


def _stack_images(pictures: list[Picture]) -> NDArray[np.uint8]:
    """Stack the images; gray ones get three equal channels if any image is coloured."""
    channels = max(picture.pixels.shape[2] for picture in pictures)
    shape = pictures[0].pixels.shape[:2]
    return np.stack([np.broadcast_to(picture.pixels, (*shape, channels)) for picture in pictures])
