"""Edge directions and moments: the global shape of what an image shows."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images, to_gray

NEGLIGIBLE = 1e-30  # a Hu moment below this is rounding of a moment that is zero; its logarithm would be noise


class ShapeHistogram(Extractor):
    """Edge-direction histogram and Hu moments (Jain & Vailaya 1996): which way edges run, and how the mass lies.

    Parameters
    ----------
    bins : int
        Directions told apart over the full circle; the first bin is centred on 0 (brighter to the right), so that
        horizontal and vertical edges do not fall between two bins.
    threshold : float
        An edge pixel's gradient exceeds the image's own mean gradient by this many standard deviations; at least 0.

    Notes
    -----
    Jain, A. K. & Vailaya, A. (1996), "Image retrieval using color and shape", Pattern Recognition 29(8), 1233-1244;
    Hu, M.-K. (1962), "Visual pattern recognition by moment invariants", IRE Transactions on Information Theory 8(2).
    Changed: Sobel gradients above a threshold of each image instead of Canny's edge points, 36 bins of 10 degrees
    instead of 72 of 5, no smoothing of the histogram; Hu moments h enter as -sign(h) * log10(abs(h)) because they
    span many orders of magnitude. A flat image has no edges: its histogram is all zero.
    """

    batch_size = 64  # float64 copies of a batch stay small

    def __init__(self, bins: int = 36, threshold: float = 1.0) -> None:
        self.bins = bins
        self.threshold = threshold

    def extract(self, batch: Images) -> NDArray[np.float64]:
        """Share of the edge pixels in each direction, then the seven logarithmic Hu moments, (b, bins + 7)."""
        gray = np.rint(to_gray(batch))  # whole gray levels: gradients are exact, equal pixels have none
        return np.hstack([edge_directions(gray, self.bins, self.threshold), log_magnitude(hu_moments(gray))])

    def check_parameters(self) -> None:
        """Refuse values that are not allowed."""
        if not isinstance(self.bins, Integral) or self.bins < 1:
            raise ValueError(f"bins must be a positive integer; got {self.bins!r}")
        if not isinstance(self.threshold, Real) or not 0 <= self.threshold < np.inf:
            raise ValueError(f"threshold must be a finite number of at least 0; got {self.threshold!r}")

    def _feature_names(self) -> list[str]:
        return [f"edge_direction_{i}" for i in range(self.bins)] + [f"log_hu_{i}" for i in range(1, 8)]


def edge_directions(gray: NDArray[np.float32], bins: int, threshold: float) -> NDArray[np.float64]:
    """Histogram of gradient directions over the edge pixels of each image, (b, h, w) to (b, bins)."""
    right, down = sobel(gray)
    magnitude = np.sqrt(right**2 + down**2).reshape(len(gray), -1)
    limit = magnitude.mean(axis=1) + threshold * magnitude.std(axis=1)
    image, pixel = np.nonzero(magnitude > limit[:, None])
    angle = np.arctan2(down.reshape(len(gray), -1)[image, pixel], right.reshape(len(gray), -1)[image, pixel], dtype=np.float64)
    direction = np.rint(angle * (bins / (2 * np.pi))).astype(np.intp) % bins
    counts = np.bincount(image * bins + direction, minlength=len(gray) * bins).reshape(-1, bins)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def sobel(gray: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sobel derivatives to the right and downwards of (b, h, w), the outermost pixels repeated beyond the border."""
    padded = np.pad(gray, ((0, 0), (1, 1), (1, 1)), mode="edge")
    smooth_down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    smooth_right = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return smooth_down[:, :, 2:] - smooth_down[:, :, :-2], smooth_right[:, 2:] - smooth_right[:, :-2]


def hu_moments(gray: NDArray[np.float32]) -> NDArray[np.float64]:
    """Hu's seven invariants of each image, (b, h, w) to (b, 7); all zero for a black image."""
    nu = normalized_central_moments(gray)
    a, b = nu[:, 2, 0] - nu[:, 0, 2], 2 * nu[:, 1, 1]
    c, d = nu[:, 3, 0] - 3 * nu[:, 1, 2], 3 * nu[:, 2, 1] - nu[:, 0, 3]
    s, t = nu[:, 3, 0] + nu[:, 1, 2], nu[:, 2, 1] + nu[:, 0, 3]
    u, v = s * (s**2 - 3 * t**2), t * (3 * s**2 - t**2)
    h1, h2, h3, h4 = nu[:, 2, 0] + nu[:, 0, 2], a**2 + b**2, c**2 + d**2, s**2 + t**2
    h6 = a * (s**2 - t**2) + 2 * b * s * t
    return np.stack([h1, h2, h3, h4, c * u + d * v, h6, d * u - c * v], axis=1)


def normalized_central_moments(gray: NDArray[np.float32]) -> NDArray[np.float64]:
    """Moments nu[:, p, q] of order p in x and q in y up to 3, invariant to shift and scale, (b, h, w) to (b, 4, 4)."""
    mass = gray.astype(np.float64)
    total = np.maximum(mass.sum(axis=(1, 2)), 1.0)[:, None]  # whole gray levels: below 1 the image is black
    order = np.arange(4)
    x = np.arange(gray.shape[2]) - (mass.sum(axis=1) @ np.arange(gray.shape[2], dtype=np.float64))[:, None] / total
    y = np.arange(gray.shape[1]) - (mass.sum(axis=2) @ np.arange(gray.shape[1], dtype=np.float64))[:, None] / total
    mu = (x[..., None] ** order).transpose(0, 2, 1) @ mass.transpose(0, 2, 1) @ (y[..., None] ** order)
    return mu / total[..., None] ** (1 + (order[:, None] + order) / 2)


def log_magnitude(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed logarithm -sign(h) * log10(abs(h)); 0 where h is negligible, so always finite."""
    size = np.abs(moments)
    logarithm = np.log10(np.maximum(size, NEGLIGIBLE))
    return np.where(size > NEGLIGIBLE, -np.sign(moments) * logarithm, 0.0)
