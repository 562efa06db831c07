"""Run torch once before anything is timed."""

from __future__ import annotations

from functools import lru_cache

from models.prediction import find_device


@lru_cache(maxsize=1)
def warm_up_torch() -> None:
    """Train a tiny network for one step.

    The first operations of a process start threads and choose kernels, which takes seconds, and
    would be counted as the training time of the first network.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng():
        device = find_device("auto")
        layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
        network = network.to(device)
        optimizer = torch.optim.Adam(network.parameters())
        outputs = network(torch.zeros(4, 3, 32, 32, device=device))
        targets = torch.zeros(4, dtype=torch.long, device=device)
        nn.functional.cross_entropy(outputs, targets).backward()
        optimizer.step()
