"""Models that read chunks predict the same from memory and from disk, and as scikit-learn does."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from benchmark.evaluation.components import build_components
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.extraction import extract_features
from benchmark.evaluation.feature_rows import FeatureRows
from models import chunked_logistic_regression, chunks
from models.chunked_logistic_regression import ChunkedLogisticRegression
from models.classical import logistic_regression
from models.lightgbm_boosting import LightGBM

MODELS = [
    ChunkedLogisticRegression(),
    ChunkedLogisticRegression(class_weight="balanced"),
    LightGBM(max_iter=5, random_state=0),
]


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture
def pixels(digit_images):
    """Pixels of the digits, (1797, 64) float32, and their labels."""
    images, y = digit_images
    return images.reshape(len(images), -1).astype(np.float32), y


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 70 rows, of which 210 are read at once."""
    monkeypatch.setattr(chunks, "COMPUTED", 70 * 64 * 4)
    monkeypatch.setattr(chunks, "READ", 200 * 64 * 4)


def exact_regression(C=1.0):
    model = logistic_regression(C=C, max_iter=10_000)
    return model.set_params(logisticregression__tol=1e-9)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_rows_on_disk_give_the_predictions_of_rows_in_memory(tmp_path, pixels, model):
    X, y = pixels
    order = np.random.default_rng(0).permutation(len(X))
    np.save(tmp_path / "features.npy", X[order])
    place = np.argsort(order)
    rows = FeatureRows([np.load(tmp_path / "features.npy", mmap_mode="r")], place)
    from_memory = model.fit(X[:1500], y[:1500]).predict_proba(X[1500:])
    chosen = np.arange(len(X))
    from_disk = model.fit(rows.select(chosen[:1500]), y[:1500])
    assert np.array_equal(from_disk.predict_proba(rows.select(chosen[1500:])), from_memory)


def test_chunks_are_all_rows_in_order_and_may_be_changed(pixels, small_chunks):
    X, _ = pixels
    read = []
    for rows, chunk in chunks.iterate_chunks(X):
        assert len(chunk) <= 70
        read.append(X[rows])
        assert np.array_equal(chunk, X[rows])
        chunk += 1
    assert np.array_equal(np.concatenate(read), X)
    assert X.max() == 255, "the array is not changed"


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("sample", [20_000, 600])
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_the_minimum_is_that_of_scikit_learn(
    pixels, small_chunks, monkeypatch, n_classes, sample, C
):
    monkeypatch.setattr(chunked_logistic_regression, "SAMPLED_ROWS", sample)
    X, y = pixels
    X, y = X[y < n_classes], y[y < n_classes]
    ours = ChunkedLogisticRegression(C=C).fit(X, y)
    exact = exact_regression(C).fit(X, y)
    assert np.abs(ours.predict_proba(X) - exact.predict_proba(X)).max() < 2e-3
    assert np.array_equal(ours.predict(X), exact.predict(X))
    assert ours.n_iter_ < 60


def test_large_values_and_constant_features_do_no_harm(pixels):
    X, y = pixels
    shifted = np.hstack([X + 30_000, np.full((len(X), 1), 0.1, np.float32)])
    plain, moved = (ChunkedLogisticRegression().fit(Z, y) for Z in (X, shifted))
    assert np.abs(plain.predict_proba(X) - moved.predict_proba(shifted)).max() < 1e-3
    assert plain.scale_[0] == 1, "the first pixel is always black"


def test_more_features_than_rows_or_than_are_correlated(pixels, monkeypatch):
    X, y = pixels
    exact = exact_regression().fit(X[:50], y[:50]).predict_proba(X)
    for widest in (4096, 10):
        monkeypatch.setattr(chunked_logistic_regression, "WIDEST", widest)
        ours = ChunkedLogisticRegression().fit(X[:50], y[:50]).predict_proba(X)
        assert np.abs(ours - exact).max() < 5e-3


def test_a_minimum_that_is_not_reached_is_warned_of(pixels):
    with pytest.warns(ConvergenceWarning, match="after max_iter=2 steps"):
        ChunkedLogisticRegression(max_iter=2).fit(*pixels)


@pytest.mark.parametrize("model", ["chunked_logistic_regression", "lightgbm(max_iter=5)"])
def test_a_cell_reads_features_from_disk(digits, make_cell, tmp_path, model):
    cell = make_cell(digits, "hog + pixels", model)
    features = extract_features(build_components(cell, digits), tmp_path / "cache")
    assert isinstance(features.train, FeatureRows)
    assert isinstance(features.test, FeatureRows)
    row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "ok", row["reason"]
    assert row["accuracy"] > 0.7


@pytest.mark.parametrize(
    "strategy", ["smote(k_neighbors=1)", "random_under", "class_weight", "tuned_threshold"]
)
def test_a_cell_with_a_strategy_is_evaluated_too(rare, make_cell, tmp_path, strategy):
    cell = make_cell(rare, "hog", "chunked_logistic_regression", strategy)
    row = evaluate_on_dataset(cell, rare, tmp_path)
    assert row["status"] == "ok", row["reason"]


def test_several_labels_are_in_memory(several_labels, make_cell, tmp_path):
    cell = make_cell(several_labels, "hog", "chunked_logistic_regression")
    row = evaluate_on_dataset(cell, several_labels, tmp_path)
    assert row["status"] == "ok", row["reason"]
