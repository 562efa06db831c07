"""Small cells, from whose times those of a plan are estimated."""

import time
from pathlib import Path

import numpy as np
import pytest

from benchmark import load_study
from benchmark.engine.extrapolation import Seconds, extrapolate
from benchmark.engine.small_cells import N_FIRST, SmallCells
from benchmark.engine.task_types import CellTask
from benchmark.evaluation.plan import make_plan

FAULTS = str(Path(__file__).parents[1] / "faults.py")


def small_cells(**axes):
    plan = make_plan(load_study("digits", **{"extractors": ["pixels"], **axes}))
    cells = {CellTask(cell).kind: cell for cell in plan.cells()}
    return SmallCells(plan, [(cell, 3) for cell in cells.values()]), [*cells.values()]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (lambda n: 0.5, 0.5),
        (lambda n: 0.1 + 0.01 * n, 0.1 + 0.01 * 4000),
        (lambda n: 1e-4 * n**2, 1e-4 * 4000**2),
    ],
    ids=["constant", "linear", "quadratic"],
)
def test_a_duration_of_known_growth_is_extrapolated(seconds, expected):
    found = extrapolate([(n, seconds(n)) for n in (60, 240, 960)], 4000, linear=False)
    assert found.middle == pytest.approx(expected, rel=0.1)
    assert found.low < expected < found.high


def test_the_range_is_wider_the_further_it_is_extrapolated_and_the_less_is_known():
    def width(times, size, linear=False):
        low, _, high = extrapolate(times, size, linear)
        return high / low

    times = [(60, 1.0), (240, 4.0)]
    assert width(times, 480) < width(times, 4800)
    assert width(times, 4800) < width(times[1:], 4800)
    assert width(times[1:], 4800, linear=True) < width(times[1:], 4800)
    assert width(times, 240) < 1.5


def test_models_and_extractors_are_measured_and_scaled_to_all_images():
    small, cells = small_cells(models=["rbf_svm", "nearest_centroid"])
    small.measure(n_workers=2, seconds=60)
    assert small.n_measured == 2
    svm, nearest_centroid = (small.estimate_cell(cell) for cell in cells)
    assert svm.middle > 5 * nearest_centroid.middle
    assert all(0 < low <= middle <= high for low, middle, high in (svm, nearest_centroid))
    seconds, mb = small.estimate_matrix("digits", "pixels", 1797)
    assert 0 < seconds.middle < 1
    assert mb == pytest.approx(1797 * 64 * 4 / 1e6)


def test_a_network_is_measured_with_few_epochs_and_scaled_to_all():
    short, (cell,) = small_cells(models=["simple_cnn(epochs=20)"])
    long, (same,) = small_cells(models=["simple_cnn(epochs=200)"])
    for small in (short, long):
        small.measure(n_workers=1, seconds=60)
    ratio = long.estimate_cell(same).middle / short.estimate_cell(cell).middle
    assert 3 < ratio < 30, "ten times the epochs"


def test_measuring_ends_in_time_and_counts_what_takes_longer_as_a_minimum():
    small, (sleeps, naive_bayes) = small_cells(models=[f"{FAULTS}:Sleeps", "gaussian_nb"])
    start = time.monotonic()
    small.measure(n_workers=2, seconds=6)
    assert time.monotonic() - start < 100, "Sleeps sleeps forever"
    assert small.is_minimum
    assert small.n_measured == 1
    assert small.estimate_cell(sleeps) == small.estimate_cell(naive_bayes)


def test_a_configuration_that_was_not_measured_takes_as_long_as_those_of_its_model():
    small, cells = small_cells(models=["knn", "nearest_centroid"], extractors=["pixels", "hog"])
    small.measure(n_workers=1, seconds=60)
    hog = next(probe for probe in small._probes if "hog" in probe.cell.identity["extractor"])
    hog.times.clear()
    small._index_estimates()
    pixels = [cell for cell in cells if cell.identity["extractor"] == "pixels"]
    middles = {cell.model.name: small.estimate_cell(cell).middle for cell in pixels}
    assert small.estimate_cell(hog.cell).middle == middles[hog.cell.model.name]


def test_a_configuration_that_fails_on_few_images_has_no_time_of_its_own():
    small, cells = small_cells(models=[f"{FAULTS}:Raises"])
    small.measure(n_workers=1, seconds=5)
    assert small.n_measured == 0
    assert small.estimate_cell(cells[0]) is None


@pytest.mark.parametrize("imbalance", ["step(ratio=1)", "step(ratio=20)"])
def test_the_first_images_are_a_stratified_sample_of_the_training_set(imbalance):
    small, _ = small_cells(models=["nearest_centroid"], imbalances=[imbalance])
    (probe,) = small._probes
    train, test = probe.fold
    targets = small._plan.datasets["digits"].targets
    assert len(np.unique(train)) == len(train)
    assert not np.intersect1d(train, test).size
    for n in (N_FIRST, 4 * N_FIRST):
        counts = np.bincount(targets[train[:n]], minlength=10)
        expected = np.bincount(targets[train], minlength=10) * n / len(train)
        assert (counts >= 2).all()
        assert np.abs(counts - expected).max() <= 4


def test_estimates_add_up():
    assert Seconds(1, 2, 3) + Seconds.exactly(1) == Seconds(2, 3, 4)
    assert 3 * Seconds(1, 2, 3) == Seconds(3, 6, 9)
