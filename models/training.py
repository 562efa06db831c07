"""Training and prediction of `SimpleCNN`: everything that needs torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.backends import cudnn

from models.losses import LDAM_SCALE, Loss
from models.network import build_network
from models.parts import draw, plan_parts, prepare

PIXELS_AT_ONCE = 2**20  # of a prediction batch: 1,024 images of 32 x 32, 20 of 224 x 224; bounds the memory


def train(
    images: NDArray[np.uint8],
    targets: NDArray[np.int64] | NDArray[np.float32],
    n_outputs: int,
    *,
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    loss: str,
    class_weight: str | NDArray[np.float64] | None,
    deferred_reweighting: bool,
    two_phase: bool,
    device: str,
    seed: int,
) -> tuple[nn.Sequential, list[dict[str, float]]]:
    """Train a new network.

    Parameters
    ----------
    images : (n, h, w, c) uint8
    targets : (n,) int64 class codes, or (n, n_outputs) float32 of 0 and 1
        The former are trained with one loss over all classes, the latter with one per label, both on logits.
    class_weight : "balanced", (n_outputs,) or None

    Returns
    -------
    network : Sequential
        On the CPU, in evaluation mode.
    history : list of {"epoch", "loss", "accuracy"}
        Means over the batches as they were trained on: with dropout, and before the network had seen the rest.

    Raises
    ------
    FloatingPointError
        Training diverged.
    """
    where = find_device(device)
    with _seeded(where, seed):
        network = build_network(images.shape[1:], n_outputs, LDAM_SCALE if loss == "ldam" else None).to(where)
        step = _optimizer(network, optimizer, learning_rate)
        pixels, truth = _tensor(images, where), torch.tensor(targets, device=where)
        order = torch.Generator().manual_seed(seed)
        history: list[dict[str, float]] = []
        parts = plan_parts(
            truth,
            n_outputs,
            epochs,
            loss=loss,
            class_weight=class_weight,
            deferred_reweighting=deferred_reweighting,
            two_phase=two_phase,
        )
        for part in parts:
            prepare(network, part)
            for epoch in part.epochs:
                means = _run_epoch(network, step, part.loss, pixels, truth, _batches(draw(part, truth, order), batch_size))
                history.append({"epoch": epoch, **means})
                _refuse_divergence(network, history[-1], learning_rate)
    return network.cpu().eval().requires_grad_(True), history


@torch.inference_mode()
def predict_logits(network: nn.Sequential, images: NDArray[np.uint8], device: str) -> NDArray[np.float64]:
    """Logits of ``images``, (n, n_outputs); the network given stays on the CPU, so that it can be pickled anywhere."""
    where = find_device(device)
    network = deepcopy(network).to(where)
    size = max(1, min(1024, PIXELS_AT_ONCE // (images.shape[1] * images.shape[2])))
    parts = [network(_tensor(images[start : start + size], where)).cpu() for start in range(0, len(images), size)]
    return torch.cat(parts).double().numpy()


def find_device(name: str) -> torch.device:
    """``"auto"`` is the current CUDA device where there is one, otherwise the CPU."""
    available = torch.cuda.is_available()
    if name == "cpu" or (name == "auto" and not available):
        return torch.device("cpu")
    if not available:
        raise ValueError(f"device={name!r}: torch finds no CUDA device here; use 'auto' or 'cpu'")
    return torch.device("cuda", torch.cuda.current_device()) if name in ("auto", "cuda") else torch.device(name)


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed weights and dropout; afterwards the caller's generators and cuDNN settings are as they were."""
    cuda = device.type == "cuda"
    before = cudnn.deterministic, cudnn.benchmark
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        try:
            if cuda:
                torch.cuda.default_generators[device.index].manual_seed(seed)
                cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before


def _tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.tensor(np.ascontiguousarray(images), device=device)


def _optimizer(network: nn.Module, name: str, learning_rate: float) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    return torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=0.9, fused=True)


def _batches(drawn: Tensor, size: int) -> tuple[Tensor, ...]:
    """Indices of the batches of one epoch; a last batch of one is left out, as batch norm can't normalise it."""
    parts = drawn.split(size)
    return parts[:-1] if len(parts[-1]) == 1 else parts


def _run_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss_of: Loss, pixels: Tensor, truth: Tensor, batches: tuple[Tensor, ...]
) -> dict[str, float]:
    totals = torch.zeros(2, dtype=torch.float64, device=pixels.device)
    for indices in batches:
        batch = indices.to(pixels.device)
        target = truth[batch]
        logits = network(pixels[batch])
        loss = loss_of(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals += len(batch) * torch.stack([loss.detach(), _accuracy(logits.detach(), target)])
    loss_mean, accuracy = (totals / sum(map(len, batches))).tolist()
    return {"loss": loss_mean, "accuracy": accuracy}


def _accuracy(logits: Tensor, target: Tensor) -> Tensor:
    right = logits.argmax(dim=1) == target if target.ndim == 1 else (logits > 0) == (target > 0)
    return right.float().mean()


def _refuse_divergence(network: nn.Module, epoch: dict[str, float], learning_rate: float) -> None:
    if math.isfinite(epoch["loss"]) and all(bool(w.isfinite().all()) for w in network.parameters()):
        return
    raise FloatingPointError(
        f"training diverged in epoch {epoch['epoch']} (loss {epoch['loss']}): lower learning_rate, now {learning_rate:g}"
    )
