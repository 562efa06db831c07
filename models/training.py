"""Training loop of all networks.

It is our own, instead of skorch's, which feeds a network from a ``DataLoader``. Here the images lie
on the device as one uint8 tensor and are augmented there, a batch at a time. On two CPU cores this
trains the same network 1.77 times as fast as a loop over a ``DataLoader`` with batches of 32 and
two workers (``results/networks.md``). The loop also trains in phases with a loss, a sampling and
trained layers of their own, and leaves torch's random number generators as they were.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.backends import cudnn
from torch.optim.swa_utils import AveragedModel

from models.augmentation import augment_images
from models.network import Network
from models.phases import Phase, draw_indices, plan_phases, prepare_network
from models.prediction import autocast_on_cuda, call_in_batches, copy_to_device, find_device
from models.recipe import Recipe
from models.schedules import make_optimizer, make_schedule

LOG = logging.getLogger("models.training")  # one line per epoch at level INFO

Images = NDArray[np.uint8]
Targets = NDArray[np.int64] | NDArray[np.float32] | Images
History = list[dict[str, float]]


def train_network(
    make_network: Callable[[Images], Network],
    images: Images,
    targets: Targets,
    recipe: Recipe,
    seed: int,
    held_out: tuple[Images, Targets] | None = None,
) -> tuple[Network, History]:
    """Train a new network.

    Parameters
    ----------
    make_network : callable
        Builds the network for images of one shape, with weights drawn from torch's default
        generator.
    images : (n, h, w, c) uint8
    targets : (n,) int64, (n, n_outputs) float32, or (n, h, w, c) uint8
        Class codes, trained with one loss over all classes; a matrix of 0 and 1, trained with one
        loss per label; or images that the network learns to reconstruct.
    recipe : Recipe
    seed : int
    held_out : images and targets, or None
        Validation set. Its loss is computed after each epoch, and the weights of the epoch with the
        smallest loss are kept.

    Returns
    -------
    network : Network
        On the CPU, in evaluation mode.
    history : list of {"epoch", "loss", "accuracy"}
        Means over the training batches of each epoch, with dropout, while the weights changed. With
        a validation set, "val_loss" and "val_accuracy" as well.

    Raises
    ------
    FloatingPointError
        Training diverged.

    Warns
    -----
    UserWarning
        The batch size was halved, because a batch did not fit into the memory of the GPU.
    """
    device = find_device(recipe.device)
    with _isolate_generators(device, seed):
        while True:
            try:
                network, history = _Training(
                    make_network, images, targets, recipe, seed, held_out, device
                ).run_epochs()
                break
            except torch.OutOfMemoryError:
                if recipe.batch_size < 4:
                    raise
            smaller = recipe.batch_size // 2
            warnings.warn(
                f"batch_size={smaller}, because {recipe.batch_size} images did not fit into the "
                "memory of the GPU",
                stacklevel=2,
            )
            recipe = replace(recipe, batch_size=smaller)
            torch.cuda.empty_cache()
    return network.cpu().eval().requires_grad_(True), history


def build_untrained_network(
    make_network: Callable[[Images], Network], images: Images, seed: int
) -> Network:
    """Build a network with its initial weights, on the CPU and in evaluation mode."""
    with _isolate_generators(torch.device("cpu"), seed):
        torch.default_generator.manual_seed(seed)
        return make_network(images).eval()


def rebuild_network(
    make_network: Callable[[Images], Network],
    image_shape: tuple[int, int, int],
    state: dict[str, Tensor],
) -> Network:
    """Build a network with the weights of a state dictionary, on the CPU and in evaluation mode.

    Raises
    ------
    ValueError
        The names or shapes of the weights are not those of this network. They are compared before
        memory is allocated for the network.
    """
    images = np.zeros((2, *image_shape), np.uint8)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in make_network(images).state_dict().items()}
    if shapes != {name: value.shape for name, value in state.items()}:
        raise ValueError("the weights are not those of this network")
    network = build_untrained_network(make_network, images, seed=0)
    network.load_state_dict(state)
    return network


class _Training:
    """State of one training run; its methods are the steps."""

    def __init__(
        self,
        make_network: Callable[[Images], Network],
        images: Images,
        targets: Targets,
        recipe: Recipe,
        seed: int,
        held_out: tuple[Images, Targets] | None,
        device: torch.device,
    ) -> None:
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.default_generators[device.index].manual_seed(seed)
        self.recipe, self.device = recipe, device
        self.network = make_network(images).to(device)
        self.forward: Callable[[Tensor], Tensor] = (
            torch.compile(self.network) if recipe.compile else self.network
        )
        self.pixels = copy_to_device(images, device)
        self.truth = torch.tensor(targets, device=device)
        self.held_out = held_out and (held_out[0], torch.tensor(held_out[1], device=device))
        self.phases = plan_phases(self.truth, recipe)
        self.order_generator = torch.Generator().manual_seed(seed)
        self.augmentation_generator = torch.Generator(device).manual_seed(seed)
        self.optimizer = make_optimizer(self.network, recipe)
        steps = recipe.epochs * len(_split_batches(torch.arange(len(images)), recipe.batch_size))
        self.schedule = make_schedule(self.optimizer, recipe, steps)
        self.averaged = (
            AveragedModel(
                self.network, multi_avg_fn=_make_moving_average(recipe.ema), use_buffers=True
            )
            if recipe.ema
            else None
        )

    def run_epochs(self) -> tuple[Network, History]:
        """Train for all epochs, or until the validation loss has not fallen for ``patience``."""
        history: History = []
        least, best_state, waited = math.inf, None, 0
        for phase, epoch in self._iterate_epochs():
            history.append({"epoch": epoch, **self._train_epoch(phase)})
            _raise_if_diverged(self.network, history[-1], self.recipe.learning_rate)
            LOG.info("epoch %d of %d, loss %.3g", epoch, self.recipe.epochs, history[-1]["loss"])
            if self.held_out is None:
                continue
            history[-1] |= self._validation_metrics(phase)
            waited += 1
            if history[-1]["val_loss"] < least:
                least, waited = history[-1]["val_loss"], 0
                best_state = deepcopy(self.prediction_network.state_dict())
            if self.recipe.patience and waited >= self.recipe.patience:
                break
        if best_state is not None:
            self.prediction_network.load_state_dict(best_state)
        return self.prediction_network, history

    def _iterate_epochs(self) -> Iterator[tuple[Phase, int]]:
        for phase in self.phases:
            prepare_network(self.network, phase)
            yield from ((phase, epoch) for epoch in phase.epochs)

    @property
    def prediction_network(self) -> Network:
        """Network that predicts: the trained one, or the one with averaged weights."""
        return cast(Network, self.averaged.module) if self.averaged else self.network

    def _train_epoch(self, phase: Phase) -> dict[str, float]:
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)
        drawn = draw_indices(phase, self.truth, self.order_generator)
        batches = _split_batches(drawn, self.recipe.batch_size)
        for indices in batches:
            totals += len(indices) * self._train_step(phase, indices.to(self.device))
        loss, accuracy = (totals / sum(map(len, batches))).tolist()
        return {"loss": loss} | ({} if math.isnan(accuracy) else {"accuracy": accuracy})

    def _train_step(self, phase: Phase, batch: Tensor) -> Tensor:
        """Take one step of the optimizer on a batch and return its loss and accuracy, (2,)."""
        images = augment_images(
            self.pixels[batch], self.recipe.augmentation, self.augmentation_generator
        )
        target = self.truth[batch]
        with autocast_on_cuda(self.device):
            logits = self.forward(images)
        loss = phase.loss(logits.float(), target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        if self.averaged:
            self.averaged.update_parameters(self.network)
        return torch.stack([loss.detach(), _compute_accuracy(logits.detach(), target)])

    def _validation_metrics(self, phase: Phase) -> dict[str, float]:
        assert self.held_out is not None
        images, target = self.held_out
        network = self.prediction_network
        modes = {module: module.training for module in network.modules()}
        logits = call_in_batches(network.eval(), images, self.device)
        for module, training in modes.items():
            module.training = training
        return {
            "val_loss": phase.loss(logits, target).item(),
            "val_accuracy": _compute_accuracy(logits, target).item(),
        }


def _make_moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Make a function that updates a moving average of tensors.

    The decay starts low, so that the average soon forgets the random initial weights.
    """

    @torch.no_grad()
    def update_average(averaged: Any, current: Any, n: Any) -> None:
        share = 1 - min(decay, (1 + float(n)) / (10 + float(n)))
        for old, new in zip(averaged, current, strict=True):
            old.lerp_(new, share) if old.is_floating_point() else old.copy_(new)

    return update_average


