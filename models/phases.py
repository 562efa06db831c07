"""Phases of training: the loss, the images and the trained layers of successive epochs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.losses import Loss, class_weights, effective_weights, make_loss
from models.network import Network
from models.recipe import Recipe

FIRST_PHASE = 0.8  # share of the epochs; Cao et al. 2019 switch after 160 of 200


@dataclass(frozen=True)
class Phase:
    """Successive epochs with the same loss, sampling and trained layers.

    Parameters
    ----------
    epochs : range
        Numbers of the epochs; the first epoch of training is 1.
    loss : function of (logits, targets)
    equal_classes : bool
        Draw every class equally often, instead of every image once.
    last_layer_only : bool
        Train the last layer only.
    """

    epochs: range
    loss: Loss
    equal_classes: bool = False
    last_layer_only: bool = False


def plan_phases(truth: Tensor, recipe: Recipe) -> list[Phase]:
    """One phase, or two phases, of which the second is the last fifth of the epochs, at least one.

    In deferred re-weighting (Cao et al. 2019) the loss is first unweighted, then weighted by
    effective numbers. In two-phase training (Havaei et al. 2017; Buda, Maki & Mazurowski 2018) the
    whole network is first trained on equally frequent classes, then its last layer on the actual
    frequencies. Changed in both: the learning rate is that of the schedule.
    """
    smoothing, epochs = recipe.label_smoothing, recipe.epochs
    n_outputs = int(truth.max()) + 1 if truth.ndim == 1 else truth.shape[1]
    weight = class_weights(truth, n_outputs, recipe.class_weight)
    plain = make_loss(recipe.loss, truth, n_outputs, weight, smoothing)
    switch = min(max(round(FIRST_PHASE * epochs), 1), epochs - 1)
    first, second = range(1, switch + 1), range(switch + 1, epochs + 1)
    if recipe.deferred_reweighting:
        weight = effective_weights(truth.bincount(minlength=n_outputs))
        weighted = make_loss(recipe.loss, truth, n_outputs, weight, smoothing)
        return [Phase(first, plain), Phase(second, weighted)]
    if recipe.two_phase:
        return [Phase(first, plain, equal_classes=True), Phase(second, plain, last_layer_only=True)]
    return [Phase(range(1, epochs + 1), plain)]


def draw_indices(phase: Phase, truth: Tensor, generator: torch.Generator) -> Tensor:
    """Draw the indices of the images of one epoch, (n,), in the order of training."""
    return (
        draw_equally(truth.cpu(), generator)
        if phase.equal_classes
        else torch.randperm(len(truth), generator=generator)
    )


def draw_equally(codes: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many indices as there are images, with every class equally often up to one.

    Within a class, too, every image is drawn equally often up to one.
    """
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
    """Return n of ``members``: all of them in random order, then in another order, and so on."""
    rounds = -(-n // len(members))
    return members[
        torch.rand(rounds, len(members), generator=generator).argsort(dim=1).flatten()[:n]
    ]


def prepare_network(network: Network, phase: Phase) -> None:
    """Set the network to training mode for a phase.

    Layers that are not trained get no gradients and keep their batch statistics.
    """
    network.train().requires_grad_(not phase.last_layer_only)
    network.last.requires_grad_(True)
    if phase.last_layer_only:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
