"""Predictions are equal bit for bit, wherever and in whatever order the cells are run."""

import os
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from benchmark import load_results, load_study, run
from benchmark.datasets.stored import open_dataset
from benchmark.engine.task_types import CellTask, MatrixTask
from benchmark.errors import StorageError, UserError

FAULTS = str(Path(__file__).parents[1] / "faults.py")


def mixed(**axes):
    """Study of components that draw random numbers or compute in threads."""
    defaults = {
        "extractors": ["hog", "sift_bovw(n_words=20) + pixels"],
        "models": [
            "logistic_regression",
            "random_forest(n_estimators=20)",
            "linear_svm",
            "simple_cnn(epochs=1)",
        ],
        "strategies": ["none", "smote"],
        "split": "holdout",
        "seeds": [0, 1],
    }
    return load_study("digits", **{**defaults, **axes})


def predictions(folder):
    return {path.name: path.read_bytes() for path in (folder / "predictions").iterdir()}


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    assert set(run(mixed(), folder, jobs=1)["status"]) == {"ok"}
    return predictions(folder)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"jobs": 4}, marks=pytest.mark.slow),
        pytest.param({"jobs": 8}, marks=pytest.mark.slow),
        {"scheduler": "inline"},
        pytest.param({"scheduler": "local-cluster", "jobs": 2}, marks=pytest.mark.slow),
    ],
    ids=["4", "8", "inline", "dask"],
)
def test_predictions_are_equal_with_every_executor(one_worker, tmp_path, how):
    rows = run(mixed(), tmp_path, **how)
    assert set(rows["status"]) == {"ok"}
    assert set(rows["threads"]) == {1}
    assert set(rows["workers"]) == {how.get("jobs", 1)}
    assert predictions(tmp_path) == one_worker


@pytest.mark.slow
def test_predictions_are_equal_when_a_run_is_resumed_in_another_order(one_worker, tmp_path):
    run(mixed(models=["simple_cnn(epochs=1)", "linear_svm"], seeds=[1]), tmp_path, jobs=2)
    run(mixed(), tmp_path, scheduler="inline")
    assert predictions(tmp_path) == one_worker


def test_a_matrix_is_computed_once_and_no_worker_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("WORK_LOG", str(tmp_path / "log"))
    ended = []
    study = load_study(
        "digits",
        extractors=[f"{FAULTS}:Constant(seconds=1.0)", "pixels"],
        models=["nearest_centroid", "knn", "gaussian_nb"],
        seeds=[0, 1],
    )
    run(
        study,
        tmp_path / "out",
        jobs=2,
        progress=lambda plan, schedule: lambda task, row: ended.append(task),
    )
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len(lines) == 4, "four batches of images, once"
    assert len({pid for _, _, pid in lines}) == 2, "both workers have extracted some of them"
    slow = next(
        k
        for k, task in enumerate(ended)
        if isinstance(task, MatrixTask) and "Constant" in task.cell.extractor[0].name
    )
    before = [task.cell.extractor[0].name for task in ended[:slow] if isinstance(task, CellTask)]
    assert "pixels" in before, "cells that did not need the matrix were run meanwhile"


@pytest.mark.parametrize(
    "extractor", ["sift_bovw(n_words=20)", "kmeans_patches(n_centroids=8, patch_size=3)", "gist"]
)
def test_a_matrix_is_the_same_whether_it_is_cut_into_parts_or_not(tmp_path, monkeypatch, extractor):
    study = load_study(
        "digits", extractors=[extractor], models=["nearest_centroid"], split="holdout"
    )
    matrices = []
    for seconds in (0.001, 1e3):  # a part per batch, and a single part
        monkeypatch.setattr("benchmark.evaluation.feature_cache.PART_SECONDS", seconds)
        run(study, tmp_path / str(seconds), scheduler="inline")
        (path,) = (tmp_path / str(seconds) / "features").glob("*.npy")
        matrices.append(np.load(path))
    assert np.array_equal(*matrices)


def test_a_worker_that_dies_in_a_part_fails_the_matrix_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("WORK_LOG", str(tmp_path / "log"))
    study = load_study(
        "digits", extractors=[f"{FAULTS}:CrashesLate"], models=["knn"], split="holdout"
    )
    (row,) = run(study, tmp_path / "out", jobs=2).to_dict("records")
    assert row["status"] == "crashed"
    assert "extracting" in row["reason"]
    assert not list((tmp_path / "out" / "features").iterdir())
    (tmp_path / "log.go").touch()
    (row,) = run(study, tmp_path / "out", jobs=2, retry=["crashed"]).to_dict("records")
    assert row["status"] == "ok", row["reason"]
    (again,) = run(study, tmp_path / "one", jobs=1).to_dict("records")
    assert row["predictions"] == again["predictions"]


@pytest.mark.slow
def test_killing_a_dask_worker_during_a_study_loses_no_cell(tmp_path, monkeypatch):
    from dask.distributed import Client, LocalCluster

    monkeypatch.setenv("WORK_LOG", str(tmp_path / "log"))
    study = load_study(
        "digits",
        extractors=["hog"],
        models=[f"{FAULTS}:Honest(seconds=0.3)", "knn"],
        seeds=[*range(10)],
        split="holdout",
    )
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        killed = []

        def kill_one(plan, schedule):
            def report(task, row):
                if isinstance(task, CellTask) and not killed:
                    killed.append(next(iter(client.run(os.getpid).values())))
                    os.kill(killed[0], 9)

            return report

        rows = run(study, tmp_path / "out", scheduler=cluster.scheduler_address, progress=kill_one)
        assert killed
        assert killed[0] not in client.run(os.getpid).values()
    assert list(rows["status"]) == ["ok"] * 20
    run(study, tmp_path / "alone", jobs=1)
    assert predictions(tmp_path / "out") == predictions(tmp_path / "alone")


