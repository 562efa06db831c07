"""Facts of images that should not tell the class: of their files, their borders, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from features.border_pixels import BorderPixels

Facts = Mapping[str, NDArray]
BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}
BORDER = "border pixels"
SMALLEST = 24  # side of an image; smaller ones have no border apart from their content


def collect_facts(dataset: Dataset) -> Facts:
    """Collect the facts of every image, by name.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    mapping of str to (n,) or (n, d) array
        Numbers, or text. Size, format and bits are those of the files, as far as there are any.
    """
    facts: dict[str, NDArray] = {}
    if dataset.paths is not None:
        facts |= _read_files(dataset.paths)
    if min(dataset.images.shape[1:3]) >= SMALLEST:
        border = BorderPixels(side=16, width=1)
        facts[BORDER] = border.fit(dataset.images[:1]).transform(dataset.images)
    facts |= dict(dataset.attributes)
    return facts


def _read_files(paths: NDArray[np.str_]) -> dict[str, NDArray]:
    with ThreadPoolExecutor() as threads:
        lines = list(threads.map(_read_file, paths.tolist()))
    size, width, height, bits = (
        np.array([line[k] for line in lines], np.float64) for k in (0, 1, 2, 3)
    )
    return {
        "file size": size,
        "image size": np.column_stack([width, height]),
        "bits per channel": bits,
        "file format": np.array([line[4] for line in lines]),
    }


def _read_file(path: str) -> tuple[float, float, float, float, str]:
    """Size in bytes, width, height, bits per channel, and format; NaN where it is unknown."""
    from PIL import Image, UnidentifiedImageError

    file = Path(path)
    try:
        n_bytes = float(file.stat().st_size)
    except OSError:
        return np.nan, np.nan, np.nan, np.nan, "unknown"
    try:
        with Image.open(file) as image:
            (width, height), bits = image.size, BITS.get(image.mode, 8)
            return n_bytes, float(width), float(height), float(bits), str(image.format)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):  # such as DICOM
        return n_bytes, np.nan, np.nan, np.nan, file.suffix.lstrip(".").upper() or "unknown"
