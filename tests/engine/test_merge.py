"""Merging results folders gives the rows of one run, or an error that names what differs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark import load_results, load_study, run
from benchmark.engine.merge import merge_results
from benchmark.errors import UserError
from benchmark.results.store import Store
from benchmark.scoring.predictions import Predictions
from benchmark.utils.hashing import digest_of_file


def run_small(folder, **axes):
    return run(
        load_study(
            "digits", **{"extractors": ["pixels"], "models": ["knn"], "split": "holdout", **axes}
        ),
        folder,
    )


def test_the_union_of_two_folders_equals_one_run_of_both(tmp_path):
    run_small(tmp_path / "a", models=["knn", "nearest_centroid"])
    run_small(tmp_path / "b", models=["gaussian_nb", "nearest_centroid"])
    assert merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out") == {
        tmp_path / "a": 2,
        tmp_path / "b": 1,
    }
    run_small(tmp_path / "one", models=["knn", "nearest_centroid", "gaussian_nb"])
    merged, one = (
        load_results(tmp_path / name).set_index("key").sort_index() for name in ("out", "one")
    )
    assert list(merged["f1"]) == list(one["f1"])
    assert list(merged["params"]) == list(one["params"])
    for path in (tmp_path / "one" / "predictions").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / "predictions" / path.name).read_bytes()
    assert (tmp_path / "out" / "leaderboard.md").is_file()
    assert set(
        run_small(tmp_path / "out", models=["knn", "nearest_centroid", "gaussian_nb"])["ended"]
    ) == set(merged["ended"]), "nothing is run again"


def test_studies_and_the_sources_of_plug_ins_are_copied(tmp_path):
    faults = Path(__file__).parents[1] / "faults.py"
    run_small(tmp_path / "a", models=[f"{faults}:Honest"])
    run_small(tmp_path / "b", models=["nearest_centroid"])
    merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    for subfolder in ("plugins", "studies"):
        files = {
            file.name: file.read_bytes()
            for name in "ab"
            for file in (tmp_path / name / subfolder).glob("*.*")
        }
        assert files
        assert files == {
            file.name: file.read_bytes() for file in (tmp_path / "out" / subfolder).glob("*.*")
        }


def test_merging_again_or_into_one_of_the_folders_changes_nothing(tmp_path):
    run_small(tmp_path / "a")
    run_small(tmp_path / "b", models=["nearest_centroid"])
    merge_results([tmp_path / "b"], tmp_path / "a")
    once = load_results(tmp_path / "a")
    assert merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "a") == {tmp_path / "b": 0}
    assert once.equals(load_results(tmp_path / "a"))


def test_a_key_with_two_outcomes_is_an_error_that_names_both(tmp_path):
    key = run_small(tmp_path / "a")["key"][0]
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    path = tmp_path / "b" / "predictions" / f"{key}.npz"
    stored = Predictions.load(path)
    Predictions(
        stored.y_true, np.roll(stored.proba, 1, axis=0), stored.classes, stored.test_index
    ).save(path)
    with Store(tmp_path / "b") as store:
        (row,) = store.rows()
        store.add_row(row | {"predictions": digest_of_file(path)}, replace=True)
    with pytest.raises(UserError, match="two outcomes") as caught:
        merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    for name in (str(tmp_path / "a"), str(tmp_path / "b"), key, "pixels / none / knn"):
        assert name in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_different_metrics_of_the_same_predictions_are_an_error_that_names_both(tmp_path):
    run_small(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with Store(tmp_path / "b") as store:
        (row,) = store.rows()
        store.add_row(row | {"f1": row["f1"] / 2}, replace=True)
    with pytest.raises(UserError, match=f"f1 {row['f1']:.6g} in .*a, {row['f1'] / 2:.6g} in .*b"):
        merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cell_that_failed_in_one_folder_only_is_an_error(tmp_path):
    run_small(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with Store(tmp_path / "b") as store:
        (row,) = store.rows()
        store.add_row(row | {"status": "timeout", "reason": "took longer"}, replace=True)
    with pytest.raises(UserError, match=r"'ok' in .*a, 'timeout' in .*b"):
        merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")


def test_a_label_whose_code_differs_is_an_error(tmp_path, plugin_text):
    plugin = tmp_path / "mine.py"
    for folder, text in (
        ("a", plugin_text),
        ("b", plugin_text.replace("* self.k", "* self.k + 1")),
    ):
        plugin.write_text(text)
        _forget_plugins()
        run_small(tmp_path / folder, extractors=[f"{plugin}:Mine"])
    with pytest.raises(UserError, match="its code, or the external datasets, differ"):
        merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")


def _forget_plugins():
    from benchmark.plugins import plugin_files, registry, source_digest

    for cached in (
        registry._describe_code,
        plugin_files.load_plugin_file,
        source_digest.digest_source,
    ):
        cached.cache_clear()


@pytest.mark.parametrize("prepare", [lambda folder: None, lambda folder: folder.mkdir()])
def test_a_folder_without_results_is_a_user_error(tmp_path, prepare):
    run_small(tmp_path / "a")
    prepare(tmp_path / "b")
    with pytest.raises(UserError, match="no results in"):
        merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_predictions_are_an_error(tmp_path):
    key = run_small(tmp_path / "a")["key"][0]
    (tmp_path / "a" / "predictions" / f"{key}.npz").unlink()
    with pytest.raises(UserError, match="is missing: run its study again"):
        merge_results([tmp_path / "a"], tmp_path / "out")


def test_merging_changes_nothing_in_its_sources(tmp_path):
    run_small(tmp_path / "a")
    run_small(tmp_path / "b", models=["nearest_centroid"])
    before = {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in tmp_path.rglob("*")
    }
    merge_results([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in before
    } == before


def test_a_source_whose_database_is_a_folder_is_an_error_and_writes_nothing(tmp_path):
    run_small(tmp_path / "a")
    (tmp_path / "a" / "results.sqlite").unlink()
    (tmp_path / "a" / "results.sqlite").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        merge_results([tmp_path / "a"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_corrupted_predictions_are_not_merged(tmp_path):
    key = run_small(tmp_path / "a")["key"][0]
    path = tmp_path / "a" / "predictions" / f"{key}.npz"
    content = bytearray(path.read_bytes())
    content[200:210] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(UserError, match="is corrupted or truncated"):
        merge_results([tmp_path / "a"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_single_folder_is_copied_and_not_merged_with_itself(tmp_path):
    run_small(tmp_path / "a")
    assert merge_results([tmp_path / "a"], tmp_path / "out") == {tmp_path / "a": 1}
    assert load_results(tmp_path / "out")["f1"].equals(load_results(tmp_path / "a")["f1"])
    before = (tmp_path / "a" / "results.sqlite").read_bytes()
    for folders in ([], [tmp_path / "a"], [tmp_path / "a", tmp_path / "a" / ".." / "a"]):
        with pytest.raises(
            UserError, match="nothing to merge: name a results folder other than --out"
        ):
            merge_results(folders, tmp_path / "a")
    with pytest.raises(UserError, match="nothing to merge"):
        merge_results([tmp_path / "none"], tmp_path / "none")
    assert (tmp_path / "a" / "results.sqlite").read_bytes() == before
    assert not (tmp_path / "none").exists()