@contextmanager
def _isolate_generators(device: torch.device, seed: int) -> Iterator[None]:
    """Restore torch's random number generators and cuDNN's settings at the end of the context."""
    cuda = device.type == "cuda"
    before = cudnn.deterministic, cudnn.benchmark
    with torch.random.fork_rng(devices=[device] if cuda else []):
        try:
            if cuda:
                cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before


def _split_batches(drawn: Tensor, size: int) -> tuple[Tensor, ...]:
    """Split the indices of one epoch into batches.

    A last batch of one image is left out, because batch norm cannot normalise it.
    """
    batches = drawn.split(size)
    return batches[:-1] if len(batches[-1]) == 1 else batches


def _compute_accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """Share of correct predictions; NaN if the targets are images."""
    if target.ndim > 2:
        return torch.full((), math.nan, device=target.device)
    correct = logits.argmax(dim=1) == target if target.ndim == 1 else (logits > 0) == (target > 0)
    return correct.float().mean()


def _raise_if_diverged(network: nn.Module, epoch: dict[str, float], learning_rate: float) -> None:
    if math.isfinite(epoch["loss"]) and all(bool(w.isfinite().all()) for w in network.parameters()):
        return
    raise FloatingPointError(
        f"training diverged in epoch {epoch['epoch']} (loss {epoch['loss']}): lower learning_rate, "
        f"now {learning_rate:g}"
    )
