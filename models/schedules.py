"""Optimizers and learning rate schedules of torch, by name."""

from __future__ import annotations

from torch import nn, optim

from models.recipe import Recipe

Schedule = optim.lr_scheduler.LRScheduler

MOMENTUM = 0.9
RISING = 0.25  # share of the steps of a one-cycle schedule in which the learning rate rises


def make_optimizer(network: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """Make the optimizer of a recipe.

    It is Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), or gradient descent with a
    Nesterov momentum of 0.9. Biases and the scales of batch norms are not decayed, as is usual.
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
    """Make the learning rate schedule of a recipe, over all steps of training.

    It is a cosine (Loshchilov & Hutter 2017), one cycle (Smith & Topin 2019) that rises for a
    quarter of the steps, or None for a constant learning rate. Changed in one cycle: the learning
    rate rises linearly from a tenth of its maximum and falls linearly to a hundredth of that tenth,
    and the momentum is constant.
    """
    if recipe.schedule == "cosine":
        return optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    if recipe.schedule == "one_cycle":
        return optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=recipe.learning_rate,
            # with four steps the learning rate rises over none, and torch divides by their number
            total_steps=max(steps + 1, 5),
            pct_start=RISING,
            anneal_strategy="linear",
            cycle_momentum=False,
            div_factor=10,
            final_div_factor=100,
        )
    return None
