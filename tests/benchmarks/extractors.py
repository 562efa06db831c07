"""Measure how much faster each extractor is than its reference, in one process on one thread.

``python tests/benchmarks/extractors.py`` (about 3 minutes) writes ``results/speed.md``. The
reference is what one would use without this library: the function of scikit-image, OpenCV or NumPy,
called image by image with the same parameters. Where no library implements the descriptor, its
definition is written in NumPy for one image; there is no required ratio then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from result_pages import wrap
from skimage import data, feature, filters, measure, transform

from benchmark.utils.environment import collect_environment
from benchmark.utils.threads import limit_process_threads
from features.color_histogram import ColorHistogram
from features.dense_sift import dense_sift, window_centres
from features.gabor import Gabor
from features.gist import GIST
from features.glcm import GLCM
from features.gradient_votes import add_votes, gradient_bins
from features.hog import HOG
from features.kmeans_patches import KMeansPatches
from features.laplacian_pyramid import LaplacianPyramid
from features.lbp import LBP
from features.pixels import Pixels
from features.shape_histogram import ShapeHistogram
from features.sift_bovw import SIFTBoVW, opencv_gray

SHAPES = {"32x32x3": (32, 32, 3), "28x28x1": (28, 28, 1), "128x128x1": (128, 128, 1)}
ROUNDS = 15


def photographs(shape: tuple[int, int, int], n: int) -> np.ndarray:
    """Cut crops from three photographs, (n, h, w, c) uint8."""
    height, width, channels = shape
    random = np.random.default_rng(0)
    sources = [data.astronaut(), data.chelsea(), data.coffee()]
    crops = []
    for i in range(n):
        photo = sources[i % 3]
        y, x = (
            random.integers(side - crop_side + 1)
            for side, crop_side in zip(photo.shape[:2], (height, width), strict=True)
        )
        crop = photo[y : y + height, x : x + width]
        crops.append(crop if channels == 3 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None])
    return np.stack(crops)


def gray(image: np.ndarray) -> np.ndarray:
    """Convert one image to (h, w) uint8."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[-1] == 3 else image[..., 0]


def by_skimage_hog(image):
    channel_axis = -1 if image.shape[-1] == 3 else None
    return feature.hog(
        image if channel_axis else image[..., 0], 9, (8, 8), (3, 3), channel_axis=channel_axis
    )


def by_opencv_sift(image):
    points = [
        cv2.KeyPoint(float(x), float(y), 8 / 3, 0.0)
        for y in window_centres(image.shape[0], 4, 4)
        for x in window_centres(image.shape[1], 4, 4)
    ]
    return cv2.SIFT.create().compute(gray(image), points)[1]


def by_skimage_pyramid(image):
    layers = transform.pyramid_laplacian(image, max_layer=3, channel_axis=-1)
    moments = [
        [layer.mean(axis=(0, 1)), layer.std(axis=(0, 1)), np.abs(layer).mean(axis=(0, 1))]
        for layer in layers
    ]
    return np.concatenate([np.ravel(moment) for moment in moments])


def by_numpy_histogram(image):
    if image.shape[-1] == 1:
        return np.histogram(image, 8, (0, 256))[0] / image.size
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return (
        np.concatenate(
            [np.histogram(hsv[..., c], 8, (0, top))[0] for c, top in enumerate((180, 256, 256))]
        )
        / hsv[..., 0].size
    )


def by_numpy_joint_histogram(image):
    if image.shape[-1] == 1:
        return np.histogram(image, 8, (0, 256))[0] / image.size
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return (
        np.histogramdd(hsv.reshape(-1, 3), 8, ((0, 180), (0, 256), (0, 256)))[0].ravel()
        / hsv[..., 0].size
    )


def by_skimage_shape(image):
    brightness = gray(image).astype(float)
    down, right = filters.sobel_h(brightness), filters.sobel_v(brightness)
    magnitude = np.hypot(right, down)
    edge = magnitude > magnitude.mean() + magnitude.std()
    directions = np.histogram(np.arctan2(down[edge], right[edge]), 36, (-np.pi, np.pi))[0] / max(
        edge.sum(), 1
    )
    return np.concatenate(
        [
            directions,
            measure.moments_hu(measure.moments_normalized(measure.moments_central(brightness))),
        ]
    )


def by_skimage_lbp(image):
    codes = feature.local_binary_pattern(gray(image), 8, 1.0, "uniform")
    return np.bincount(codes.astype(int).ravel(), minlength=10) / codes.size


def by_skimage_glcm(image):
    angles = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
    matrix = feature.graycomatrix(
        gray(image) // 8, (1, 2), angles, levels=32, symmetric=True, normed=True
    )
    return np.concatenate(
        [
            feature.graycoprops(matrix, name).ravel()
            for name in ("contrast", "correlation", "energy", "homogeneity")
        ]
    )


