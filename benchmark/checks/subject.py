"""What is checked, and the real images it is tried on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.bundled import load_digits
from benchmark.featurize import seeded
from benchmark.plugins import build
from benchmark.spec import Spec


@dataclass(frozen=True)
class Subject:
    """A plug-in under check.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : Spec
        Resolved.
    """

    kind: str
    spec: Spec

    def build(self) -> Any:
        """Make a new one, seeded as the harness does."""
        return seeded(build(self.spec), 0)


def some_digits(n: int = 120) -> Dataset:
    """Return the first n digits."""
    whole = load_digits("digits", Path(), None)
    return replace(whole, images=whole.images[:n].copy(), targets=whole.targets[:n].copy())


def uneven_digits(n: int = 200) -> Dataset:
    """Return the first n digits as three classes of 6, 3 and 1 digits, among which a strategy finds something to do."""
    digits = some_digits(n)
    return replace(digits, targets=np.digitize(digits.targets, [6, 9]), classes=("0-5", "6-8", "9"))


def colour_images(n: int = 12) -> NDArray[np.uint8]:
    """Colour images (n, 24, 32, 3): three digits as channels, enlarged."""
    gray = some_digits(3 * n).images[..., 0].reshape(n, 3, 8, 8).transpose(0, 2, 3, 1)
    return np.kron(gray, np.ones((1, 3, 4, 1), np.uint8))


def same(first: NDArray, second: NDArray, problem: str) -> None:
    """Assert that two arrays are equal bit for bit."""
    assert np.array_equal(np.asarray(first), np.asarray(second)), problem
