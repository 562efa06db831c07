"""Measure networks on a CPU: the speed of our training loop, and the accuracy of ``fast_resnet``.

``python tests/benchmarks/networks.py`` (about 10 minutes) writes ``results/networks.md``;
``$BENCHMARK_DATA`` must hold CIFAR-10. The speed is that of ``simple_cnn``, in images per second,
compared with the same layers in the loop of most tutorials (a ``DataLoader`` with batches of 32 and
two workers over torchvision's transforms, Adam, a Python loop). Both alternate in one process and
use all cores. The accuracy is that of ``fast_resnet`` after four minutes.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from result_pages import wrap
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmark.datasets.base import data_folder
from benchmark.datasets.torchvision_sets import load_torchvision
from benchmark.utils.environment import collect_environment
from models.cnn import SimpleCNN
from models.fast_resnet import FastResNet

N_SPEED, ROUNDS = 6000, 5
REFERENCE = "a network of three convolutions, 5 epochs: accuracy 0.787 in 234 s on 2 cores"
SECONDS = 234


class Tutorial(Dataset):
    """Images as torchvision's own datasets return them: one by one, through PIL and transforms."""

    def __init__(self, images: np.ndarray, targets: np.ndarray) -> None:
        self.images, self.targets = images, targets
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[i])), int(self.targets[i])


def article() -> nn.Sequential:
    """Build the layers of ``simple_cnn`` for 32 x 32 x 3 images, as the article writes them."""
    blocks = [
        layer
        for n_in, n_out in ((3, 32), (32, 64))
        for layer in (
            nn.Conv2d(n_in, n_out, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(n_out),
        )
    ]
    dense = [
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * 8 * 8, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    ]
    return nn.Sequential(*blocks, *dense)


def tutorial_epoch(images: np.ndarray, targets: np.ndarray, network: nn.Module) -> float:
    """Time one epoch of the loop of most tutorials, in seconds."""
    loader = DataLoader(Tutorial(images, targets), batch_size=32, shuffle=True, num_workers=2)
    criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(network.parameters(), lr=1e-3)
    start = time.perf_counter()
    network.train()
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = criterion(network(batch), labels)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def our_epoch(images: np.ndarray, targets: np.ndarray, batch_size: int) -> float:
    """Time one epoch of our loop in seconds, including the initialisation."""
    start = time.perf_counter()
    SimpleCNN(epochs=1, batch_size=batch_size, device="cpu", random_state=0).fit(images, targets)
    return time.perf_counter() - start


def speed(images: np.ndarray, targets: np.ndarray) -> list[str]:
    """Compare the images per second of the loops, alternating; the first round is a warm-up."""
    loops = {
        "DataLoader, batches of 32, two workers": lambda: tutorial_epoch(
            images, targets, article()
        ),
        "simple_cnn, batches of 32": lambda: our_epoch(images, targets, 32),
        "simple_cnn, batches of 128": lambda: our_epoch(images, targets, 128),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(ROUNDS + 1):
        for name, epoch in loops.items():
            rates[name].append(len(images) / epoch())
    theirs, *_ = rates.values()
    lines = [
        "| loop | images/s, median | minimum | maximum | ratio per round |",
        "|---|---:|---:|---:|---|",
    ]
    for name, ours in rates.items():
        ratios = [a / b for a, b in zip(ours[1:], theirs[1:], strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(
            f"| {name} | {statistics.median(ours[1:]):,.0f} | {min(ours[1:]):,.0f} | "
            f"{max(ours[1:]):,.0f} | {ratio} |"
        )
    return [
        *lines,
        "",
        f"{ROUNDS} rounds of {len(images):,} images, alternating; "
        f"{torch.get_num_threads()} threads.",
    ]


def accuracy(subsets: tuple[np.ndarray, ...], epochs: int) -> list[str]:
    """Measure accuracy and training time of ``fast_resnet`` on all of CIFAR-10."""
    train, train_y, test, test_y = subsets
    model = FastResNet(epochs=epochs, device="cpu", random_state=0)
    start = time.perf_counter()
    model.fit(train, train_y)
    seconds = time.perf_counter() - start
    score = model.score(test, test_y)
    return [
        wrap(
            f"`fast_resnet(epochs={epochs})`, 50,000 training images, {torch.get_num_threads()} "
            f"threads: accuracy {score:.4f} on the 10,000 test images after {seconds:.0f} s of "
            f"training. The reference to beat: {REFERENCE}."
        )
    ]


def main() -> None:
    """Measure everything and write the page."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else FastResNet().epochs
    torch.set_num_threads(2)
    data = load_torchvision("cifar10", data_folder(), None)
    train, test = data.subset == "train", data.subset == "test"
    where = collect_environment()
    lines = [
        "# Networks on a CPU",
        "",
        f"Written by `python tests/benchmarks/networks.py {epochs}`, at commit "
        f"{str(where['git_commit'])[:12]}.",
        "",
        "## The same network, two loops",
        "",
        *speed(data.images[train][:N_SPEED], data.targets[train][:N_SPEED]),
        "",
        f"## CIFAR-10 in {SECONDS} s",
        "",
        *accuracy(
            (data.images[train], data.targets[train], data.images[test], data.targets[test]), epochs
        ),
        "",
        f"{where['processor']}, {where['cores']} cores, Python {where['python']}, torch "
        f"{where['libraries']['torch']}.",
    ]
    print("\n".join(lines))  # noqa: T201
    Path("results/networks.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
