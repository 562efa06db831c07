"""Random augmentation of batches of training images on their device, as (n, h, w, c) uint8."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Largest shift as a share of the side: 4 of 32 pixels, as is usual for CIFAR-10 (He et al. 2016).
SHIFT = 1 / 8
CUTOUT = 1 / 4  # side of the cut-out square as a share of the side of the image: 8 of 32 pixels
GRAY = 128  # value of cut-out pixels


def augment_images(images: Tensor, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Apply augmentations to a batch, one after the other.

    Parameters
    ----------
    images : (n, h, w, c) uint8
    names : sequence of str
        Names in ``REGISTRY``.
    generator : torch.Generator
        Random number generator on the device of the images.
    """
    for name in names:
        images = REGISTRY[name](images, generator)
    return images


def flip_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability 0.5."""
    mirrored = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(2), images)


def shift_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to an eighth of its side; the border is filled by reflection."""
    n, height, width, _ = images.shape
    rows, columns = (
        _shifted_indices(n, side, generator, images.device) for side in (height, width)
    )
    return images[
        torch.arange(n, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]


def apply_cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gray out a square with a quarter of the side (DeVries & Taylor 2017).

    Its centre is anywhere in the image, so that the square may extend beyond the border.
    """
    n, height, width, _ = images.shape
    in_rows, in_columns = (
        _random_interval_mask(n, side, generator, images.device) for side in (height, width)
    )
    hidden = in_rows[:, :, None, None] & in_columns[:, None, :, None]
    return images.masked_fill(hidden, GRAY)


def _shifted_indices(n: int, side: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Source of each of ``side`` pixels after a random shift, (n, side); reflected at borders."""
    most = max(1, round(SHIFT * side))
    offset = torch.randint(-most, most + 1, (n, 1), generator=generator, device=device)
    places = (torch.arange(side, device=device) + offset).abs()
    return side - 1 - (side - 1 - places).abs()


def _random_interval_mask(
    n: int, side: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Mask of a run of a quarter of ``side`` pixels around a random pixel, (n, side) bool."""
    length = max(1, round(CUTOUT * side))
    first = torch.randint(0, side, (n, 1), generator=generator, device=device) - length // 2
    places = torch.arange(side, device=device)
    return (places >= first) & (places < first + length)


REGISTRY = {"flip": flip_images, "shift": shift_images, "cutout": apply_cutout}
