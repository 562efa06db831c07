"""Images with missing regions: random boxes grayed out, in the test set or the training set.

The boxes of an image come from the seed and the image's place in the data set alone. They are drawn
one after the other until enough is covered, so that what is missing at a small share is missing at
every larger one, and a cell run alone equals the same cell run in company.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.hashing import derive_seed

GRAY = 128  # as in the networks' cutout and the autoencoder's masking
SIDES = ("test", "train", "both")


@dataclass(frozen=True)
class Occlusion:
    """What is covered.

    Parameters
    ----------
    share : float
        Of the pixels of an image, in (0, 1).
    box : float
        Side of a box over the image's, in (0, 1].
    part : 'test', 'train' or 'both'
    """

    share: float
    box: float
    part: str

    @property
    def in_train(self) -> bool:
        """Whether training images are covered."""
        return self.part in ("train", "both")

    @property
    def in_test(self) -> bool:
        """Whether test images are covered."""
        return self.part in ("test", "both")


def box_occlusion(share: float, box: float = 0.25, part: str = "test") -> Occlusion:
    """Gray boxes at random places, until a share of the pixels is covered.

    Parameters
    ----------
    share : float in (0, 1)
    box : float in (0, 1]
        Side of a box, as a share of the image's; the last box is cut so that the share is exact.
    part : 'test', 'train' or 'both'
        Whose images are covered.
    """
    if not 0 < share < 1:
        raise UserError(
            f"boxes: share is a share of an image's pixels between 0 and 1, not {share}"
        )
    if not 0 < box <= 1:
        raise UserError(f"boxes: box is a share of an image's side above 0 and up to 1, not {box}")
    if part not in SIDES:
        raise unknown_name_error("part of occlusion boxes:", str(part), SIDES)
    return Occlusion(share, box, part)


def no_occlusion() -> None:
    """Leave the images whole."""
    return


def occlude_images(
    images: NDArray[np.uint8], indices: NDArray[np.int64], occlusion: Occlusion, seed: int
) -> NDArray[np.uint8]:
    """Cover parts of images.

    Parameters
    ----------
    images : (n, h, w, c) uint8
        Not changed.
    indices : (n,) int64
        Places of the images in their data set.
    occlusion : Occlusion
    seed : int

    Returns
    -------
    (n, h, w, c) uint8
        Of every image ``round(share * h * w)`` pixels, at least one, are gray.
    """
    covered = np.array(images)
    word = derive_seed(f"{seed}/occlusion", 60)
    for image, index in zip(covered, indices, strict=True):
        image[
            _make_occlusion_mask(
                image.shape[0], image.shape[1], occlusion, np.random.default_rng([word, int(index)])
            )
        ] = GRAY
    return covered


def _make_occlusion_mask(
    height: int, width: int, occlusion: Occlusion, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which pixels are covered, (height, width)."""
    tall, wide = max(1, round(occlusion.box * height)), max(1, round(occlusion.box * width))
    missing = max(1, round(occlusion.share * height * width))
    mask = np.zeros((height, width), bool)
    while missing:
        top, left = (
            rng.integers(1 - tall, height),
            rng.integers(1 - wide, width),
        )  # edges are covered as often as the middle
        box = np.zeros_like(mask)
        box[max(0, top) : top + tall, max(0, left) : left + wide] = True
        new = np.flatnonzero(box & ~mask)[:missing]
        mask.flat[new] = True
        missing -= len(new)
    return mask


REGISTRY = MappingProxyType(
    {
        "none": "benchmark.sampling.occlusion:no_occlusion",
        "boxes": "benchmark.sampling.occlusion:box_occlusion",
    }
)
