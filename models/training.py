"""The one training loop of every network."""

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
from models.parts import Part, draw_indices, plan_parts, prepare_network
from models.prediction import autocast_on_cuda, call_in_batches, copy_to_device, find_device
from models.recipe import Recipe
from models.schedules import make_optimizer, make_schedule

LOG = logging.getLogger("models.training")  # at level INFO, one line an epoch

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
        Makes the network, for images of one shape, from torch's own generator.
    images : (n, h, w, c) uint8
    targets : (n,) int64 class codes, (n, n_outputs) float32 of 0 and 1, or (n, h, w, c) uint8 images
        The first are trained with one loss over all classes, the second with one per label, both on
        logits; the last are what the network is to give back.
    recipe : Recipe
    seed : int
    held_out : images and targets
        After each epoch the loss on these is taken; the weights of the epoch where it was least are
        kept.

    Returns
    -------
    network : Network
        On the CPU, in evaluation mode.
    history : list of {"epoch", "loss", "accuracy"}, and "val_loss", "val_accuracy" with a validation set
        Of training: means over the batches as they were trained on, with dropout, and before the
        network had seen the rest.

    Raises
    ------
    FloatingPointError
        Training diverged.

    Warns
    -----
    UserWarning
        The batch was halved, as the GPU's memory did not hold it.
    """
    where = find_device(recipe.device)
    with _isolate_generators(where, seed):
        while True:
            try:
                network, history = _Training(
                    make_network, images, targets, recipe, seed, held_out, where
                ).run_epochs()
                break
            except torch.OutOfMemoryError:
                if recipe.batch_size < 4:
                    raise
            smaller = recipe.batch_size // 2
            warnings.warn(
                f"batch_size={smaller}, as the GPU's memory did not hold {recipe.batch_size} "
                "images",
                stacklevel=2,
            )
            recipe = replace(recipe, batch_size=smaller)
            torch.cuda.empty_cache()
    return network.cpu().eval().requires_grad_(True), history


def build_untrained_network(
    make_network: Callable[[Images], Network], images: Images, seed: int
) -> Network:
    """A new network as it begins, on the CPU and in evaluation mode."""
    with _isolate_generators(torch.device("cpu"), seed):
        torch.default_generator.manual_seed(seed)
        return make_network(images).eval()


def rebuild_network(
    make_network: Callable[[Images], Network],
    image_shape: tuple[int, int, int],
    state: dict[str, Tensor],
) -> Network:
    """A network with the weights of another's state dictionary, on the CPU and in evaluation mode.

    Raises
    ------
    ValueError
        The weights are not those of such a network; no memory has been taken for it then.
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
    """What one training needs; its methods are the steps."""

    def __init__(
        self,
        make_network: Callable[[Images], Network],
        images: Images,
        targets: Targets,
        recipe: Recipe,
        seed: int,
        held_out: tuple[Images, Targets] | None,
        where: torch.device,
    ) -> None:
        torch.default_generator.manual_seed(seed)
        if where.type == "cuda":
            torch.cuda.default_generators[where.index].manual_seed(seed)
        self.recipe, self.where = recipe, where
        self.network = make_network(images).to(where)
        self.forward: Callable[[Tensor], Tensor] = (
            torch.compile(self.network) if recipe.compile else self.network
        )
        self.pixels, self.truth = copy_to_device(images, where), torch.tensor(targets, device=where)
        self.held_out = held_out and (held_out[0], torch.tensor(held_out[1], device=where))
        self.parts = plan_parts(self.truth, recipe)
        self.order, self.chance = (
            torch.Generator().manual_seed(seed),
            torch.Generator(where).manual_seed(seed),
        )
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
        """All epochs, or those until the loss on the held-out images has not fallen for ``patience`` of them."""
        history: History = []
        best, best_state, waited = math.inf, None, 0
        for part, epoch in self._iterate_epochs():
            history.append({"epoch": epoch, **self._train_epoch(part)})
            _raise_if_diverged(self.network, history[-1], self.recipe.learning_rate)
            LOG.info("epoch %d of %d, loss %.3g", epoch, self.recipe.epochs, history[-1]["loss"])
            if self.held_out is None:
                continue
            history[-1] |= self._validation_metrics(part)
            waited += 1
            if history[-1]["val_loss"] < best:
                best, best_state, waited = (
                    history[-1]["val_loss"],
                    deepcopy(self.prediction_network.state_dict()),
                    0,
                )
            if self.recipe.patience and waited >= self.recipe.patience:
                break
        if best_state is not None:
            self.prediction_network.load_state_dict(best_state)
        return self.prediction_network, history

    def _iterate_epochs(self) -> Iterator[tuple[Part, int]]:
        for part in self.parts:
            prepare_network(self.network, part)
            yield from ((part, epoch) for epoch in part.epochs)

    @property
    def prediction_network(self) -> Network:
        """The network that is to predict: the one that is trained, or the moving average of its weights."""
        return cast(Network, self.averaged.module) if self.averaged else self.network

    def _train_epoch(self, part: Part) -> dict[str, float]:
        totals = torch.zeros(2, dtype=torch.float64, device=self.where)
        batches = _split_batches(draw_indices(part, self.truth, self.order), self.recipe.batch_size)
        for indices in batches:
            totals += len(indices) * self._train_step(part, indices.to(self.where))
        loss, accuracy = (totals / sum(map(len, batches))).tolist()
        return {"loss": loss} | ({} if math.isnan(accuracy) else {"accuracy": accuracy})

    def _train_step(self, part: Part, batch: Tensor) -> Tensor:
        """One step down the gradient of a batch; its loss and accuracy, (2,)."""
        images = augment_images(self.pixels[batch], self.recipe.augmentation, self.chance)
        target = self.truth[batch]
        with autocast_on_cuda(self.where):
            logits = self.forward(images)
        loss = part.loss(logits.float(), target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        if self.averaged:
            self.averaged.update_parameters(self.network)
        return torch.stack([loss.detach(), _compute_accuracy(logits.detach(), target)])

    def _validation_metrics(self, part: Part) -> dict[str, float]:
        assert self.held_out is not None
        images, target = self.held_out
        network = self.prediction_network
        modes = {module: module.training for module in network.modules()}
        logits = call_in_batches(network.eval(), images, self.where)
        for module, training in modes.items():
            module.training = training
        return {
            "val_loss": part.loss(logits, target).item(),
            "val_accuracy": _compute_accuracy(logits, target).item(),
        }


def _make_moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Moving average of tensors; its decay begins low, so that the random weights of the start are soon forgotten."""

    @torch.no_grad()
    def update_average(averaged: Any, current: Any, n: Any) -> None:
        share = 1 - min(decay, (1 + float(n)) / (10 + float(n)))
        for old, new in zip(averaged, current, strict=True):
            old.lerp_(new, share) if old.is_floating_point() else old.copy_(new)

    return update_average


@contextmanager
def _isolate_generators(device: torch.device, seed: int) -> Iterator[None]:
    """Give weights and dropout generators of their own; afterwards the caller's, and cuDNN's settings, are as they were."""
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
    """Indices of the batches of one epoch; a last batch of one is left out, as batch norm can't normalise it."""
    parts = drawn.split(size)
    return parts[:-1] if len(parts[-1]) == 1 else parts


def _compute_accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """Share of right answers; of images given back there are none, and it is NaN."""
    if target.ndim > 2:
        return torch.full((), math.nan, device=target.device)
    right = logits.argmax(dim=1) == target if target.ndim == 1 else (logits > 0) == (target > 0)
    return right.float().mean()


def _raise_if_diverged(network: nn.Module, epoch: dict[str, float], learning_rate: float) -> None:
    if math.isfinite(epoch["loss"]) and all(bool(w.isfinite().all()) for w in network.parameters()):
        return
    raise FloatingPointError(
        f"training diverged in epoch {epoch['epoch']} (loss {epoch['loss']}): lower learning_rate, "
        f"now {learning_rate:g}"
    )
