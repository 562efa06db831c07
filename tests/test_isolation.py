"""What a plug-in changes in its process changes no other cell."""

import os
from pathlib import Path

import pytest

from benchmark import load_study, run
from benchmark.executors import LocalExecutor
from benchmark.worker import Limits

FAULTS = str(Path(__file__).parent / "faults.py")
BUILT_IN = ["knn", "logistic_regression", "gaussian_nb"]
CHANGES = ["ChangesNumPy", "PatchesSklearn", "PatchesMetrics"]


def accuracies(folder, models, extractors=("pixels",), **how):
    study = load_study("digits", extractors=list(extractors), models=models, split="holdout", seeds=[0, 1])
    rows = run(study, folder, **how)
    rows = rows[rows["extractor"].eq("pixels") & rows["model"].isin([*BUILT_IN, f"{FAULTS}:Honest"])]
    return rows.set_index(["model", "seed"])[["status", "accuracy"]].sort_index().to_dict("index")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Accuracies of the cells in a study of their own."""
    return accuracies(tmp_path_factory.mktemp("alone"), [*BUILT_IN, f"{FAULTS}:Honest"], jobs=1)


HOWS = [{"jobs": 1}, {"scheduler": "inline"}, {"scheduler": "local-cluster", "jobs": 1}]


@pytest.mark.parametrize("how", HOWS, ids=["local", "inline", "dask"])
def test_cells_beside_plug_ins_that_change_their_process_are_as_without_them(alone, tmp_path, how):
    models = [*(f"{FAULTS}:{name}" for name in CHANGES), *BUILT_IN, f"{FAULTS}:Honest"]
    extractors = [f"{FAULTS}:PatchingExtractor", "pixels"]
    assert accuracies(tmp_path, models, extractors, **how) == alone


def test_a_worker_is_kept_for_the_same_plug_in_and_replaced_for_another():
    with LocalExecutor(1, Limits()) as local:
        ask = [(), ("one",), ("one",), ("two",), (), ()]
        pids = [local.submit(os.getpid, plugins=plugins).result() for plugins in ask]
    first, one, again, two, clean, also = pids
    assert first == one == again, "a process that has run no plug-in may run the first"
    assert two not in (one, clean)
    assert clean == also != one
