"""Occlusion sensitivity: which regions of an image a prediction depends on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.pipelines.pipeline import Pipeline

PATCHES_PER_SIDE = 5
BATCH_SIZE = 16  # images


def occlusion_sensitivity(
    pipeline: Pipeline, image: NDArray[np.uint8], k: int
) -> NDArray[np.float64]:
    """Decrease of the probability of class k when a patch covers the image (Zeiler & Fergus 2014).

    Changed: the patch has the image's mean colour instead of gray, and the value of a pixel is the
    mean over all patches that cover it. The side of a patch is a fifth of the image's, and
    neighbouring patches overlap by half.

    Parameters
    ----------
    pipeline : Pipeline
    image : (height, width, channels) uint8
        Input of the pipeline.
    k : int
        Index of the class.

    Returns
    -------
    (height, width) float64
        Positive where covering lowers the probability.
    """
    height, width, _ = image.shape
    patches = [
        (rows, columns) for rows in _patch_slices(height) for columns in _patch_slices(width)
    ]
    before = pipeline.predict_proba(image[None])[0, k]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(patches), BATCH_SIZE):
        batch = patches[start : start + BATCH_SIZE]
        covered = pipeline.predict_proba(_cover_patches(image, batch))[:, k]
        for patch, after in zip(batch, covered, strict=True):
            total[patch] += before - after
            count[patch] += 1
    return total / count


def _patch_slices(side: int) -> list[slice]:
    """Slices of the patches along a side: they overlap by half, and the last ends at the edge."""
    length = max(1, round(side / PATCHES_PER_SIDE))
    starts = np.unique(np.append(np.arange(0, side - length, max(1, length // 2)), side - length))
    return [slice(start, start + length) for start in starts]


def _cover_patches(
    image: NDArray[np.uint8], patches: list[tuple[slice, slice]]
) -> NDArray[np.uint8]:
    """Copies of an image, each with one patch in the image's mean colour."""
    images = np.repeat(image[None], len(patches), axis=0)
    for covered, patch in zip(images, patches, strict=True):
        covered[patch] = np.rint(image.mean(axis=(0, 1)))
    return images
