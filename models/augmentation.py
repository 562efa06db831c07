"""Training images changed at random, a batch at a time, where they lie: on the device, as (n, h, w, c) uint8."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHIFT = 1 / 8  # of the side, at most: 4 of 32 pixels, as is usual for CIFAR-10 (He et al. 2016)
CUTOUT = 1 / 4  # of the side: 8 of 32 pixels
GRAY = 128  # what is cut out becomes


def augment_images(images: Tensor, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Change a batch by each of the named augmentations, in their order.

    Parameters
    ----------
    images : (n, h, w, c) uint8
    names : of ``REGISTRY``
    generator : torch.Generator
        On the device of the images.
    """
    for name in names:
        images = REGISTRY[name](images, generator)
    return images


def flip_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images left to right."""
    mirrored = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(2), images)


def shift_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move each image by up to an eighth of its side; what comes in is its mirror image."""
    n, height, width, _ = images.shape
    rows, columns = (
        _shifted_indices(n, side, generator, images.device) for side in (height, width)
    )
    return images[
        torch.arange(n, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]


def apply_cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gray out a square of a quarter of the side (DeVries & Taylor 2017); its centre is anywhere, so that it may be cut off."""
    n, height, width, _ = images.shape
    in_rows, in_columns = (
        _random_interval_mask(n, side, generator, images.device) for side in (height, width)
    )
    hidden = in_rows[:, :, None, None] & in_columns[:, None, :, None]
    return images.masked_fill(hidden, GRAY)


def _shifted_indices(n: int, side: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Where each of ``side`` pixels comes from, reflected at the borders, (n, side)."""
    most = max(1, round(SHIFT * side))
    offset = torch.randint(-most, most + 1, (n, 1), generator=generator, device=device)
    places = (torch.arange(side, device=device) + offset).abs()
    return side - 1 - (side - 1 - places).abs()


def _random_interval_mask(
    n: int, side: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Whether each of ``side`` pixels is in a run of a quarter of them around a random one, (n, side) bool."""
    length = max(1, round(CUTOUT * side))
    first = torch.randint(0, side, (n, 1), generator=generator, device=device) - length // 2
    places = torch.arange(side, device=device)
    return (places >= first) & (places < first + length)


REGISTRY = {"flip": flip_images, "shift": shift_images, "cutout": apply_cutout}