def test_a_run_waits_for_a_database_that_another_program_has_locked(tmp_path):
    study = load_study(
        "digits", extractors=["pixels"], models=["nearest_centroid"], split="holdout"
    )
    run(study, tmp_path, scheduler="inline")
    other = sqlite3.connect(tmp_path / "results.sqlite", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(1.5, other.rollback).start()
    start = time.perf_counter()
    assert set(run(study, tmp_path, scheduler="inline", force=True)["status"]) == {"ok"}
    assert time.perf_counter() - start > 1
    other.close()


def test_a_database_locked_for_too_long_ends_the_run_and_keeps_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.results.database.PATIENCE", 0.3)
    study = load_study(
        "digits", extractors=["pixels"], models=["nearest_centroid", "knn"], split="holdout"
    )
    other = []

    def lock(plan, schedule):
        def report(task, row):
            if isinstance(task, CellTask) and not other:
                other.append(sqlite3.connect(tmp_path / "results.sqlite"))
                other[0].execute("BEGIN IMMEDIATE")

        return report

    with pytest.raises(StorageError, match="locked"):
        run(study, tmp_path, scheduler="inline", progress=lock)
    other[0].rollback()
    other[0].close()
    assert sorted(load_results(tmp_path)["status"]) == ["ok", "planned"]
    assert set(run(study, tmp_path, scheduler="inline")["status"]) == {"ok"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 800 kB, and a function that enlarges it."""

    def mount(options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(tmp_path / "disk")],
            check=False,
            capture_output=True,
        )

    (tmp_path / "disk").mkdir()
    if mount("size=800k").returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield tmp_path / "disk" / "out", lambda: mount("remount,size=50m")
    subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_loses_no_row(small_disk, tmp_path):
    folder, enlarge = small_disk
    study = load_study(
        "digits",
        extractors=["pixels"],
        models=["nearest_centroid", "knn"],
        split="holdout",
        seeds=[*range(40)],
    )
    with pytest.raises(StorageError, match="full"):
        run(study, folder, jobs=2)
    stored = load_results(folder).set_index("key")["status"]
    assert 0 < (stored == "ok").sum() < 80
    assert set(stored) == {"ok", "planned"}, "a full disk is not a failure of the cell"
    enlarge()
    assert set(run(study, folder, jobs=2)["status"]) == {"ok"}
    run(study, tmp_path / "roomy", jobs=2)
    assert predictions(folder) == predictions(tmp_path / "roomy")
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize(
    "harm",
    [lambda path: path.write_bytes(path.read_bytes()[:1000]), lambda path: path.unlink()],
    ids=["truncated", "missing"],
)
@pytest.mark.parametrize("suffix", ["npy", pytest.param("npz", marks=pytest.mark.slow)])
def test_shared_images_that_are_truncated_or_missing_are_written_again(tmp_path, harm, suffix):
    run(
        load_study("digits", extractors=["pixels"], models=["nearest_centroid"], split="holdout"),
        tmp_path,
        scheduler="inline",
    )
    (path,) = (tmp_path / "images").glob(f"*.{suffix}")
    harm(path)
    open_dataset.cache_clear()
    assert set(
        run(
            load_study("digits", extractors=["hog"], models=["knn"], split="holdout"),
            tmp_path,
            jobs=1,
        )["status"]
    ) == {"ok"}


def test_workers_in_another_directory_find_a_results_folder_given_by_a_relative_path(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(Path(FAULTS).read_text())
    study = load_study(
        "digits", extractors=["pixels"], models=["mine.py:Talks", "knn"], split="holdout"
    )
    rows = run(study, "out", jobs=1).set_index("model")
    assert list(rows["status"]) == ["failed", "ok"], "the first changes the working directory"
    assert len(list(Path("out/predictions").iterdir())) == 1


@pytest.mark.parametrize(
    "how",
    [
        {"retry": "memory"},
        {"retry": ["bogus"]},
        {"jobs": 0},
        {"jobs": -1},
        {"scheduler": "nonsense"},
    ],
)
def test_an_invalid_argument_of_run_is_a_user_error_and_writes_nothing(tmp_path, how):
    with pytest.raises(UserError):
        run(load_study("digits", extractors=["pixels"], models=["knn"]), tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()


def test_the_inline_scheduler_refuses_limits(tmp_path):
    with pytest.raises(UserError, match="no worker to kill"):
        run(
            load_study("digits", extractors=["pixels"], models=["nearest_centroid"], time_limit=5),
            tmp_path,
            scheduler="inline",
        )
    assert not (tmp_path / "predictions").exists()


def test_each_row_gives_the_number_of_workers_during_its_run(tmp_path):
    study = load_study(
        "digits", extractors=["pixels"], models=["nearest_centroid"], split="holdout"
    )
    run(study, tmp_path, jobs=2)
    assert list(load_results(tmp_path)["workers"]) == [2]


@pytest.mark.parametrize("how", [{"jobs": 1}, {"scheduler": "inline"}])
def test_every_epoch_of_a_network_is_logged_wherever_it_is_trained(how, tmp_path, caplog):
    caplog.set_level("INFO", "models.training")
    run(
        load_study(
            "digits", extractors=["pixels"], models=["simple_cnn(epochs=2)"], split="holdout"
        ),
        tmp_path,
        **how,
    )
    assert [text.partition(",")[0] for text in caplog.messages] == ["epoch 1 of 2", "epoch 2 of 2"]
