"""Changes that a plug-in makes in its process do not affect other cells."""

import os
from pathlib import Path

import pytest

from benchmark import load_study, run
from benchmark.engine.executors import LocalExecutor
from benchmark.engine.worker import Limits
from benchmark.errors import UserError
from benchmark.results.folder import ResultsFolder

FAULTS = str(Path(__file__).parents[1] / "faults.py")
BUILT_IN = ["knn", "logistic_regression", "gaussian_nb"]
CHANGES = ["ChangesNumPy", "PatchesSklearn", "PatchesMetrics"]


def accuracies(folder, models, extractors=("pixels",), **how):
    study = load_study(
        "digits", extractors=list(extractors), models=models, split="holdout", seeds=[0, 1]
    )
    rows = run(study, folder, **how)
    rows = rows[
        rows["extractor"].eq("pixels") & rows["model"].isin([*BUILT_IN, f"{FAULTS}:Honest"])
    ]
    return rows.set_index(["model", "seed"])[["status", "accuracy"]].sort_index().to_dict("index")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Accuracies of the cells in a study of their own."""
    return accuracies(tmp_path_factory.mktemp("alone"), [*BUILT_IN, f"{FAULTS}:Honest"], jobs=1)


HOWS = [
    {"jobs": 1},
    {"scheduler": "inline"},
    {"scheduler": "local-cluster", "jobs": 1},
]


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS, ids=["local", "inline", "dask"])
def test_plug_ins_that_change_their_process_do_not_affect_other_cells(alone, tmp_path, how):
    models = [*(f"{FAULTS}:{name}" for name in CHANGES), *BUILT_IN, f"{FAULTS}:Honest"]
    extractors = [f"{FAULTS}:PatchingExtractor", "pixels"]
    assert accuracies(tmp_path, models, extractors, **how) == alone


def test_a_worker_is_kept_for_the_same_plug_in_and_replaced_for_another():
    with LocalExecutor(1, Limits()) as local:
        plugin_sets = [(), ("one",), ("one",), ("two",), (), ()]
        pids = [local.submit(os.getpid, plugins=plugins).result() for plugins in plugin_sets]
    assert pids[0] == pids[1] == pids[2], "a process that has run no plug-in may run the first one"
    assert pids[3] not in (pids[2], pids[4]), "another plug-in has another process"
    assert pids[4] == pids[5] != pids[2], "no plug-in has a process without plug-ins"


REACHES = """
import os, shutil, sqlite3
from pathlib import Path
from sklearn.dummy import DummyClassifier

FOLDER = Path(os.environ["TEST_RESULTS"])


class Overwrites(DummyClassifier):
    def fit(self, X, y):
        files = sorted((FOLDER / "predictions").glob("[!.]*.npz"))
        for file in files[1:]:
            shutil.copy(files[0], file)
        return super().fit(X, y)


class Deletes(DummyClassifier):
    def fit(self, X, y):
        for file in (FOLDER / "predictions").glob("[!.]*.npz"):
            file.unlink()
        return super().fit(X, y)


class Empties(DummyClassifier):
    def fit(self, X, y):
        with sqlite3.connect(FOLDER / "results.sqlite") as connection:
            for table in ("rows", "planned"):
                connection.execute(f"DELETE FROM {table}")
        return super().fit(X, y)
"""


@pytest.fixture
def reaching(tmp_path, monkeypatch):
    """Study of built-in models beside a model that writes into the results folder."""
    (tmp_path / "reaches.py").write_text(REACHES)
    monkeypatch.setenv("TEST_RESULTS", str(tmp_path / "out"))

    def study(name):
        models = [*BUILT_IN, f"{tmp_path / 'reaches.py'}:{name}"]
        return load_study("digits", extractors=["pixels"], models=models, split="holdout")

    return study


@pytest.mark.parametrize(("name", "n"), [("Overwrites", 2), ("Deletes", 3)])
def test_a_run_whose_predictions_a_plug_in_changed_is_an_error(reaching, name, n, tmp_path):
    with pytest.raises(
        UserError, match=f"the predictions of {n} cells are missing or were changed"
    ):
        run(reaching(name), tmp_path / "out", jobs=1)
    honest = load_study("digits", extractors=["pixels"], models=BUILT_IN, split="holdout")
    rows = run(honest, tmp_path / "out")
    for row in rows.to_dict("records"):
        stored = ResultsFolder(tmp_path / "out").read_predictions(row["key"])
        assert (stored.labels == stored.y_true).mean() == row["accuracy"], (
            "running the same command again restores the predictions"
        )


def test_a_plug_in_that_empties_the_tables_does_not_hide_that_rows_are_missing(reaching, tmp_path):
    # the row of a built-in cell may be stored after the tables were emptied
    with pytest.raises(UserError, match=r"[23] planned cells have no row, such as digits / pixels"):
        run(reaching("Empties"), tmp_path / "out", jobs=1)
