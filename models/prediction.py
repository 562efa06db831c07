"""Outputs of a network for images, on any device; the parts of prediction that need torch."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network

# Pixels per batch of prediction, which bounds the memory: 1,024 images of 32 x 32, 20 of 224 x 224.
PIXELS_AT_ONCE = 2**20

Images = NDArray[np.uint8]


def predict_logits(network: Network, images: Images, device: str) -> NDArray[np.float64]:
    """Logits of images, (n, n_outputs)."""
    torch_device = find_device(device)
    logits = call_in_batches(_network_on_device(network, torch_device), images, torch_device)
    return logits.cpu().double().numpy()


def predict_embeddings(network: Network, images: Images, device: str) -> NDArray[np.float32]:
    """Inputs of the last layer for images, (n, width)."""
    torch_device = find_device(device)
    placed = _network_on_device(network, torch_device)
    return call_in_batches(placed, images, torch_device, Network.embed_images).cpu().numpy()


def predict_pixels(network: Network, images: Images, device: str) -> Images:
    """Images that a network reconstructs, (n, h, w, c) uint8."""
    torch_device = find_device(device)
    planes = call_in_batches(_network_on_device(network, torch_device), images, torch_device)
    pixels = ((planes + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu().numpy()


def _network_on_device(network: Network, device: torch.device) -> Network:
    """Copy the network to a GPU; the original stays on the CPU and can be unpickled anywhere."""
    return network if device.type == "cpu" else deepcopy(network).to(device)


@torch.inference_mode()
def call_in_batches(
    network: Network,
    images: Images,
    device: torch.device,
    call: Callable[..., Tensor] = Network.forward,
) -> Tensor:
    """Call a network, or one of its methods, on batches of images; the result is (n, ...) float32.

    The size of the batches bounds the memory.
    """
    size = max(1, min(1024, PIXELS_AT_ONCE // (images.shape[1] * images.shape[2])))
    with autocast_on_cuda(device):
        outputs = [
            call(network, copy_to_device(images[start : start + size], device)).float()
            for start in range(0, len(images), size)
        ]
    return torch.cat(outputs)


def find_device(name: str) -> torch.device:
    """Device of a name; ``"auto"`` is the current CUDA device if there is one, otherwise the CPU.

    Raises
    ------
    ValueError
        The name is that of a CUDA device, and torch finds none.
    """
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


def autocast_on_cuda(device: torch.device) -> Any:
    """Context that computes in bfloat16 on CUDA, where results depend on the machine anyway."""
    return torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda")


def copy_to_device(images: Images, device: torch.device) -> Tensor:
    """Copy images to a tensor on a device."""
    # a single image of a reversed array counts as contiguous, with a stride that torch refuses
    return torch.tensor(np.ravel(images), device=device).reshape(images.shape)
