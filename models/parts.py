"""The parts of a training: which loss, which images and which layers in which epochs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.losses import Loss, class_weights, effective_weights, make_loss
from models.network import Network
from models.recipe import Recipe

FIRST_PART = 0.8  # of the epochs; Cao et al. 2019 switch after 160 of 200


@dataclass(frozen=True)
class Part:
    """Epochs that are trained alike.

    Parameters
    ----------
    epochs : range
        From 1.
    loss : function of (logits, targets)
    equal_classes : bool
        Draw every class equally often, rather than every image once.
    last_layer_only : bool
    """

    epochs: range
    loss: Loss
    equal_classes: bool = False
    last_layer_only: bool = False


def plan_parts(truth: Tensor, recipe: Recipe) -> list[Part]:
    """One part, or two: the second is the last fifth of the epochs, at least one.

    Deferred re-weighting (Cao et al. 2019): the loss as it is, then with weights by effective
    number. Two-phase training (Havaei et al. 2017; Buda, Maki & Mazurowski 2018): the whole network
    on equally frequent classes, then its last layer on the real ones. Changed, of both: the
    learning rate is that of the schedule.
    """
    smoothing, epochs = recipe.label_smoothing, recipe.epochs
    n_outputs = int(truth.max()) + 1 if truth.ndim == 1 else truth.shape[1]
    plain = make_loss(
        recipe.loss,
        truth,
        n_outputs,
        class_weights(truth, n_outputs, recipe.class_weight),
        smoothing,
    )
    switch = min(max(round(FIRST_PART * epochs), 1), epochs - 1)
    first, second = range(1, switch + 1), range(switch + 1, epochs + 1)
    if recipe.deferred_reweighting:
        weighted = make_loss(
            recipe.loss,
            truth,
            n_outputs,
            effective_weights(truth.bincount(minlength=n_outputs)),
            smoothing,
        )
        return [Part(first, plain), Part(second, weighted)]
    if recipe.two_phase:
        return [Part(first, plain, equal_classes=True), Part(second, plain, last_layer_only=True)]
    return [Part(range(1, epochs + 1), plain)]


def draw_indices(part: Part, truth: Tensor, generator: torch.Generator) -> Tensor:
    """Indices of the images of one epoch, in the order of training; as many as there are images."""
    return (
        draw_equally(truth.cpu(), generator)
        if part.equal_classes
        else torch.randperm(len(truth), generator=generator)
    )


def draw_equally(codes: Tensor, generator: torch.Generator) -> Tensor:
    """Indices with every class equally often, give or take one, and so every image of a class: no more repeats than it takes."""
    n_classes = int(codes.max()) + 1
    quotas = len(codes) // n_classes + (
        torch.randperm(n_classes, generator=generator) < len(codes) % n_classes
    )
    chosen = [
        _cycle_members(torch.nonzero(codes == k)[:, 0], int(quotas[k]), generator)
        for k in range(n_classes)
    ]
    return torch.cat(chosen)[torch.randperm(len(codes), generator=generator)]


def _cycle_members(members: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return n of ``members``: all in random order, then all in another, and so on."""
    rounds = -(-n // len(members))
    return members[
        torch.rand(rounds, len(members), generator=generator).argsort(dim=1).flatten()[:n]
    ]


def prepare_network(network: Network, part: Part) -> None:
    """Training mode; layers that this part leaves alone get no gradients and keep their batch statistics."""
    network.train().requires_grad_(not part.last_layer_only)
    network.last.requires_grad_(True)
    if part.last_layer_only:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