def by_skimage_gabor(image):
    brightness, statistics = gray(image) / 255, []
    for frequency in (0.1, 0.2, 0.4):
        for k in range(4):
            magnitude = np.hypot(
                *filters.gabor(brightness, frequency, k * np.pi / 4, mode="reflect")
            )
            statistics += [magnitude.mean(), magnitude.std()]
    return np.array(statistics)


def patches_of(fitted):
    def by_definition(image):
        size = fitted.patch_size
        windows = np.lib.stride_tricks.sliding_window_view(
            image, (size, size), axis=(0, 1)
        ).transpose(0, 1, 3, 4, 2)
        patches = windows.reshape(-1, image.shape[-1] * size * size).astype(np.float32)
        patches = (patches - patches.mean(axis=1, keepdims=True)) / np.sqrt(
            patches.var(axis=1, keepdims=True) + 10
        )
        white = (patches - fitted.mean_) @ fitted.whitener_
        squares = (
            np.square(white).sum(axis=1, keepdims=True)
            - 2 * white @ fitted.centroids_.T
            + np.square(fitted.centroids_).sum(axis=1)
        )
        distance = np.sqrt(np.maximum(squares, 0))
        activation = np.maximum(distance.mean(axis=1, keepdims=True) - distance, 0).reshape(
            *windows.shape[:2], -1
        )
        halves = [
            half
            for rows in np.array_split(activation, 2, axis=0)
            for half in np.array_split(rows, 2, axis=1)
        ]
        return np.concatenate([half.mean(axis=(0, 1)) for half in halves])

    return by_definition


@dataclass(frozen=True)
class Contest:
    """An extractor and its reference on images of one shape.

    Parameters
    ----------
    name : str
    ours : callable (images) -> features
    reference : callable (image) -> features, or None
    described : str
        What the reference is.
    bound : float
        Ratio of the times that must be reached; 0 for none.
    """

    name: str
    ours: Callable[[np.ndarray], Any]
    reference: Callable[[np.ndarray], Any] | None
    described: str
    bound: float


def contests(images: np.ndarray) -> list[Contest]:
    """List every extractor with its reference; those that learn are fitted to the images."""
    patches = KMeansPatches(400, n_sampled=20_000, random_state=0).fit(images)

    def ours(extractor):
        return extractor.fit(images).transform

    words = SIFTBoVW(20, n_sampled=500, random_state=0).fit(images)

    def sift(images):
        for batch in words.batch_slices(images):  # like ``transform``
            dense_sift(opencv_gray(images[batch]), bin_size=4, step=4)

    return [
        Contest(
            "hog", ours(HOG(pixels_per_cell=(8, 8))), by_skimage_hog, "skimage.feature.hog", 30
        ),
        Contest(
            "sift_bovw (descriptors)", sift, by_opencv_sift, "cv2.SIFT.compute on the same grid", 15
        ),
        Contest(
            "laplacian_pyramid",
            ours(LaplacianPyramid()),
            by_skimage_pyramid,
            "skimage.transform.pyramid_laplacian, NumPy moments",
            15,
        ),
        Contest(
            "color_histogram",
            ours(ColorHistogram()),
            by_numpy_histogram,
            "cv2.cvtColor, np.histogram per channel",
            15,
        ),
        Contest(
            "color_histogram(joint=True)",
            ours(ColorHistogram(joint=True)),
            by_numpy_joint_histogram,
            "cv2.cvtColor, np.histogramdd",
            15,
        ),
        Contest(
            "shape_histogram",
            ours(ShapeHistogram()),
            by_skimage_shape,
            "skimage sobel and moments_hu, np.histogram",
            15,
        ),
        Contest("lbp", ours(LBP()), by_skimage_lbp, "skimage.feature.local_binary_pattern", 0),
        Contest(
            "glcm", ours(GLCM()), by_skimage_glcm, "skimage.feature.graycomatrix, graycoprops", 0
        ),
        Contest("gabor", ours(Gabor()), by_skimage_gabor, "skimage.filters.gabor", 0),
        Contest(
            "kmeans_patches", patches.transform, patches_of(patches), "the definition in NumPy", 0
        ),
        Contest("gist", ours(GIST()), None, "", 0),
        Contest("pixels", ours(Pixels()), None, "", 0),
    ]


