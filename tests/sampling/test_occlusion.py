"""Occlusion: which images are covered, how many pixels, and that it is reproducible."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from benchmark import load_study, run
from benchmark.errors import UserError
from benchmark.evaluation.components import build_components, train_test_indices
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.extraction import extract_features
from benchmark.evaluation.matrix_keys import MatrixNeeds
from benchmark.plugins.registry import build_component
from benchmark.reporting.occlusion_table import OcclusionTable
from benchmark.reporting.text_tables import render_tables
from benchmark.sampling.occlusion import GRAY, box_occlusion, occlude_images
from benchmark.scoring.predictions import Predictions

WHOLE = np.zeros((3, 12, 9, 1), np.uint8)
PLACES = np.array([0, 5, 7])


def covered(share, seed=0, places=PLACES, **how):
    return (
        occlude_images(WHOLE[: len(places)], places, box_occlusion(share, **how), seed)[..., 0]
        == GRAY
    )


@given(share=st.floats(0.01, 0.99), box=st.floats(0.01, 1))
def test_of_every_image_exactly_the_share_is_covered(share, box):
    assert (covered(share, box=box).sum(axis=(1, 2)) == max(1, round(share * 12 * 9))).all()


@given(shares=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)), seed=st.integers(0, 5))
def test_what_is_missing_at_a_small_share_is_missing_at_a_larger_one(shares, seed):
    small, large = (covered(share, seed) for share in sorted(shares))
    assert (large | ~small).all()


def test_the_boxes_of_an_image_depend_on_its_place_and_the_seed_alone():
    together = covered(0.3)
    for k, place in enumerate(PLACES):
        assert np.array_equal(covered(0.3, places=np.array([place]))[0], together[k])
    assert not np.array_equal(together[0], together[1])
    assert not np.array_equal(together, covered(0.3, seed=1))


def test_the_edge_is_covered_as_often_as_the_middle():
    images = np.zeros((600, 12, 12, 1), np.uint8)
    often = (occlude_images(images, np.arange(600), box_occlusion(0.25), 0)[..., 0] == GRAY).mean(
        axis=0
    )
    assert often.min() > 0.5 * often.max()


def test_images_are_covered_in_copies_and_in_all_channels():
    images = np.zeros((1, 8, 8, 3), np.uint8)
    occluded = occlude_images(images, np.array([0]), box_occlusion(0.5), 0)
    assert not images.any()
    assert set(map(tuple, occluded.reshape(-1, 3))) == {(0, 0, 0), (GRAY, GRAY, GRAY)}


@pytest.mark.parametrize(
    ("subset", "in_train", "in_test"),
    [("test", False, True), ("train", True, False), ("both", True, True)],
)
@pytest.mark.parametrize("model", ["simple_cnn(epochs=1)", "logistic_regression"])
def test_the_images_of_the_named_subset_are_covered(
    subset, in_train, in_test, model, digits, make_cell, tmp_path
):
    cell = make_cell(
        digits,
        "pixels",
        model,
        split="holdout",
        seed=3,
        occlusion=f"boxes(share=0.4, subset='{subset}')",
    )
    components = build_components(cell, digits)
    train, test = components.fold
    features = extract_features(components, tmp_path)
    for matrix, indices, is_covered in (
        (features.train, train, in_train),
        (features.test, test, in_test),
    ):
        images = digits.images[indices]
        expected = occlude_images(images, indices, box_occlusion(0.4), 3) if is_covered else images
        scaled = (
            matrix if cell.extractor == () else np.rint(matrix * (255 if matrix.max() <= 1 else 1))
        )
        assert np.array_equal(scaled.reshape(len(indices), -1), expected.reshape(len(indices), -1))


@pytest.mark.parametrize("subset", ["test", "train", "both"])
def test_an_extractor_learns_from_the_training_images_as_they_are_given(
    subset, digits, make_cell, tmp_path
):
    cell = make_cell(
        digits,
        "pca(extractor=pixels, n_components=8)",
        split="holdout",
        occlusion=f"boxes(share=0.4, subset='{subset}')",
    )
    components = build_components(cell, digits)
    train, test = components.fold
    features = extract_features(components, tmp_path)

    def occluded(indices):
        return occlude_images(digits.images[indices], indices, box_occlusion(0.4), 0)

    train_images = digits.images[train] if subset == "test" else occluded(train)
    test_images = digits.images[test] if subset == "train" else occluded(test)
    extractor = (
        build_component(cell.extractor[0])
        .set_params(random_state=cell.seed_for("extractor"))
        .fit(train_images)
    )
    assert np.array_equal(features.train, extractor.transform(train_images))
    assert np.array_equal(features.test, extractor.transform(test_images))


def test_predictions_are_those_of_a_model_that_is_asked_about_covered_images(
    digits, make_cell, tmp_path
):
    cell = make_cell(digits, "hog", "knn", split="holdout", occlusion="boxes(share=0.3)")
    row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "ok", row["reason"]
    train, test = train_test_indices(cell, digits)
    extractor, model = clone(build_component(cell.extractor[0])), build_component(cell.model)
    model.fit(extractor.fit_transform(digits.images[train]), digits.targets[train])
    expected = model.predict_proba(
        extractor.transform(occlude_images(digits.images[test], test, box_occlusion(0.3), 0))
    )
    assert np.array_equal(
        Predictions.load(tmp_path / "predictions" / f"{cell.key}.npz").proba, expected
    )


def test_cells_share_every_matrix_that_they_can(digits, make_cell):
    needs = MatrixNeeds({"digits": digits})

    def used(extractor, **axes):
        return {*needs.keys_of(make_cell(digits, extractor, **axes))}

    whole = used("hog")
    assert len(whole) == 1
    assert whole < used("hog", occlusion="boxes(share=0.3)")
    assert used("hog", occlusion="boxes(share=0.3)") == used(
        "hog", fold=1, occlusion="boxes(share=0.3)"
    )
    assert used("hog", occlusion="boxes(share=0.3)") != used(
        "hog", occlusion="boxes(share=0.3)", seed=1
    )
    assert len(used("pca(extractor=hog)", occlusion="boxes(share=0.3)")) == 2


def test_another_occlusion_is_another_cell(digits, make_cell):
    labels = [
        "none",
        "boxes(share=0.3)",
        "boxes(share=0.4)",
        "boxes(share=0.3, box=0.5)",
        "boxes(share=0.3, subset='train')",
    ]
    assert len({make_cell(digits, occlusion=label).key for label in labels}) == len(labels)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("boxes(share=1.5)", "share is a share of an image's pixels between 0 and 1, not 1.5"),
        ("boxes(share=0.1, box=0.0)", "box is a share of an image's side"),
        ("boxes(share=0.1, subset='tset')", "did you mean 'test'?"),
        (
            "boxes(share=0.1, part='test')",
            "unknown parameter of occlusion 'boxes': 'part'. Valid: box, share, subset",
        ),
        ("boxes", "needs share"),
        ("bokses(share=0.1)", "did you mean 'boxes'?"),
    ],
)
def test_an_occlusion_that_makes_no_sense_is_refused_before_anything_runs(entry, words, tmp_path):
    with pytest.raises(UserError, match=words.replace("?", r"\?")):
        run(
            load_study("digits", extractors=["pixels"], models=["knn"], occlusions=[entry]),
            tmp_path,
        )
    assert not list(tmp_path.glob("*.sqlite"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    occlusions = ["none", "boxes(share=0.1)", "boxes(share=0.5)"]
    study = load_study(
        "digits",
        extractors=["pixels", "hog"],
        models=["majority", "logistic_regression"],
        occlusions=occlusions,
        split="holdout",
    )
    return run(study, tmp_path_factory.mktemp("occlusion"))


def test_the_more_is_missing_the_worse_a_pipeline_is_and_the_table_says_by_how_much(rows):
    ((title, table),) = OcclusionTable().make_tables(rows, "accuracy")
    assert title == "digits · holdout(seed=42, test_size=0.2)"
    shown = OcclusionTable().format_table(table)
    assert list(shown)[3:] == ["none", "boxes(share=0.1)", "boxes(share=0.5)", "done"]
    hog = table[(table["extractor"] == "hog") & (table["model"] == "logistic_regression")].iloc[0]
    assert hog["none"] > hog["boxes(share=0.1)"] > hog["boxes(share=0.5)"]
    change = hog["boxes(share=0.5)"] - hog["none"]
    assert hog["change at boxes(share=0.5)"] == pytest.approx(change)
    assert table["boxes(share=0.5)"].is_monotonic_decreasing
    majority = table[table["model"] == "majority"]
    assert (majority["change at boxes(share=0.5)"] == 0).all()
    text = render_tables(rows, "md", "accuracy", "occlusion")
    assert f"{hog['boxes(share=0.5)']:.3f}, {change:+.3f}" in text


def test_a_log_loss_that_rises_changes_by_more_than_zero(rows):
    ((_, table),) = OcclusionTable().make_tables(rows, "log_loss")
    hog = table[(table["extractor"] == "hog") & (table["model"] == "logistic_regression")].iloc[0]
    change = hog["change at boxes(share=0.5)"]
    assert change == pytest.approx(hog["boxes(share=0.5)"] - hog["none"])
    assert change > 0
    text = render_tables(rows, "md", "log_loss", "occlusion")
    assert f"{hog['boxes(share=0.5)']:.3f}, {change:+.3f}" in text
    assert table["boxes(share=0.5)"].is_monotonic_increasing


def test_boxes_in_the_training_images_have_a_table_of_their_own(rows):
    train = rows[rows["occlusion"] == "boxes(share=0.5)"].assign(
        occlusion="boxes(subset='train', share=0.5)"
    )
    titles = [
        title
        for title, _ in OcclusionTable().make_tables(
            pd.concat([rows, train], ignore_index=True), "accuracy"
        )
    ]
    assert [title.rpartition(" · ")[2] for title in titles] == ["boxes", "boxes(subset='train')"]


def test_rows_that_were_never_covered_have_no_such_table(rows):
    with pytest.raises(UserError, match=r"needs rows with occlusion 'none' and with another"):
        list(OcclusionTable().make_tables(rows[rows["occlusion"] == "none"], "f1"))
