"""Optimizers and schedules of the learning rate, by name: torch's own."""

from __future__ import annotations

from torch import nn, optim

from models.recipe import Recipe

Schedule = optim.lr_scheduler.LRScheduler

MOMENTUM = 0.9
RISING = 0.25  # of a one-cycle schedule's steps


def make_optimizer(network: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), or gradient descent with Nesterov's momentum of 0.9.

    Biases and the scales of batch norms are not decayed, as is usual.
    """
    decayed = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return optim.SGD(
            groups, lr=recipe.learning_rate, momentum=MOMENTUM, nesterov=True, fused=True
        )
    kind = optim.Adam if recipe.optimizer == "adam" else optim.AdamW
    return kind(groups, lr=recipe.learning_rate, fused=True)


def make_schedule(optimizer: optim.Optimizer, recipe: Recipe, steps: int) -> Schedule | None:
    """A schedule over so many steps: cosine (Loshchilov & Hutter 2017), or one cycle (Smith & Topin 2019), up for a quarter of them.

    Changed, of one cycle: up and down are straight lines, from a tenth of the learning rate and to
    a hundredth of that, and the momentum stays.
    """
    if recipe.schedule == "cosine":
        return optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    if recipe.schedule == "one_cycle":
        return optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=recipe.learning_rate,
            total_steps=max(
                steps + 1, 5
            ),  # of four, the first rises over none, and torch divides by that
            pct_start=RISING,
            anneal_strategy="linear",
            cycle_momentum=False,
            div_factor=10,
            final_div_factor=100,
        )
    return None
