"""Measure networks on a GPU: seconds to 94 % on CIFAR-10, images per second, idle share of the GPU.

``python tests/benchmarks/bench_gpu.py`` (a few minutes) writes ``results/gpu.md``; without a CUDA
device, it only says so. ``$BENCHMARK_DATA`` must hold CIFAR-10. The speed is compared with that of
a plain ``DataLoader`` loop. To get classical pipelines and networks on all of CIFAR-10 in one
leaderboard, run ``python -m benchmark run cifar10 --accelerate``, then ``python -m benchmark run
cifar10 --model fast_resnet --model resnet18 --out results/cifar10``.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import Tutorial
from result_pages import wrap
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from benchmark.datasets.base import data_folder
from benchmark.datasets.torchvision_sets import load_torchvision
from benchmark.utils.environment import collect_environment
from models.cnn import SimpleCNN
from models.fast_resnet import FastResNet
from models.network_classifier import NetworkClassifier
from models.resnet import ResNet18, ResNet50

WIDTHS = (64, 256, 256)
WANTED = 0.94
EPOCHS = (8, 12, 16, 24, 32)
SEEDS = 3
RECORD = "2.6 s on an A100 (Jordan 2024, airbench94)"
ROUNDS, N_SPEED = 3, 20_000
NETWORKS: dict[str, NetworkClassifier] = {
    "simple_cnn": SimpleCNN(),
    "fast_resnet": FastResNet(),
    f"fast_resnet(widths={WIDTHS})": FastResNet(widths=WIDTHS),
    "resnet18": ResNet18(),
    "resnet50": ResNet50(),
}
Images = np.ndarray


def to_wanted(
    train: tuple[Images, np.ndarray], test: tuple[Images, np.ndarray], device: str
) -> list[str]:
    """Find the fewest epochs with which the mean of three seeds reaches the wanted accuracy.

    The time is that of training, without loading. Returns the lines of a Markdown table.
    """
    lines = ["| epochs | accuracy | seconds |", "|---:|---|---|"]
    # warm up: kernels are chosen and compiled
    FastResNet(widths=WIDTHS, epochs=1, device=device, random_state=0).fit(*train)
    for epochs in EPOCHS:
        scores, seconds = [], []
        for seed in range(SEEDS):
            model = FastResNet(widths=WIDTHS, epochs=epochs, device=device, random_state=seed)
            start = time.perf_counter()
            model.fit(*train)  # ends with the network on the CPU, and so with the last kernel
            seconds.append(time.perf_counter() - start)
            scores.append(model.score(*test))
        cells = (
            f"{np.mean(v):.{d}f} ({min(v):.{d}f} to {max(v):.{d}f})"
            for v, d in ((scores, 4), (seconds, 2))
        )
        lines.append(f"| {epochs} | {' | '.join(cells)} |")
        if np.mean(scores) >= WANTED:
            break
    return [
        *lines,
        "",
        f"{SEEDS} seeds: mean, minimum and maximum. The record for {WANTED:.0%} is {RECORD}.",
    ]


def plain_epoch(
    images: Images, targets: np.ndarray, model: NetworkClassifier, device: str
) -> float:
    """Time one epoch of the loop of most tutorials, in seconds; layers and batch size are ours."""
    start = time.perf_counter()
    body = model.make_body(images[:64])
    network = nn.Sequential(body.layers, nn.Linear(body.width, int(targets.max()) + 1)).to(device)
    loader = DataLoader(
        Tutorial(images, targets),
        batch_size=model.batch_size,
        shuffle=True,
        num_workers=2,
        drop_last=True,
    )
    criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train()
    for batch, labels in loader:
        optimizer.zero_grad()
        criterion(network(batch.to(device)), labels.to(device)).backward()
        optimizer.step()
    _finish(device)
    return time.perf_counter() - start


def our_epoch(images: Images, targets: np.ndarray, model: NetworkClassifier, device: str) -> float:
    """Time one epoch of our loop without augmentation, in seconds, including the initialisation."""
    start = time.perf_counter()
    model.set_params(epochs=1, augmentation=(), device=device, random_state=0).fit(images, targets)
    _finish(device)
    return time.perf_counter() - start


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def speeds(images: Images, targets: np.ndarray, device: str) -> list[str]:
    """Compare the images per second of both loops for every network, alternating between them.

    The first round is a warm-up. Returns the lines of a Markdown table.
    """
    lines = [
        "| network | batch | ours, images/s | plain loop, images/s | ratio | GPU idle |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for name, model in NETWORKS.items():
        ours, theirs = [], []
        for _ in range(ROUNDS + 1):
            theirs.append(len(images) / plain_epoch(images, targets, model, device))
            ours.append(len(images) / our_epoch(images, targets, model, device))
        ratios = [a / b for a, b in zip(ours[1:], theirs[1:], strict=True)]
        fast, slow = (f"{statistics.median(v[1:]):,.0f}" for v in (ours, theirs))
        ratio = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        lines.append(
            f"| {name} | {model.batch_size} | {fast} | {slow} | {ratio} | "
            f"{idle_share(images, targets, model, device)} |"
        )
    return [
        *lines,
        "",
        wrap(
            f"One epoch of {len(images):,} images; medians of {ROUNDS} rounds, alternating between "
            "both loops, without augmentation and including the initialisation of the network. The "
            "plain loop uses Adam and float32, as in tutorials; ours uses its own optimizer and "
            "bfloat16."
        ),
    ]


def idle_share(images: Images, targets: np.ndarray, model: NetworkClassifier, device: str) -> str:
    """Measure the share of an epoch in which no kernel runs, with torch's profiler."""
    if device == "cpu":
        return "-"
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        seconds = our_epoch(images, targets, model, device)
    kernels = [
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type.name == "CUDA"
    ]
    return f"{1 - union(kernels) / 1e6 / seconds:.0%}"


def union(spans: list[tuple[float, float]]) -> float:
    """Compute the length of the union of intervals."""
    total, last_end = 0.0, -np.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, last_end))
        last_end = max(last_end, end)
    return total


def page(data: Any, device: str) -> list[str]:
    """Return the lines of all sections."""
    train, test = data.subset == "train", data.subset == "test"
    subsets = (data.images[train], data.targets[train]), (data.images[test], data.targets[test])
    return [
        *(f"## {WANTED:.0%} on CIFAR-10", "", *to_wanted(*subsets, device), ""),
        *(
            "## Images per second",
            "",
            *speeds(subsets[0][0][:N_SPEED], subsets[0][1][:N_SPEED], device),
            "",
        ),
    ]


def main() -> None:
    """Measure everything and write the page."""
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was measured or written")  # noqa: T201
        sys.exit(0)
    where = collect_environment()
    lines = [
        "# Networks on a GPU",
        "",
        "Written by `python tests/benchmarks/bench_gpu.py`, at commit "
        f"{str(where['git_commit'])[:12]}.",
        "",
        *page(load_torchvision("cifar10", data_folder(), None), "cuda"),
        f"{torch.cuda.get_device_name()}, {where['processor']}, {where['cores']} cores, torch "
        f"{where['libraries']['torch']}.",
    ]
    print("\n".join(lines))  # noqa: T201
    Path("results/gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
