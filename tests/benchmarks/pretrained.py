"""Measure accuracy and speed of the extractor ``pretrained``.

``python tests/benchmarks/pretrained.py`` (about 20 minutes on two cores) writes
``results/pretrained.md``. ``$BENCHMARK_DATA`` must hold the datasets; rows go to
``results/pretrained_rows/``, and a second run continues there.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from extractors import photographs
from numpy.typing import NDArray
from real_images import SOURCES, write_sample
from result_pages import wrap

from benchmark import load_study, run
from benchmark.datasets.base import data_folder
from benchmark.utils.environment import collect_environment
from features.base import Features, Images
from features.pretrained import Pretrained, _published_file
from models.efficientnet_lite import EfficientNetLite, load_timm_network

ROOT = Path(__file__).parents[2]
ROUNDS = 9
SIDES = (64, 96, 128, 224)  # pixels
MODELS = ["logistic_regression(C=0.01)", "rbf_svm(C=10)"]
CLASSICAL = [
    "hog(pixels_per_cell='auto', cells_per_block=(2, 2))",
    "color_histogram(grid=(2, 2)) + laplacian_pyramid(grid=(2, 2)) + lbp(method='nri_uniform') + "
    "glcm",
    "sift_bovw(encoding='fisher', n_words=32, bin_sizes=(4, 8), sigma=0.5, root=True)",
    "kmeans_patches(n_centroids=200, n_sampled=20000, stride=2, root=True)",
]


class LastMap(Pretrained):
    """Mean over the image of the last map, which is the usual embedding."""

    def extract(self, batch: Images) -> Features:
        """Mean of the last map, (b, 1280)."""
        with torch.inference_mode():
            maps = self.network_.forward_features(normalise(batch))
            return maps.mean(dim=(2, 3)).numpy()

    def fit(self, X: Images, y: Any = None) -> LastMap:
        """Load the whole network."""
        super().fit(X, y)
        self.network_ = load_timm_network(_published_file())
        return self


class StageMeans(Pretrained):
    """Means of the maps after the first six stages, without the standard deviations."""

    def extract(self, batch: Images) -> Features:
        """Means, (b, 464)."""
        features = super().extract(batch)
        return features[:, : features.shape[1] // 2]


class AllStages(Pretrained):
    """Means and standard deviations after all seven stages."""

    def fit(self, X: Images, y: Any = None) -> AllStages:
        """Load the network with its seventh stage."""
        super().fit(X, y)
        self.network_ = EfficientNetLite(load_timm_network(_published_file()), n_stages=7)
        return self


def normalise(images: NDArray[np.uint8]) -> torch.Tensor:
    """Normalise images, (n, h, w, c) uint8 to (n, 3, h, w) float32, as one does with torch."""
    planes = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return planes.expand(-1, 3, -1, -1).contiguous()


class PlainNetwork:
    """The same features, in plain torch with timm."""

    def __init__(self, batch_size: int) -> None:
        self.network = load_timm_network(_published_file())
        self.batch_size = batch_size

    def transform(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features, (n, 928)."""
        starts = range(0, len(images), self.batch_size)
        return np.concatenate([self._extract(images[k : k + self.batch_size]) for k in starts])

    @torch.no_grad()
    def _extract(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps = self.network.bn1(self.network.conv_stem(normalise(batch)))
        means, deviations = [], []
        for stage in self.network.blocks[:6]:
            maps = stage(maps)
            means.append(maps.mean(dim=(2, 3)))
            deviations.append(maps.std(dim=(2, 3), correction=0))
        return torch.cat([*means, *deviations], dim=1).numpy()


def measure_speed(threads: int) -> Iterator[str]:
    """Yield a line of the table per image size, for a number of threads."""
    for side in SIDES:
        images = photographs((side, side, 3), 64)
        extractor, loop, batches = (
            Pretrained(min_size=side).fit(images),
            PlainNetwork(1),
            PlainNetwork(32),
        )
        np.testing.assert_allclose(
            extractor.transform(images), batches.transform(images), rtol=1e-2, atol=1e-3
        )
        ours, by_one, by_batch = interleave(
            partial(extract_on_threads, extractor, images, threads),
            partial(transform_on_threads, loop, images, threads),
            partial(transform_on_threads, batches, images, threads),
        )
        yield (
            f"| {side} x {side} | {threads} | {len(images) / ours:.0f} | {by_one / ours:.1f} | "
            f"{by_batch / ours:.1f} |"
        )


def extract_on_threads(extractor: Pretrained, images: Images, threads: int) -> None:
    """Extract batches side by side, each on one thread."""
    torch.set_num_threads(1)
    with joblib.parallel_config("threading", n_jobs=threads):
        extractor.transform(images)


def transform_on_threads(network: PlainNetwork, images: Images, threads: int) -> None:
    """Apply a network to one batch after the other, each on several threads."""
    torch.set_num_threads(threads)
    network.transform(images)


def interleave(*works: Callable[[], Any]) -> list[float]:
    """Least seconds of each work, run in turns."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, times in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return [min(times) for times in seconds]


def measure_bfloat16() -> tuple[float, float]:
    """Speed of bfloat16 relative to float32, and the largest relative change of a feature."""
    torch.set_num_threads(1)
    images = torch.from_numpy(photographs((96, 96, 3), 28))
    network = EfficientNetLite(load_timm_network(_published_file()))
    half = copy.deepcopy(network)
    for part in (half.stem, half.stages):
        part.to(torch.bfloat16)
    half.pixels.register_forward_hook(lambda *arguments: arguments[-1].to(torch.bfloat16))
    with torch.inference_mode():
        single, reduced = interleave(lambda: network(images), lambda: half(images))
        exact, rounded = network(images), half(images).float()
    spread = exact.std(dim=0)
    return single / reduced, float(((rounded - exact).abs() / (spread + 1e-3)).max())


def make_study(name: str, datasets: list[str], extractors: list[str], models: list[str]) -> Any:
    """Make a study of three folds."""
    return load_study(
        "digits",
        name=name,
        datasets=datasets,
        extractors=extractors,
        models=models,
        split="stratified_kfold(folds=3)",
        plugins=[__file__],
    )


def write_ham10000_sample(folder: Path) -> str:
    """Write a CSV of 110 images of each class of HAM10000; return the dataset."""
    source = data_folder() / "ham10000"
    rows = pd.read_csv(source / "metadata.csv").groupby("dx").sample(110, random_state=0)
    table = pd.DataFrame(
        {
            "image": [str(source / "images" / f"{name}.jpg") for name in rows["image_id"]],
            "label": rows["dx"].to_numpy(),
            "group": rows["lesion_id"].to_numpy(),
        }
    )
    file = folder / "ham10000_770.csv"
    table.to_csv(file, index=False)
    return f"csv:{file}(allow_outside=True, name='ham10000_770')"


def describe_accuracy(rows: pd.DataFrame, datasets: list[str]) -> Iterator[str]:
    """Yield the lines of a table: macro F1 / AUC by configuration and dataset."""
    yield f"| features | model | {' | '.join(datasets)} | mean F1 | mean AUC |"
    yield f"|---|---|{'---|' * (len(datasets) + 2)}"
    means = rows.groupby(["extractor", "model", "dataset"])[["f1", "auc"]].mean()
    overall = means.groupby(["extractor", "model"]).mean()
    for extractor, model in overall.sort_values("f1", ascending=False).index:
        cells = means.loc[(extractor, model)]
        values = " | ".join(
            f"{cells.loc[name, 'f1']:.3f} / {cells.loc[name, 'auc']:.3f}" for name in datasets
        )
        f1, auc = overall.loc[(extractor, model)]
        yield f"| `{extractor}` | `{model}` | {values} | {f1:.3f} | {auc:.3f} |"


def main() -> None:
    """Run the studies, measure the speed, and write the page."""
    folder = ROOT / "results" / "pretrained_rows"
    folder.mkdir(exist_ok=True)
    datasets = [*(write_sample(name, folder) for name in SOURCES), "breastmnist"]
    variants = [
        *(f"pretrained(min_size={side})" for side in SIDES),
        *("last_map", "last_map(min_size=224)", "stage_means", "all_stages"),
    ]
    chosen = run(make_study("variants", datasets, variants, MODELS), out=folder / "a", jobs=2)
    example = run(
        make_study(
            "example",
            [write_ham10000_sample(folder)],
            ["pretrained", "last_map", *CLASSICAL],
            MODELS,
        ).model_copy(update={"size": 128}),
        out=folder / "b",
        jobs=2,
    )
    speed = [line for threads in (1, 2) for line in measure_speed(threads)]
    ratio, change = measure_bfloat16()
    where = collect_environment()
    lines = [
        "# The extractor `pretrained`",
        "",
        wrap(
            "Written by `python tests/benchmarks/pretrained.py`. Macro F1 / AUC are means of three "
            "stratified folds, with lesions and patients kept together."
        ),
        "",
        "## Which maps, and which size",
        "",
        wrap(
            "`last_map` is the usual embedding, the mean of the last map; `stage_means` the means "
            "of the first six stages; `all_stages` means and standard deviations of all seven; "
            "`pretrained` those of the first six. Images are those of "
            "[real_images.md](real_images.md) and BreastMNIST (780 images of 28 px); smaller ones "
            "are enlarged to `min_size` (96 unless stated)."
        ),
        "",
        *describe_accuracy(chosen, [*SOURCES, "breastmnist"]),
        "",
        "## Against classical features",
        "",
        "HAM10000, 110 images of each of 7 classes, 128 x 128 pixels.",
        "",
        *describe_accuracy(example, ["ham10000_770"]),
        "",
        "## Speed",
        "",
        wrap(
            "Images per second, and how many times as long plain torch takes for the same features "
            "with timm's network: one image at a time, and in batches of 32. Least of "
            f"{ROUNDS} interleaved rounds."
        ),
        "",
        "| image | threads | images/s | batches of 1 | batches of 32 |",
        "|---|---|---|---|---|",
        *speed,
        "",
        wrap(
            f"In bfloat16, the network is {ratio:.2f} times as fast on this processor, and a "
            f"feature changes by up to {change:.2f} of its standard deviation over photographs. It "
            "is not used: processors without such instructions would be slower, and give other "
            "features."
        ),
        "",
        f"Commit {where['git_commit'][:12]}, {where['processor']}, {where['cores']} cores, torch "
        f"{where['libraries']['torch']}.",
    ]
    (ROOT / "results" / "pretrained.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
