"""A dataset of up to a million images of 32x32x3: those of CIFAR-10, shifted and mirrored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmark.datasets.torchvision_sets import load_torchvision
from benchmark.utils.memory import release_memory

SHIFT = 4  # pixels, at most
N_SHIFTS = (2 * SHIFT + 1) ** 2  # the one in the middle is none
AT_ONCE = 10_000


def write_arrays(data: Path, folder: Path, n: int) -> None:
    """Write the first ``n`` images as a folder for ``arrays:``, 3.1 GB for a million.

    Image j is variant j // 60,000 of one of the 60,000 images of CIFAR-10, in an order drawn at
    random. Variants of a test image are test images.

    Parameters
    ----------
    data : Path
        Folder with ``cifar-10-batches-bin``.
    folder : Path
    n : int
        At most 81 x 60,000, so that no two variants of an image are equal.
    """
    source = load_torchvision("cifar10", data, None)
    folder.mkdir(parents=True, exist_ok=True)
    origin = np.random.default_rng(0).permutation(len(source.images))
    origin = origin[np.arange(n) % len(origin)]
    images = np.lib.format.open_memmap(
        folder / "images.npy", "w+", np.uint8, (n, *source.images.shape[1:])
    )
    for start in range(0, n, AT_ONCE):
        number = np.arange(start, min(start + AT_ONCE, n))
        variant = number // len(source.images)
        images[number] = make_variants(source.images[origin[number]], origin[number], variant)
        release_memory(images)
    np.save(folder / "labels.npy", source.targets[origin])
    np.save(folder / "split.npy", source.subset[origin])
    (folder / "classes.txt").write_text("\n".join(source.classes) + "\n")


def make_variants(images: np.ndarray, origin: np.ndarray, variant: np.ndarray) -> np.ndarray:
    """Shift each image by its own amount for each variant, and mirror every other variant.

    Variant 0 is the image itself. Pixels that come from outside are those of the mirrored image.

    Parameters
    ----------
    images : (n, h, w, c) uint8
    origin, variant : (n,) int
        Numbers of the images, and of their variants.
    """
    shift = N_SHIFTS // 2 + np.where(variant > 0, 1 + (variant + 7 * origin) % (N_SHIFTS - 1), 0)
    row, column = np.divmod(shift % N_SHIFTS, 2 * SHIFT + 1)
    frame = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    windows = sliding_window_view(
        np.pad(images, frame, mode="reflect"), images.shape[1:3], axis=(1, 2)
    )
    shifted = windows[np.arange(len(images)), row, column].transpose(0, 2, 3, 1)
    return np.where((variant % 2 == 1)[:, None, None, None], shifted[:, :, ::-1], shifted)
