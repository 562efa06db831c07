"""What of an image mattered: where covering it changes the answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.pipelines.pipeline import Pipeline

SHARE = 5  # a patch's side is a fifth of the image's
AT_ONCE = 16  # images


def occlusion_sensitivity(
    pipeline: Pipeline, image: NDArray[np.uint8], k: int
) -> NDArray[np.float64]:
    """Fall of the probability of class k where a patch covers the image (Zeiler & Fergus 2014).

    Changed: the patch has the image's mean colour in place of gray, and each pixel has the mean
    over all patches that cover it. A patch's side is a fifth of the image's, and patches overlap by
    half.

    Parameters
    ----------
    pipeline : Pipeline
    image : (height, width, channels) uint8
        As the pipeline takes it.
    k : int

    Returns
    -------
    (height, width) float64
        Above zero where covering lowers the probability.
    """
    height, width, _ = image.shape
    patches = [
        (rows, columns) for rows in _patch_slices(height) for columns in _patch_slices(width)
    ]
    before = pipeline.predict_proba(image[None])[0, k]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(patches), AT_ONCE):
        some = patches[start : start + AT_ONCE]
        for patch, after in zip(
            some, pipeline.predict_proba(_cover_patches(image, some))[:, k], strict=True
        ):
            total[patch] += before - after
            count[patch] += 1
    return total / count


def _patch_slices(side: int) -> list[slice]:
    """Where patches begin and end along a side: overlapping by half, the last at the edge."""
    length = max(1, round(side / SHARE))
    starts = np.unique(np.append(np.arange(0, side - length, max(1, length // 2)), side - length))
    return [slice(start, start + length) for start in starts]


def _cover_patches(
    image: NDArray[np.uint8], patches: list[tuple[slice, slice]]
) -> NDArray[np.uint8]:
    images = np.repeat(image[None], len(patches), axis=0)
    for covered, patch in zip(images, patches, strict=True):
        covered[patch] = np.rint(image.mean(axis=(0, 1)))
    return images
