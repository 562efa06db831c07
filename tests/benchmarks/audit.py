"""Plant copies and wrong labels into real datasets, count what is found, and time the audit.

``python tests/benchmarks/audit.py`` (about ten minutes) needs ``$BENCHMARK_DATA``, and writes
``results/audit.md``. The package imagehash is measured too where it is installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from result_pages import wrap

from benchmark.audit import audit_dataset
from benchmark.audit.labels import find_label_errors
from benchmark.audit.similar_images import find_neighbours
from benchmark.datasets.base import Dataset, data_folder
from benchmark.datasets.duplicates import image_digests
from benchmark.evaluation.plan import load_dataset
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.utils.environment import collect_environment

DATASETS = {
    "digits": ("digits", None),
    "faces": ("faces", None),
    "breastmnist": ("breastmnist", None),
    "retinamnist": ("retinamnist", None),
    "malaria": ("csv:malaria/metadata.csv", 50),
    "white_blood_cells": ("csv:white_blood_cells/metadata.csv", 96),
    "covid_radiography": ("csv:covid_radiography/metadata.csv", 96),
    "brain_mri": ("csv:brain_mri/metadata.csv", 96),
}
MOST, PLANTED, FLIPPED = 4000, 200, 0.05
HASH_BITS = (4, 8)  # distances up to which hashes count as equal
N_LARGE, LARGE_SIDE = 10_000, 150
Gray = NDArray[np.uint8]


def resize(image: Gray) -> Gray:
    """Shrink to three quarters and enlarge again."""
    height, width = (3 * side // 4 for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def compress(image: Gray) -> Gray:
    """Write as JPEG of quality 75 and read again."""
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED)


def brighten(image: Gray) -> Gray:
    """Add one gray level."""
    return np.clip(image.astype(int) + 1, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Gray], Gray]] = {
    "resized": resize,
    "JPEG 75": compress,
    "mirrored": np.fliplr,
    "one gray level": brighten,
}


def load(name: str) -> Dataset:
    """Load a dataset without exact copies, and at most 4,000 images of it."""
    entry, size = DATASETS[name]
    dataset = load_dataset(resolve_spec("dataset", Spec.parse(entry)), data_folder(), size)
    distinct = np.unique(image_digests(dataset.images), return_index=True)[1]
    chosen = np.random.default_rng(0).permutation(distinct)[:MOST]
    return replace(dataset.select(np.sort(chosen)), notes=(), split_notes=None)


def plant(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray, list[str]]:
    """Append changed copies; return all images, the originals of the copies, and the changes."""
    n = min(PLANTED, len(images) // 4)
    originals = np.random.default_rng(1).permutation(len(images))[:n]
    kinds = [list(CHANGES)[k % len(CHANGES)] for k in range(n)]
    copies = []
    for i, kind in zip(originals, kinds, strict=True):
        image = images[i] if images.shape[3] == 3 else images[i, ..., 0]
        copies.append(CHANGES[kind](np.ascontiguousarray(image)).reshape(images.shape[1:]))
    return np.concatenate([images, copies]), originals, kinds


def measure_neighbours(images: NDArray[np.uint8]) -> list[str]:
    """Shares of planted copies that are found, by change, and of other images that are shown."""
    every, originals, kinds = plant(images)
    neighbours = find_neighbours(every)
    n = len(images)
    close = neighbours.distance <= neighbours.threshold
    right = np.array([(int(i), n + k) in neighbours.pairs for k, i in enumerate(originals)])
    others = np.setdiff1d(np.arange(n), originals)
    cells = [f"{right[[kind == change for kind in kinds]].mean():.0%}" for change in CHANGES]
    return [*cells, f"{close[others].mean():.1%}", f"{neighbours.threshold:.2f}"]


def measure_hashes(images: NDArray[np.uint8], bits: int) -> list[str] | None:
    """The same for the perceptual hash of imagehash; None if it is not installed."""
    try:
        import imagehash
    except ImportError:
        return None
    from PIL import Image

    every, originals, kinds = plant(images)
    pictures = (Image.fromarray(i if i.shape[2] == 3 else i[..., 0]) for i in every)
    hashes = np.array([np.packbits(imagehash.phash(picture).hash) for picture in pictures])
    nearest = np.empty(len(every), int)
    for i, own in enumerate(hashes):
        distance = np.unpackbits(own ^ hashes, axis=1).sum(axis=1).astype(int)
        distance[i] = 99
        nearest[i] = distance.min()
    n = len(images)
    others = np.setdiff1d(np.arange(n), originals)
    found = nearest[n:] <= bits
    cells = [f"{found[[kind == change for kind in kinds]].mean():.0%}" for change in CHANGES]
    return [*cells, f"{(nearest[others] <= bits).mean():.1%}", f"{bits} bits"]


def measure_labels(dataset: Dataset) -> list[str] | None:
    """Precision among the most doubtful labels, where 5 % were made wrong; None if not judged."""
    random, k = np.random.default_rng(2), len(dataset.classes)
    n = round(FLIPPED * len(dataset.targets))
    flipped = random.permutation(len(dataset.targets))[:n]
    targets = dataset.targets.copy()
    targets[flipped] = (targets[flipped] + random.integers(1, k, n)) % k
    doubtful, _, accuracy, _ = find_label_errors(replace(dataset, targets=targets))
    if not np.isfinite(accuracy):
        return None
    if not len(doubtful):
        return [f"{n}", "-", "-", "-", "0", "0%", f"{accuracy:.0%}"]
    hits = np.isin(doubtful, flipped)
    shares = [f"{hits[:most].mean():.0%}" if most else "-" for most in (n // 4, n // 2, n)]
    return [f"{n}", *shares, f"{len(doubtful)}", f"{hits.sum() / n:.0%}", f"{accuracy:.0%}"]


def time_large_audit() -> float:
    """Seconds of the audit of 10,000 images of 150 px, made of covid_radiography by shifts."""
    entry, _ = DATASETS["covid_radiography"]
    spec = resolve_spec("dataset", Spec.parse(entry))
    dataset = load_dataset(spec, data_folder(), LARGE_SIDE)
    indices = np.arange(N_LARGE) % len(dataset.images)
    large = replace(dataset, ids=None, paths=None).select(indices)
    shifted = np.array(large.images)
    shifted[len(dataset.images) :] = np.roll(shifted[len(dataset.images) :], 20, axis=2)
    large = replace(large, images=shifted, notes=(), split_notes=None)
    start = time.perf_counter()
    audit_dataset(large)
    return time.perf_counter() - start


def _table(head: list[str], lines: list[list[str]]) -> list[str]:
    rows = [f"| {' | '.join(line)} |" for line in (head, *lines)]
    return [rows[0], "|---" * len(head) + "|", *rows[1:]]


def report(
    pairs: list[list[str]], hashes: list[list[str]], labels: list[list[str]], seconds: float
) -> str:
    """Write the page as Markdown."""
    environment = collect_environment()
    head = ["dataset", "images", *CHANGES, "other images shown", "threshold"]
    page = [
        "# What the audit of a dataset finds",
        "",
        wrap(
            "`python tests/benchmarks/audit.py` writes this page. Exact copies are removed first, "
            f"and at most {MOST:,} images are taken. The audit of {N_LARGE:,} gray "
            f"images of {LARGE_SIDE} px, which are in memory and whose files are not looked at, "
            f"took {seconds:.0f} s on {environment['processor']}, {environment['cores']} cores."
        ),
        "",
        "## Planted copies",
        "",
        wrap(
            "Shares of changed copies that are found with their original, and of images without a "
            "planted copy that are shown as near copies: some of these are real."
        ),
        "",
        *_table(head, pairs),
        "",
    ]
    if hashes:
        page += ["## The same with the perceptual hash of imagehash", "", *_table(head, hashes), ""]
    page += [
        "## Wrong labels",
        "",
        wrap(
            "5 % of the labels were made wrong. Precision among the most doubtful quarter, half "
            "and whole of that number, number of labels that are doubted, share of the wrong ones "
            "among them, and share of the labels that the quick model agrees with. Where that "
            "model is hardly better than the largest class, no label is doubted."
        ),
        "",
        *_table(
            [
                *("dataset", "images", "wrong", "quarter", "half", "whole"),
                *("doubted", "found", "agreement"),
            ],
            labels,
        ),
    ]
    return "\n".join(page) + "\n"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/audit.md"))
    out = parser.parse_args().out
    pairs, hashes, labels = [], [], []
    for name in DATASETS:
        dataset = load(name)
        n = f"{len(dataset.images):,}"
        pairs.append([name, n, *measure_neighbours(dataset.images)])
        for bits in HASH_BITS:
            if line := measure_hashes(dataset.images, bits):
                hashes.append([name, n, *line])
        if line := measure_labels(dataset):
            labels.append([name, n, *line])
    seconds = time_large_audit()
    out.write_text(report(pairs, hashes, labels, seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
