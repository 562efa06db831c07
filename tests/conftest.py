"""Real images for the tests, and the way to evaluate one cell of them."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from benchmark.datasets.bundled import load_digits
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.plugins.registry import resolve_spec, takes_images, with_defaults
from benchmark.plugins.spec import Spec
from benchmark.study.axes import find_axis
from benchmark.study.cell import Cell, default_values, resolve_value

settings.register_profile("benchmark", deadline=None)  # times are not what these tests promise
settings.load_profile("benchmark")


def pytest_configure():
    """Let programs that tests start end at Ctrl-C, also where this one ignores it: in the background of a shell."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits():
    """The first 300 digits."""
    whole = load_digits("digits", Path(), None)
    return replace(whole, images=whole.images[:300], targets=whole.targets[:300])


@pytest.fixture(scope="session")
def digit_images():
    """All digits as they are, (1797, 8, 8, 1) uint8, and their labels."""
    whole = load_digits("digits", Path(), None)
    return np.array(whole.images), whole.targets


@pytest.fixture(scope="session")
def data_folder():
    """Folder with the real medical sets; tests that need it are skipped where it is not."""
    folder = os.environ.get("BENCHMARK_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BENCHMARK_DATA names no folder with the real data sets")
    return Path(folder).resolve()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def make_cell():
    """Make a cell from labels."""

    def make(
        dataset,
        extractor="pixels",
        model="logistic_regression",
        strategy="none",
        split="stratified_kfold",
        fold=0,
        seed=0,
        **sample,
    ):
        entries = {
            "extractor": extractor,
            "model": model,
            "strategy": strategy,
            "seed": seed,
            **sample,
        }
        values = default_values() | {"dataset": Spec("digits")}
        for name, entry in entries.items():
            axis = find_axis(name)
            values[name] = resolve_value(axis.kind, axis.read(entry))
        if takes_images(values["model"]):
            values["extractor"] = ()
        return Cell(
            dataset.fingerprint,
            None,
            with_defaults(resolve_spec("split", Spec.parse(split))),
            fold,
            values,
        )

    return make


@pytest.fixture
def plugin_text():
    """Source of a plug-in file with one extractor, Mine."""
    return """
from features.base import Extractor

class Mine(Extractor):
    def __init__(self, k=1):
        self.k = k

    def extract(self, batch):
        return batch.reshape(len(batch), -1) * self.k
"""


@pytest.fixture
def rare(digits):
    """Digits 0 to 3 with only three images of the 3."""
    kept = np.flatnonzero(digits.targets < 4)
    threes = np.flatnonzero(digits.targets == 3)
    kept = np.setdiff1d(kept, threes[3:])
    return replace(
        digits,
        images=digits.images[kept],
        targets=digits.targets[kept],
        classes=("0", "1", "2", "3"),
    )


@pytest.fixture(scope="session")
def classical(digits, make_cell):
    return fit_pipeline(
        make_cell(
            digits, "hog", "logistic_regression", "random_over + prior_threshold", split="holdout"
        ),
        digits,
    )


@pytest.fixture(scope="session")
def deep(digits, make_cell):
    return fit_pipeline(make_cell(digits, model="simple_cnn(epochs=3)", split="holdout"), digits)


@pytest.fixture(scope="session")
def several_labels(digits):
    """Digits with two labels each: whether it is even, and whether it is above four."""
    labels = np.stack([digits.targets % 2 == 0, digits.targets > 4], axis=1).astype(np.int64)
    return replace(digits, targets=labels, classes=("even", "large"), multilabel=True)
