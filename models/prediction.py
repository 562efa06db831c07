"""What a network gives for images, on whichever device: all of prediction that needs torch."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network

PIXELS_AT_ONCE = (
    2**20
)  # of a prediction batch: 1,024 images of 32 x 32, 20 of 224 x 224; bounds the memory

Images = NDArray[np.uint8]


def predict_logits(network: Network, images: Images, device: str) -> NDArray[np.float64]:
    """Logits of ``images``, (n, n_outputs)."""
    where = find_device(device)
    return call_in_batches(_network_on_device(network, where), images, where).cpu().double().numpy()


def predict_embeddings(network: Network, images: Images, device: str) -> NDArray[np.float32]:
    """What the last layer is given for ``images``, (n, width)."""
    where = find_device(device)
    return (
        call_in_batches(_network_on_device(network, where), images, where, Network.embed_images)
        .cpu()
        .numpy()
    )


def predict_pixels(network: Network, images: Images, device: str) -> Images:
    """Images that a network gives back, (n, h, w, c) uint8."""
    where = find_device(device)
    planes = call_in_batches(_network_on_device(network, where), images, where)
    return (
        ((planes + 1) * 127.5)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .cpu()
        .numpy()
    )


def _network_on_device(network: Network, where: torch.device) -> Network:
    """The network on a device; the one given stays on the CPU, so that it can be pickled anywhere."""
    return network if where.type == "cpu" else deepcopy(network).to(where)


@torch.inference_mode()
def call_in_batches(
    network: Network,
    images: Images,
    where: torch.device,
    call: Callable[..., Tensor] = Network.forward,
) -> Tensor:
    """What a network, or a method of its, gives for images, (n, ...) float32; in batches that bound the memory."""
    size = max(1, min(1024, PIXELS_AT_ONCE // (images.shape[1] * images.shape[2])))
    with autocast_on_cuda(where):
        parts = [
            call(network, copy_to_device(images[start : start + size], where)).float()
            for start in range(0, len(images), size)
        ]
    return torch.cat(parts)


def find_device(name: str) -> torch.device:
    """``"auto"`` is the current CUDA device where there is one, otherwise the CPU."""
    available = torch.cuda.is_available()
    if name == "cpu" or (name == "auto" and not available):
        return torch.device("cpu")
    if not available:
        raise ValueError(f"device={name!r}: torch finds no CUDA device here; use 'auto' or 'cpu'")
    return (
        torch.device("cuda", torch.cuda.current_device())
        if name in ("auto", "cuda")
        else torch.device(name)
    )


def autocast_on_cuda(where: torch.device) -> Any:
    """bfloat16 where it pays and a result differs from machine to machine anyway: on CUDA."""
    return torch.autocast("cuda", torch.bfloat16, enabled=where.type == "cuda")


def copy_to_device(images: Images, device: torch.device) -> Tensor:
    """Images as a tensor, a copy of theirs."""
    return torch.tensor(np.ascontiguousarray(images), device=device)
