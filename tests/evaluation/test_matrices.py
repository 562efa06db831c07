"""Feature matrices have the rows that cells need, each the same in whatever company."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import benchmark.evaluation.feature_cache
from benchmark import load_study, run
from benchmark.errors import StorageError
from benchmark.evaluation.components import build_components
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.image_batches import EMPTY, cut_into_batches, fill_batch
from benchmark.evaluation.matrix_file import read_matrix
from benchmark.evaluation.matrix_keys import MatrixNeeds, required_rows
from benchmark.scoring.predictions import Predictions

FAKES = str(Path(__file__).parents[1] / "fakes.py")


def stored_matrix(folder, n_images):
    (path,) = (folder / "features").glob("*.npy")
    return read_matrix(path, n_images)


def proba(folder, row):
    return Predictions.load(folder / "predictions" / f"{row['key']}.npz").proba


@pytest.mark.parametrize(("n_images", "most"), [(1, 5), (7, 3), (8, 5), (300, 64), (1797, 512)])
def test_every_image_is_in_one_batch_at_a_place_that_depends_on_it_alone(n_images, most):
    rng = np.random.default_rng(0)
    for m in {1, n_images // 3 + 1, n_images}:
        indices = np.sort(rng.permutation(n_images)[:m])
        batches = cut_into_batches(indices, n_images, most)
        assert batches.shape[1] <= most
        assert np.array_equal(np.sort(batches[batches != EMPTY]), indices)
        _, place = np.nonzero(batches != EMPTY)
        assert np.array_equal(place, batches[batches != EMPTY] % batches.shape[1])
        for batch in batches:
            assert np.isin(fill_batch(batch), indices).all()


@pytest.mark.parametrize("n_images", [1, 300, 513, 1797, 60_000])
def test_all_images_of_a_dataset_fill_their_batches(n_images):
    batches = cut_into_batches(np.arange(n_images), n_images, 512)
    assert len(batches) == -(-n_images // 512)
    assert (batches == EMPTY).sum() < len(batches)


def test_only_the_features_of_used_images_are_computed(digits, make_cell, tmp_path):
    cell = make_cell(digits, "hog", "knn", split="holdout", train_size=50)
    row = evaluate_on_dataset(cell, digits, tmp_path)
    train, test = build_components(cell, digits).fold
    stored = stored_matrix(tmp_path, len(digits.images))
    assert np.array_equal(np.flatnonzero(stored.computed), np.union1d(train, test))
    assert not stored.values[~stored.computed].any()
    (matrix,) = row["matrices"].values()
    assert matrix["n_images"] == 50 + 60
    assert matrix["mb"] == pytest.approx(110 * 4 * stored.values.shape[1] / 1e6)


def test_a_run_computes_the_images_of_all_of_its_cells_at_once(tmp_path):
    study = load_study(
        "digits", extractors=["pixels"], models=["knn"], train_sizes=[30, 60], split="holdout"
    )
    rows = run(study, tmp_path)
    assert set(rows["status"]) == {"ok"}
    assert [next(iter(used.values()))["n_images"] for used in rows["matrices"]] == [60 + 360] * 2
    assert stored_matrix(tmp_path, 1797).computed.sum() == 60 + 360


@pytest.mark.parametrize("extractor", [f"{FAKES}:DependsOnPlace", "hog", "pca(n_components=4)"])
@pytest.mark.parametrize("extended", [True, False])
def test_a_cell_alone_equals_the_same_cell_with_a_matrix_that_has_other_rows(
    digits, make_cell, tmp_path, extractor, extended
):
    """The noise of DependsOnPlace is part of the features of an image, and the same in both."""
    cell = make_cell(digits, extractor, split="holdout", train_size=50)
    alone = evaluate_on_dataset(cell, digits, tmp_path / "alone")
    other = make_cell(digits, extractor, split="holdout", train_size=50 if extended else 90)
    evaluate_on_dataset(other, digits, tmp_path / "company")
    larger = make_cell(digits, extractor, split="holdout", train_size=90)
    evaluate_on_dataset(larger, digits, tmp_path / "company")
    company = evaluate_on_dataset(cell, digits, tmp_path / "company")
    assert alone["status"] == "ok", alone["reason"]
    assert proba(tmp_path / "alone", alone).tobytes() == (
        proba(tmp_path / "company", company).tobytes()
    )


def test_missing_rows_are_added_and_the_others_kept(digits, make_cell, tmp_path, monkeypatch):
    extracted = []
    extract = benchmark.evaluation.feature_cache.extract_batch
    for module in (benchmark.evaluation.feature_cache, benchmark.evaluation.matrix_parts):
        monkeypatch.setattr(
            module,
            "extract_batch",
            lambda *args: (extracted.append(args[3][args[3] != EMPTY]), extract(*args))[1],
        )
    small, large = (
        make_cell(digits, "hog", "knn", split="holdout", train_size=size) for size in (50, 90)
    )
    first = evaluate_on_dataset(small, digits, tmp_path)
    before = stored_matrix(tmp_path, 300)
    extracted.clear()
    second = evaluate_on_dataset(large, digits, tmp_path)
    after = stored_matrix(tmp_path, 300)
    assert np.array_equal(
        np.sort(np.concatenate(extracted)), np.flatnonzero(after.computed & ~before.computed)
    )
    assert np.array_equal(after.values[before.computed], before.values[before.computed])
    (one,), (both,) = first["matrices"].values(), second["matrices"].values()
    assert (one["n_images"], both["n_images"]) == (110, 150)
    assert both["seconds"] > one["seconds"] > 0


def test_times_from_the_cache_are_those_of_the_computation(
    digits, make_cell, tmp_path, monkeypatch
):
    first = evaluate_on_dataset(make_cell(digits, "sift_bovw", "majority"), digits, tmp_path)
    # computing again would fail
    monkeypatch.setattr(benchmark.evaluation.feature_cache, "start_matrix", None)
    second = evaluate_on_dataset(make_cell(digits, "sift_bovw", "knn"), digits, tmp_path)
    assert second["extract_s"] == first["extract_s"] > 0


@pytest.mark.parametrize("kept", [0, 0.001, 0.5, 0.99])
def test_a_truncated_feature_file_is_computed_again(digits, make_cell, tmp_path, kept):
    first = evaluate_on_dataset(make_cell(digits, "hog", "knn"), digits, tmp_path)
    (path,) = (tmp_path / "features").glob("*.npy")
    whole, matrix = path.read_bytes(), np.array(np.load(path))
    path.write_bytes(whole[: int(kept * len(whole))])
    before = proba(tmp_path, first)
    again = evaluate_on_dataset(make_cell(digits, "hog", "knn"), digits, tmp_path)
    assert np.array_equal(proba(tmp_path, again), before)
    assert np.array_equal(np.load(path), matrix)
    assert read_matrix(path, len(digits.images)).computed.all()


@pytest.mark.parametrize("broken", [b"{}", b"[]", b"", b'{"shape": [3, 3], "seconds": 1}', b"\xff"])
def test_a_feature_file_with_a_wrong_description_is_computed_again(
    digits, make_cell, tmp_path, broken
):
    first = evaluate_on_dataset(make_cell(digits, "hog", "knn"), digits, tmp_path)
    (path,) = (tmp_path / "features").glob("*.npy")
    values = np.array(np.load(path))  # no memory map of the file that is now written
    with path.open("wb") as file:
        for array in (values, np.ones(len(values), bool), np.frombuffer(broken, np.uint8)):
            np.save(file, array)
    assert read_matrix(path, len(digits.images)) is None
    again = evaluate_on_dataset(make_cell(digits, "hog", "knn"), digits, tmp_path)
    assert again["status"] == "ok", again["reason"]
    assert again["f1"] == first["f1"]


def test_the_validation_set_is_extracted_only_if_it_may_be_used(digits, make_cell):
    subset = np.array(["train", "train", "val", "test"])[np.arange(len(digits.images)) % 4]
    official = replace(digits, subset=subset)

    def needed(strategy):
        cell = make_cell(official, "hog", "knn", strategy, split="official")
        return {*subset[required_rows(build_components(cell, official), 0)]}

    assert needed("none") == needed("smote") == {"train", "test"}
    assert needed("tuned_threshold") == needed("smote + tuned_threshold") == {*subset}


def test_the_matrix_of_changed_test_images_has_no_training_images(digits, make_cell):
    needs = MatrixNeeds({"digits": digits})
    cell = make_cell(digits, "hog", "knn", occlusion="boxes(share=0.3)")
    needs.add_cell(cell)
    train, test = build_components(cell, digits).fold
    plain, occluded = (np.flatnonzero(need.rows) for need in needs)
    assert np.array_equal(plain, train)
    assert np.array_equal(occluded, test)


def test_the_images_that_several_cells_need_are_one_union(digits, make_cell):
    needs = MatrixNeeds({"digits": digits})
    for fold in range(3):
        needs.add_cell(make_cell(digits, "hog", "knn", fold=fold, train_size=20))
    (need,) = needs
    folds = [
        build_components(make_cell(digits, fold=fold, train_size=20), digits).fold
        for fold in range(3)
    ]
    assert np.array_equal(np.flatnonzero(need.rows), np.unique(np.concatenate(sum(folds, ()))))


def test_features_of_unequal_length_fail_in_place_of_overwriting_other_rows(
    digits, make_cell, tmp_path
):
    cell = make_cell(digits, f"{FAKES}:UnequalBatches", "knn")
    row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "failed"
    assert "all images must have the same number" in row["reason"]
    assert not list((tmp_path / "features").glob("*.npy"))


def test_a_matrix_that_cannot_be_read_after_it_was_written_fails(
    digits, make_cell, tmp_path, monkeypatch
):
    monkeypatch.setattr(benchmark.evaluation.feature_cache, "read_covering_matrix", lambda *_: None)
    with pytest.raises(StorageError, match=r"cannot read .* after it was written"):
        evaluate_on_dataset(make_cell(digits, "pixels", "knn"), digits, tmp_path)
