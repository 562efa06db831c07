"""Fixtures: real images, cells, and trained pipelines."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import settings

from benchmark.datasets.bundled import load_digits
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.plugins.registry import resolve_spec, takes_images, with_defaults
from benchmark.plugins.spec import Spec
from benchmark.study.axes import find_axis
from benchmark.study.cell import Cell, default_values, resolve_value
from benchmark.study.spaces import find_search_space
from benchmark.tuning.search_space import read_space

settings.register_profile("benchmark", deadline=None)  # the tests assert no times
settings.load_profile("benchmark")


def pytest_configure():
    """Let the programs that tests start end at Ctrl-C.

    A shell starts a program in the background so that it ignores SIGINT, as do its children.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits():
    """The first 300 digits."""
    whole = load_digits("digits", Path(), None)
    return replace(whole, images=whole.images[:300], targets=whole.targets[:300])


@pytest.fixture(scope="session")
def digit_images():
    """All digits, (1797, 8, 8, 1) uint8, and their labels."""
    whole = load_digits("digits", Path(), None)
    return np.array(whole.images), whole.targets


@pytest.fixture(scope="session")
def data_folder():
    """Folder with the real medical datasets; tests that need it are skipped without it."""
    folder = os.environ.get("BENCHMARK_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BENCHMARK_DATA does not name a folder with the real datasets")
    return Path(folder).resolve()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Use another cache folder than the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def make_cell():
    """Make a cell from the labels of its components."""

    def make(
        dataset,
        extractor="pixels",
        model="logistic_regression",
        strategy="none",
        split="stratified_kfold",
        fold=0,
        seed=0,
        search_spaces=MappingProxyType({}),
        **sample,
    ):
        labels = {
            "extractor": extractor,
            "model": model,
            "strategy": strategy,
            "seed": seed,
            **sample,
        }
        values = default_values() | {"dataset": Spec("digits")}
        for name, label in labels.items():
            axis = find_axis(name)
            values[name] = resolve_value(axis.kind, axis.read(label))
        if takes_images(values["model"]):
            values["extractor"] = ()
        return Cell(
            dataset.fingerprint,
            None,
            with_defaults(resolve_spec("split", Spec.parse(split))),
            fold,
            values,
            find_search_space(
                {name: read_space(space, name) for name, space in search_spaces.items()},
                *(*values["extractor"], *values["strategy"], values["model"]),
            )
            if values["tuning"].name != "none"
            else {},
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
    """Digits 0 to 3, with only three images of the digit 3."""
    threes = np.flatnonzero(digits.targets == 3)
    kept = np.setdiff1d(np.flatnonzero(digits.targets < 4), threes[3:])
    return replace(
        digits,
        images=digits.images[kept],
        targets=digits.targets[kept],
        classes=("0", "1", "2", "3"),
    )


@pytest.fixture(scope="session")
def classical(digits, make_cell):
    """Classical pipeline, trained on digits."""
    return fit_pipeline(
        make_cell(
            digits, "hog", "logistic_regression", "random_over + prior_threshold", split="holdout"
        ),
        digits,
    )


@pytest.fixture(scope="session")
def deep(digits, make_cell):
    """Pipeline with a CNN, trained on digits."""
    return fit_pipeline(make_cell(digits, model="simple_cnn(epochs=3)", split="holdout"), digits)


@pytest.fixture(scope="session")
def several_labels(digits):
    """Digits with two labels each: even, and larger than four."""
    labels = np.stack([digits.targets % 2 == 0, digits.targets > 4], axis=1).astype(np.int64)
    return replace(digits, targets=labels, classes=("even", "large"), multilabel=True)