def microseconds(
    contest: Contest, images: np.ndarray, n_reference: int, rounds: int = ROUNDS
) -> tuple[float, float]:
    """Measure the minimum time per image in microseconds, alternating between both sides.

    The extractor is timed on all images, the reference on the first ``n_reference`` of them.

    Returns
    -------
    ours, reference : float
        NaN where there is no reference.
    """
    ours, theirs = [], []
    for _ in range(rounds + 1):  # the first round is a warm-up
        start = time.perf_counter()
        contest.ours(images)
        ours.append((time.perf_counter() - start) / len(images))
        start = time.perf_counter()
        if contest.reference:
            for image in images[:n_reference]:
                contest.reference(image)
            theirs.append((time.perf_counter() - start) / n_reference)
    return min(ours[1:]) * 1e6, min(theirs[1:]) * 1e6 if theirs else float("nan")


def hog_bound(images: np.ndarray) -> list[str]:
    """Compare the time of HOG with that of its steps that cannot be vectorised.

    Returns the cells of a row of a table. These steps are the votes, where the index and the
    magnitude of each are already in memory, and the writing of the features.
    """
    cell, orientations = 8, 9
    sample = images[: len(images) // 8, ..., 0].astype(np.int64)  # few, to stay in the cache
    n_rows, n_columns = (side // cell for side in sample.shape[1:])
    gradients = np.stack([np.roll(sample, -1, axis) - np.roll(sample, 1, axis) for axis in (1, 2)])
    # all rows of cells side by side: (2, row in the cell, column)
    gradients = gradients[:, :, : n_rows * cell, : n_columns * cell]
    gradients = gradients.reshape(2, len(sample) * n_rows, cell, -1).swapaxes(1, 2)
    down, along = gradients.reshape(2, cell, -1)
    index = ((down + 255) * 511 + along + 255).astype(np.uint32)
    magnitude = np.hypot(down, along).astype(np.float32)
    histograms = np.zeros((index.shape[1] // cell, orientations), np.float32)
    bins = gradient_bins(orientations)
    hog = HOG(orientations, (cell, cell)).fit(images)
    features = hog.transform(images)
    steps = [
        (lambda: hog.transform(images), len(images)),
        (lambda: add_votes(bins, index, magnitude, cell, histograms), len(sample)),
        (features.copy, len(images)),
    ]
    times = np.full((10 * ROUNDS, len(steps)), np.inf)
    for i, k in np.ndindex(times.shape):
        step, n_images = steps[k]
        start = time.perf_counter()
        step()
        times[i, k] = (time.perf_counter() - start) / n_images * 1e6
    ours, votes, writing = times.min(axis=0)
    return [f"{ours:.2f}", f"{votes:.2f}", f"{writing:.2f}", f"{ours / (votes + writing):.1f}"]


def main() -> None:
    """Measure everything and write the tables."""
    limit_process_threads()
    where = collect_environment()
    lines = [
        "# Speed of the extractors",
        "",
        wrap(
            "Written by `python tests/benchmarks/extractors.py`: microseconds per image on one "
            "thread, of the extractor for a batch and of the reference in a loop over images. "
            f"Minimum of {ROUNDS} rounds, alternating in one process, on crops of scikit-image's "
            "photographs. The time of the extractor includes the conversion of colour to gray. "
            "Bounds are the ratios that the project requires."
        ),
        "",
        wrap(
            f"{where['processor']}, Python {where['python']}, "
            + ", ".join(
                f"{name} {where['libraries'][name]}"
                for name in ("numpy", "numba", "scikit-image", "opencv-contrib-python-headless")
            )
        ),
        "",
        "| extractor | reference | images | ours, us | reference, us | ratio | bound |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    bounds = []
    for label, shape in SHAPES.items():
        images = photographs(shape, 64 if shape[0] > 32 else 512)
        bounds.append(f"| {' | '.join([label, *hog_bound(images)])} |")
        for contest in contests(images):
            ours, theirs = microseconds(contest, images, n_reference=10)
            ratio = f"{theirs / ours:.1f}" if contest.reference else ""
            reference = f"{theirs:,.0f}" if contest.reference else ""
            cells = (contest.name, contest.described, label, f"{ours:,.1f}", reference, ratio)
            lines.append(f"| {' | '.join(cells)} | {contest.bound or ''} |")
            print(lines[-1], flush=True)  # noqa: T201
    lines += [
        "",
        "## What bounds HOG",
        "",
        wrap(
            "Gradients, magnitudes, the choice of the channel and the normalisation of blocks run "
            "in vector instructions. Two steps cannot: adding each vote to one of the orientations "
            "of its cell, a load and a store whose address depends on the pixel, and writing the "
            "features to new memory. Microseconds per image as above; the votes are added with "
            "index and magnitude already in memory. The ratio is the distance from the sum of both."
        ),
        "",
        "| images | hog, us | adding votes, us | writing features, us | hog / sum of both |",
        "|---|---:|---:|---:|---:|",
        *bounds,
    ]
    print("\n".join(bounds))  # noqa: T201
    page = Path(__file__).parents[2] / "results" / "speed.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
