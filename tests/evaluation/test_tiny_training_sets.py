"""Every strategy skips training sets that are too small for it, with a reason of its own."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.datasets.bundled import load_digits
from benchmark.evaluation.components import build_strategy
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.strategies import REGISTRY

SIZES = [
    (20, 1),
    (20, 2),
    (20, 4),
    (20, 5),
    (20, 6),
    (6, 5),
    (1, 1),
    (2, 2),
    (3, 3),
    (1, 20, 2),
    (5, 4, 3),
    (20, 0),
    (1, 0),
]
LIBRARY_MESSAGES = re.compile(
    r"n_samples|n_splits|n_neighbors =|Found array|No samples will|Use SMOTE|neigbours"
    r"|BaseClassifier|cluster_balance.*clusters\\."
)


@pytest.fixture(scope="module")
def tiny():
    """Make a dataset with given numbers of training images per class, and ten test images each."""
    whole = load_digits("digits", Path(), None)

    def make(sizes):
        chosen = [np.flatnonzero(whole.targets == k)[: n + 10] for k, n in enumerate(sizes)]
        subset = np.concatenate([["train"] * n + ["test"] * 10 for n in sizes])
        indices = np.concatenate(chosen)
        return replace(
            whole,
            images=whole.images[indices],
            targets=whole.targets[indices],
            classes=tuple("abc"[: len(sizes)]),
            subset=subset,
            positive="b" if len(sizes) == 2 else None,
        )

    return make


@pytest.mark.slow
@pytest.mark.parametrize("strategy", REGISTRY)
@pytest.mark.filterwarnings("ignore")
def test_every_strategy_is_run_or_skipped_with_the_rarest_class_and_its_number_of_images(
    tiny, make_cell, tmp_path, strategy
):
    only_binary = build_strategy((resolve_spec("strategy", Spec(strategy)),), 0).needs_positive
    for sizes in [each for each in SIZES if len(each) == 2 or not only_binary]:
        data = tiny(sizes)
        model = "linear_svm" if strategy == "class_weight" else "gaussian_nb"
        row = evaluate_on_dataset(
            make_cell(data, model=model, strategy=strategy, split="official"), data, tmp_path
        )
        assert row["status"] in ("ok", "skipped"), (sizes, row["reason"])
        if row["status"] == "skipped":
            assert not LIBRARY_MESSAGES.search(row["reason"])
            assert re.search(r"'[abc]' has \d+|all \d+ are '[abc]'", row["reason"]), (
                sizes,
                row["reason"],
            )
        if min(sizes) == 0:
            assert row["status"] == "skipped"


def test_boosting_that_cannot_begin_is_skipped(tiny, make_cell, tmp_path):
    data = tiny((1, 20, 2))
    row = evaluate_on_dataset(
        make_cell(data, model="rus_boost", strategy="tuned_threshold", split="official"),
        data,
        tmp_path,
    )
    assert row["status"] == "skipped"
    assert row["reason"].startswith(
        "RUSBoostClassifier cannot learn from this training set: its first weak learner is worse "
        "than chance"
    )
    assert re.search(r"\(of \d+ training images, '[abc]' has \d+\)$", row["reason"])


@pytest.mark.parametrize("strategy", ["smote", "borderline_smote", "smote_tomek"])
def test_the_parameter_that_the_reason_advises_works(tiny, make_cell, tmp_path, strategy):
    data = tiny((20, 4))
    row = evaluate_on_dataset(
        make_cell(data, model="gaussian_nb", strategy=strategy, split="official"), data, tmp_path
    )
    assert row["reason"].endswith("'b' has 4; 3 neighbours or random_over would work")
    again = make_cell(
        data, model="gaussian_nb", strategy=f"{strategy}(k_neighbors=3)", split="official"
    )
    assert evaluate_on_dataset(again, data, tmp_path)["status"] == "ok"
