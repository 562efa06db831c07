"""Read image files into one array of images with a common size.

Each image is written into the array as soon as it is decoded, so that memory is bounded by the
images that are decoded at the same time; see ``image_array`` for the array.
"""

from __future__ import annotations

import os
import textwrap
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.image_array import (
    AT_ONCE,
    allocate_images,
    iterate_chunks,
)
from benchmark.datasets.images.notes import describe_conversions
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import Picture, read_image_size, read_picture
from benchmark.errors import UserError
from benchmark.utils.memory import release_memory
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import join_names

QUEUED = 10_000  # files that wait for a thread
LARGEST_DEFAULT = 128  # pixels of the longer side, if the user sets no size


@dataclass(frozen=True)
class Loaded:
    """Images with a common size.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array
    kept : list of int
        Indices of their files among those requested.
    cases : list of (mapping of str to str, or None)
        What each DICOM file says of its case; see `dicom_case.read_case`. None for other types of
        files.
    notes : tuple of str
        Conversions of the images, with the number of images for each.
    """

    images: NDArray[np.uint8]
    kept: list[int]
    cases: list[Mapping[str, str] | None]
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
        writer = _ImageWriter(len(paths), shape)
        outcomes = _map_in_threads(
            lambda i: _read(i, paths[i], shape, options, writer), range(len(paths))
        )
    pictures = [outcome for outcome in outcomes if isinstance(outcome, Picture)]
    if len(pictures) < len(outcomes):
        return _reload_readable_images(paths, names, options, outcomes)
    notes = describe_conversions(pictures, shape, reason, options.percentiles)
    return Loaded(
        writer.images,
        list(range(len(paths))),
        [picture.case for picture in pictures],
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
    listed = join_names(errors, "; ", 3)
    if len(errors) == len(paths):
        raise UserError(f"{count}: {listed}")
    if options.on_error == "raise":
        raise UserError(
            f"{count}: {listed}. Fix or remove them, or leave them out with on_error='skip', as in "
            "folder:PATH(on_error='skip')"
        )
    kept = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Picture)]
    loaded = load_images([paths[i] for i in kept], [names[i] for i in kept], options)
    note = Note(f"{count} and were left out: {listed}", NoteKind.LEFT_OUT)
    return replace(loaded, kept=[kept[i] for i in loaded.kept], notes=(note, *loaded.notes))


def _map_in_threads(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    results: list[Any] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(items), QUEUED):
            results += pool.map(function, items[start : start + QUEUED])
    return results


class _ImageWriter:
    """The array that images are written into.

    It has three channels from the first coloured image on; gray images have three equal ones then.
    """

    def __init__(self, n: int, shape: tuple[int, int]) -> None:
        self.images = allocate_images((n, *shape, 1))
        self._lock = threading.Lock()
        self._n_written, self._end = 0, 0

    def write(self, index: int, pixels: NDArray[np.uint8]) -> None:
        """Write an image; may be called by several threads."""
        with self._lock:
            if pixels.shape[2] > self.images.shape[3]:
                self._add_channels(pixels.shape[2])
            self.images[index] = pixels
            self._n_written += 1
            self._end = max(self._end, index + 1)
            if self._n_written * pixels.size > AT_ONCE:
                release_memory(self.images)
                self._n_written = 0

    def _add_channels(self, channels: int) -> None:
        gray = self.images
        self.images = allocate_images((*gray.shape[:3], channels))
        for chunk in iterate_chunks(gray[: self._end]):
            self.images[chunk] = gray[chunk]
            release_memory(self.images)


def _read(
    index: int, path: Path, shape: tuple[int, int], options: Options, writer: _ImageWriter
) -> Picture | str:
    """Read, resize and write an image.

    Returns
    -------
    Picture or str
        Without its pixels; or the reason why it cannot be read.
    """
    try:
        picture = read_picture(path, options.percentiles, options.max_pixels)
        pixels = resize_image(picture.pixels, shape)
    except Exception as error:  # decoders raise errors of many types on a corrupted file
        return _describe_read_error(error)
    writer.write(index, pixels)  # an error here is not one of the file
    return replace(picture, pixels=_summarize_pixels(pixels))


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


def _summarize_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep of an image whether it is coloured, and whether it is black: one pixel, shared."""
    return SUMMARIES[pixels.shape[2], bool(pixels.any())]


SUMMARIES = {
    (channels, bright): np.full((1, 1, channels), bright, np.uint8)
    for channels in (1, 3)
    for bright in (False, True)
}
