"""Images with missing regions: random gray boxes, in the test set, the training set or both.

The boxes of an image depend only on the seed and on the image's index in its dataset, so that a
cell gives the same result alone as among others. Boxes are added one after the other until enough
is covered, so that pixels covered at a small share are also covered at every larger one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.hashing import derive_seed

GRAY = 128  # as in the networks' cutout and the autoencoder's masking
SUBSETS = ("test", "train", "both")


@dataclass(frozen=True)
class Occlusion:
    """How much of which images is covered.

    Parameters
    ----------
    share : float
        Covered share of the pixels of an image, in (0, 1).
    box : float
        Side of a box relative to the image's side, in (0, 1].
    subset : {'test', 'train', 'both'}
        Which images are covered: those of the test set, of the training set, or both.
    """

    share: float
    box: float
    subset: str

    @property
    def in_train(self) -> bool:
        """Whether training images are covered."""
        return self.subset in ("train", "both")

    @property
    def in_test(self) -> bool:
        """Whether test images are covered."""
        return self.subset in ("test", "both")

    def apply(
        self, images: NDArray[np.uint8], indices: NDArray[np.int64], seed: int
    ) -> NDArray[np.uint8]:
        """Cover the images; see ``occlude_images``."""
        return occlude_images(images, indices, self, seed)


def box_occlusion(share: float, box: float = 0.25, subset: str = "test") -> Occlusion:
    """Gray boxes at random places that cover a given share of the pixels.

    Parameters
    ----------
    share : float in (0, 1)
        Share of the pixels that are covered.
    box : float in (0, 1], default=0.25
        Side of a box relative to the image's side; the last box is cut so that the share is exact.
    subset : {'test', 'train', 'both'}, default='test'
        Which images are covered: those of the test set, of the training set, or both.

    Raises
    ------
    UserError
        A parameter has another value.

    See Also
    --------
    occlude_images : Covers the images.

    Examples
    --------
    >>> box_occlusion(0.25).in_train
    False
    """
    if not 0 < share < 1:
        raise UserError(
            f"boxes: share is a share of an image's pixels between 0 and 1, not {share}"
        )
    if not 0 < box <= 1:
        raise UserError(f"boxes: box is a share of an image's side above 0 and up to 1, not {box}")
    if subset not in SUBSETS:
        raise unknown_name_error("subset of occlusion boxes:", str(subset), SUBSETS)
    return Occlusion(share, box, subset)


def no_occlusion() -> None:
    """Leave the images as they are."""
    return


def occlude_images(
    images: NDArray[np.uint8], indices: NDArray[np.int64], occlusion: Occlusion, seed: int
) -> NDArray[np.uint8]:
    """Cover random boxes of images with gray.

    Parameters
    ----------
    images : (n, h, w, c) uint8
        Not modified.
    indices : (n,) int64
        Indices of the images in their dataset.
    occlusion : Occlusion
    seed : int

    Returns
    -------
    (n, h, w, c) uint8
        Copies of the images; ``round(share * h * w)`` pixels of each, at least one, are gray.

    Examples
    --------
    >>> images = np.zeros((1, 8, 8, 1), dtype=np.uint8)
    >>> covered = occlude_images(images, np.array([0]), box_occlusion(0.25), seed=0)
    >>> int((covered == GRAY).sum())
    16
    """
    covered = np.array(images)
    word = derive_seed(f"{seed}/occlusion", 60)
    for image, index in zip(covered, indices, strict=True):
        rng = np.random.default_rng([word, int(index)])
        image[_make_occlusion_mask(image.shape[0], image.shape[1], occlusion, rng)] = GRAY
    return covered


def _make_occlusion_mask(
    height: int, width: int, occlusion: Occlusion, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Mask of the covered pixels, (height, width)."""
    tall, wide = max(1, round(occlusion.box * height)), max(1, round(occlusion.box * width))
    missing = max(1, round(occlusion.share * height * width))
    mask = np.zeros((height, width), bool)
    while missing:
        # boxes may reach beyond the border, so that edges are covered as often as the middle
        top, left = rng.integers(1 - tall, height), rng.integers(1 - wide, width)
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
