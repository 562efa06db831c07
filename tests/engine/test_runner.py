"""What a run writes, and what it does not run again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.data import lfw_subset
from skimage.io import imsave

import benchmark.engine.task_loop
from benchmark import load_results, load_study, run
from benchmark.datasets.bundled import load_digits
from benchmark.engine.schedule import Schedule
from benchmark.engine.task_types import CellTask
from benchmark.errors import UserError
from benchmark.reporting.leaderboard import make_leaderboards
from benchmark.scoring.metrics import compute_metrics
from benchmark.scoring.predictions import Predictions

FAKES = str(Path(__file__).parents[1] / "fakes.py")


def small(**axes):
    return load_study(
        "digits", **{"extractors": ["pixels"], "models": ["nearest_centroid", "knn"], **axes}
    )


def test_a_run_writes_rows_predictions_study_environment_and_leaderboards(tmp_path):
    rows = run(small(), tmp_path)
    assert set(rows["status"]) == {"ok"}
    assert len(rows) == 6
    files = {path.name for path in tmp_path.iterdir()}
    assert {
        "results.sqlite",
        "study.yaml",
        "environment.json",
        "leaderboard.csv",
        "leaderboard.md",
        "leaderboard.tex",
    } <= files
    assert {path.stem for path in (tmp_path / "predictions").iterdir()} == set(rows["key"])


def test_every_metric_in_a_row_is_that_of_its_stored_predictions(tmp_path):
    for row in run(small(), tmp_path).to_dict("records"):
        stored = Predictions.load(tmp_path / "predictions" / f"{row['key']}.npz")
        for name, value in compute_metrics(stored).items():
            assert row[name] == value, name


def test_a_second_run_finds_every_cell_stored(tmp_path, monkeypatch):
    first = run(small(), tmp_path)
    # evaluating again would fail
    monkeypatch.setattr(benchmark.engine.task_loop, "evaluate_cell", None)
    pd.testing.assert_frame_equal(run(small(), tmp_path), first)


def test_force_runs_stored_cells_again_and_gets_the_same(tmp_path):
    first, again = run(small(), tmp_path), run(small(), tmp_path, force=True)
    assert len(again) == len(first)
    assert list(again["f1"]) == list(first["f1"])
    assert list(again["key"]) == list(first["key"])


def test_an_interrupted_run_keeps_its_rows_and_can_be_continued(tmp_path):
    def interrupt(plan, schedule):
        def report(task, outcome):
            if len(reported) == 2:
                raise KeyboardInterrupt
            if isinstance(task, CellTask):
                reported.append(task.key)

        return report

    reported = []
    with pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path, progress=interrupt)
    half = load_results(tmp_path)
    assert list(half["status"]).count("ok") == 4, "the next cell was running"
    ((_, table),) = make_leaderboards(half, "f1")
    assert table["n_done"].sum() == 4
    assert table["n_planned"].sum() == 6
    assert (tmp_path / "leaderboard.md").is_file()
    assert set(run(small(), tmp_path)["status"]) == {"ok"}


def test_a_failing_cell_does_not_stop_the_others(tmp_path):
    rows = run(small(extractors=[f"{FAKES}:Raises", "pixels"]), tmp_path)
    assert list(rows["status"]).count("failed") == 6
    assert list(rows["status"]).count("ok") == 6


def test_two_labels_of_one_cell_are_evaluated_once(tmp_path):
    first = run(small(models=["knn"]), tmp_path)
    again = run(small(models=["knn(n_neighbors=5)"]), tmp_path)
    assert set(again["key"]) == set(first["key"])
    assert set(again["ended"]) == set(first["ended"])
    assert len(load_results(tmp_path)) == 6


def test_runs_of_other_pipelines_into_one_folder_add_up(tmp_path):
    run(small(models=["knn"]), tmp_path)
    assert len(run(small(models=["nearest_centroid"]), tmp_path)) == 3
    assert len(load_results(tmp_path)) == 6


def test_a_row_whose_predictions_are_missing_or_truncated_is_run_again(tmp_path):
    first = run(small(models=["knn"]), tmp_path)
    missing, truncated, _ = (tmp_path / "predictions" / f"{key}.npz" for key in first["key"])
    missing.unlink()
    truncated.write_bytes(truncated.read_bytes()[:100])
    again = run(small(models=["knn"]), tmp_path)
    assert list(again["f1"]) == list(first["f1"])
    assert [Predictions.load(path).proba.shape[1] for path in (missing, truncated)] == [10, 10]


def test_a_row_that_another_run_stored_meanwhile_stays(tmp_path):
    def meanwhile(plan, schedule):
        run(small(models=["nearest_centroid"]), tmp_path)
        return lambda task, outcome: None

    assert set(run(small(models=["nearest_centroid"]), tmp_path, progress=meanwhile)["status"]) == {
        "ok"
    }


def test_rows_of_changed_data_are_not_ranked_with_the_old_ones(tmp_path):
    folder = tmp_path / "images"
    for k, image in enumerate((lfw_subset()[80:120] * 255).astype(np.uint8)):
        path = folder / ("face" if k < 20 else "other") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        imsave(path, image, check_contrast=False)
    run(small(datasets=[f"folder:{folder}"]), tmp_path / "out")
    (folder / "face" / "0.png").unlink()
    run(small(datasets=[f"folder:{folder}"], models=["knn"]), tmp_path / "out")
    titles = [title for title, _ in make_leaderboards(load_results(tmp_path / "out"), "f1")]
    assert len(titles) == 2
    assert all("data " in title for title in titles)


def test_an_invalid_study_writes_nothing(tmp_path):
    out = tmp_path / "out"
    for axes in (
        {"extractors": ["hgo"]},
        {"datasets": [f"folder:{tmp_path}/none"]},
        {"models": ["knn(neighbours=3)"]},
    ):
        with pytest.raises(UserError):
            run(small(**axes), out)
    assert not out.exists()


def test_metrics_on_medmnist_equal_those_of_its_own_evaluator(tmp_path, data_folder):
    from medmnist import Evaluator

    study = small(
        # with the published order of the classes
        datasets=["breastmnist(positive='normal, benign')", "retinamnist"],
        extractors=["color_histogram", "shape_histogram"],
        models=["gaussian_nb", "knn"],
    )
    for row in run(study, tmp_path, data_folder).to_dict("records"):
        stored = Predictions.load(tmp_path / "predictions" / f"{row['key']}.npz")
        evaluator = Evaluator(row["dataset"], "test", root=str(data_folder / "medmnist"))
        auc, acc = evaluator.evaluate(stored.proba)
        assert row["auc"] == pytest.approx(auc, abs=1e-9)
        assert row["accuracy"] == pytest.approx(acc, abs=1e-9)
        assert np.array_equal(stored.y_true, evaluator.labels[:, 0])


def test_a_planned_cell_without_a_row_is_an_error(tmp_path, monkeypatch):
    # lose every cell
    monkeypatch.setattr(Schedule, "_queue_or_block_cell", lambda self, cell: None)
    with pytest.raises(
        UserError,
        match="6 planned cells have no row, such as digits / pixels / none / nearest_centroid / ",
    ):
        run(small(), tmp_path)


def test_a_row_that_could_not_be_read_again_is_stored_as_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "benchmark.scoring.metrics.compute_metrics",
        lambda stored: {"accuracy": np.arange(2), "f1": "high"},
    )
    rows = run(small(models=["knn"], split="holdout"), tmp_path)
    assert list(rows["status"]) == ["failed"]
    assert "'accuracy': Input should be a valid number" in rows["reason"][0]


def test_every_study_that_wrote_into_a_folder_is_kept(tmp_path):
    for models in (["knn"], ["nearest_centroid"], ["knn"]):
        run(small(models=models, split="holdout"), tmp_path)
    models = {
        load_study(path).models[0].name for path in (tmp_path / "studies").glob("digits-*.yaml")
    }
    assert models == {"knn", "nearest_centroid"}
    assert len(list((tmp_path / "studies").iterdir())) == 2
    assert load_study(tmp_path / "study.yaml").models[0].name == "knn"


def test_a_row_carries_licence_citation_processor_and_blas(tmp_path):
    row = run(small(models=["knn"], split="holdout"), tmp_path).iloc[0]
    digits = load_digits("digits", Path(), None)
    assert (row["licence"], row["citation"]) == (digits.licence, digits.citation)
    assert row["environment"]["processor"]
    assert all(
        blas["internal_api"] and blas["version"] and blas["architecture"]
        for blas in row["environment"]["blas"]
    )
    assert row["environment"]["blas"]


def test_the_source_of_plug_ins_is_kept_with_the_results(tmp_path, plugin_text):
    plugin = tmp_path / "mine.py"
    plugin.write_text(plugin_text + "\n    def other(self):\n        import helper\n")
    (tmp_path / "helper.py").write_text("x = 1\n")
    row = run(
        small(extractors=[f"{plugin}:Mine(k=2)"], models=["knn"], split="holdout"), tmp_path / "out"
    ).iloc[0]
    (described,) = row["params"]["extractor"]
    sources = tmp_path / "out" / "plugins"
    assert (sources / f"mine-{described['source']}.py").read_text() == plugin.read_text()
    assert (sources / f"mine-{described['source']}" / "helper.py").read_text() == "x = 1\n"
    assert len(list(sources.rglob("*.py"))) == 2, "modules of this program are not copied"
