"""`plan` says how much memory the largest training set takes."""

import pytest

from benchmark import load_study
from benchmark.engine import memory_needs
from benchmark.engine.memory_needs import describe_training_memory
from benchmark.evaluation.plan import make_plan


def describe(models, extractors=("hog", "pixels + hog")):
    study = load_study(
        "digits", extractors=[*extractors], models=models, train_sizes=[100, 1.0], split="holdout"
    )
    plan = make_plan(study)
    widths = {("digits", "hog"): 40.0, ("digits", "pixels"): 200.0}
    return describe_training_memory(plan, plan.cells(), widths)


def test_a_small_training_set_is_not_mentioned():
    assert describe(["knn"]) is None


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["knn"], r"the training set of pixels + hog / knn takes 0.000345 GB"),
        (["knn", "lightgbm"], r"pixels + hog / knn takes 0.000345 GB"),
        (["simple_cnn"], r"the training set of images / simple_cnn takes 9.2e-05 GB"),
    ],
)
def test_the_largest_training_set_in_memory_is_described(monkeypatch, models, expected):
    """1,437 training images with 40 or 240 bytes of features, or 64 bytes of pixels."""
    monkeypatch.setattr(memory_needs, "WORTH_SAYING", 1e4)
    text = describe(models)
    assert expected in text
    assert ("lightgbm reads it in chunks" in text) == ("lightgbm" in models)


def test_models_that_read_chunks_hold_no_training_set(monkeypatch):
    monkeypatch.setattr(memory_needs, "WORTH_SAYING", 1.0)
    assert describe(["lightgbm", "chunked_logistic_regression"]) is None
