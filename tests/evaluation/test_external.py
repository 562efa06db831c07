"""Every trained model of a study is tested on external datasets, which nothing is learned from."""

import numpy as np
import pytest
from hospitals import DIGITS, write_hospital
from typer.testing import CliRunner

from benchmark import load_results, load_study, run
from benchmark.cli.app import app
from benchmark.datasets.base import Dataset
from benchmark.engine.merge import merge_results
from benchmark.errors import UserError
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.matrix_file import read_matrix
from benchmark.evaluation.plan import make_plan
from benchmark.pipelines.external import predict_dataset
from benchmark.pipelines.pipeline import find_single_cell, fit_pipeline
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.metrics import METRICS
from benchmark.study.load import make_study

HIGH = [i for i in range(800, 1700) if DIGITS.target[i] >= 5][:30]
LOW = [i for i in range(800, 1700) if DIGITS.target[i] < 5][:90]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folder of hospitals A, B (brighter, and with another share of the classes) and others."""
    home = tmp_path_factory.mktemp("hospitals")
    write_hospital(home / "a", range(240))
    write_hospital(home / "b", HIGH + LOW, brightness=60)
    write_hospital(home / "c", range(400, 460))
    write_hospital(home / "renamed", range(800, 900), names=("low", "High"))
    write_hospital(home / "shared", range(230, 290))
    write_hospital(home / "without_age", range(800, 840), attributes=("sex",))
    return home


def entry(home, name, options="group='patient'"):
    return f"csv:{home / name / 'cases.csv'}({options}, name='{name}')"


def study(home, *external, **replaced):
    keys = {
        "name": "hospitals",
        "datasets": entry(home, "a", "group='patient', positive='high'"),
        "external": list(external),
        "extractors": ["pixels", "pca(n_components=8)"],
        "models": ["knn", "rbf_svm"],
        "split": "stratified_kfold(folds=3)",
    }
    return make_study(keys | replaced, "test")


@pytest.fixture(scope="module")
def results(home, tmp_path_factory):
    """Rows of a study with two external datasets, and its results folder."""
    folder = tmp_path_factory.mktemp("results")
    return run(
        study(home, entry(home, "b"), entry(home, "c")), folder, scheduler="inline"
    ), ResultsFolder(folder)


def test_internal_results_are_those_of_the_study_without_external_datasets(home, results, tmp_path):
    rows, _ = results
    alone = run(study(home), tmp_path, scheduler="inline")
    labels = ["extractor", "model", "fold"]
    metrics = [name for name in METRICS if name in alone]
    for each in (rows, alone):
        each.sort_values(labels, inplace=True)
    ours, theirs = (each[metrics].to_numpy(float) for each in (rows, alone))
    assert np.array_equal(ours, theirs, equal_nan=True), "bit for bit"
    assert list(rows["n_images"]) == list(alone["n_images"]) == [240] * 12
    assert set(rows["fingerprint"]) == set(alone["fingerprint"]), "they are lines of one table"
    assert not set(rows["key"]) & set(alone["key"])


@pytest.mark.parametrize(
    ("extractor", "strategy"),
    [("pixels", "none"), ("pca(n_components=8)", "none"), ("pixels", "prior_threshold")],
)
def test_predictions_are_those_of_the_saved_pipeline_of_the_same_fold(
    home, tmp_path, extractor, strategy
):
    one = {"extractors": [extractor], "models": ["rbf_svm"], "strategies": [strategy]}
    chosen = study(home, entry(home, "b"), entry(home, "c"), **one)
    row = run(chosen, tmp_path, scheduler="inline").set_index("fold").loc[0]
    stored = ResultsFolder(tmp_path).read_predictions(row["key"], row["predictions"], external=True)
    pipeline = fit_pipeline(*find_single_cell(chosen))
    for name, positions in (("b", slice(120)), ("c", slice(120, 180))):
        (other,) = make_plan(study(home, datasets=entry(home, name))).datasets.values()
        expected = predict_dataset(pipeline, other)
        assert np.allclose(stored.proba[positions], expected.proba, rtol=0, atol=1e-6)
        assert stored.y_true[positions].tolist() == expected.y_true.tolist()


def test_nothing_is_learned_from_external_images(home, results, tmp_path):
    """Other external images give the same predictions of the test set, and of all the others."""
    rows, folder = results
    reversed_order = run(
        study(home, entry(home, "c"), entry(home, "b")), tmp_path, scheduler="inline"
    )
    for _, row in rows.iterrows():
        same = reversed_order[
            (reversed_order["extractor"] == row["extractor"])
            & (reversed_order["model"] == row["model"])
            & (reversed_order["fold"] == row["fold"])
        ].iloc[0]
        assert same["key"] != row["key"]
        for external in (False, True):
            ours = folder.read_predictions(row["key"], external=external)
            theirs = ResultsFolder(tmp_path).read_predictions(same["key"], external=external)
            order = [*range(60, 180), *range(60)] if external else range(len(ours.y_true))
            assert np.allclose(ours.proba, theirs.proba[list(order)], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("renamed", "", "'High' is unknown to 'a', 'high' has no images; give the classes the"),
        ("shared", "", "5 of its 30 groups are also in 'a' (p115, p116, p117, p118, p119); leave"),
        ("shared", "group_prefix=3", "group_prefix: 3 is no text"),
        ("b", "label='diagnosis'", "unknown column 'diagnosis'"),
        ("b", "positive='low'", "its positive class is 'low', and that of 'a' is 'high'"),
        ("without_age", "attributes=('age',)", "attributes: unknown column 'age'"),
        ("nowhere", "", "cannot open"),
        ("a", "", "two datasets are named 'a'; give each a name of its own"),
    ],
)
def test_an_external_dataset_that_does_not_fit_is_one_line(home, name, options, reason):
    given = entry(home, name, ", ".join(filter(None, ["group='patient'", options])))
    with pytest.raises(UserError) as refused:
        make_plan(study(home, given))
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_images_of_another_size_need_the_key_size(home):
    def load(name, data, size, **params):
        n = size or {"here": 8, "there": 10}[name]
        images = np.full((2, n, n, 1), len(name), np.uint8)
        return Dataset(name, images, np.array([0, 1]), ("x", "y"))

    from benchmark.datasets.external import add_external

    with pytest.raises(UserError, match="are 10x10, and those of 'here' 8x8: set the key size"):
        add_external(load("here", None, None), [load("there", None, None)])
    assert len(add_external(load("here", None, 6), [load("there", None, 6)]).images) == 4


def test_an_attribute_that_the_external_dataset_lacks_skips_only_what_uses_it(home, tmp_path):
    a = entry(home, "a", "group='patient', positive='high', attributes=('sex', 'age')")
    lacking = entry(home, "without_age", "group='patient', attributes=('sex',)")
    chosen = study(
        home,
        lacking,
        datasets=a,
        extractors=["pixels", "covariates", "covariates(columns=('sex',))"],
        models=["knn"],
        split="holdout",
    )
    rows = run(chosen, tmp_path, scheduler="inline").set_index("extractor")
    assert rows["status"].to_dict() == {
        "pixels": "ok",
        "covariates": "skipped",
        "covariates(columns=('sex',))": "ok",
    }
    assert (
        "needs 'age', of which external dataset 'without_age' has no values"
        in (rows.loc["covariates", "reason"])
    )


def test_copies_of_its_own_images_and_lacking_groups_are_noted(home, tmp_path):
    copies = f"csv:{home / 'shared' / 'cases.csv'}(name='copies')"
    chosen = study(home, copies, extractors=["pixels"], models=["knn"], split="holdout")
    (notes,) = run(chosen, tmp_path, scheduler="inline")["notes"]
    name = "external dataset 'copies'"
    assert f"leak: 10 of the images of {name} are also in 'a', pixel for pixel" in notes
    assert f"patients of 'a' in {name} would not be noticed: 'copies' has no groups" in notes


def test_patients_with_the_same_numbers_get_a_prefix(home):
    renamed = entry(home, "shared", "group='patient', group_prefix='B-'")
    with pytest.raises(UserError, match="if they are other patients with the same names, add"):
        make_plan(study(home, entry(home, "shared")))
    (dataset,) = make_plan(study(home, renamed)).datasets.values()
    assert set(dataset.groups[dataset.external == "shared"]) == {f"B-p{i}" for i in range(115, 145)}


def test_the_cost_of_a_configuration_does_not_include_external_images(home, tmp_path):
    one = {"extractors": ["hog"], "models": ["knn"], "split": "holdout"}
    (row,) = run(study(home, entry(home, "b"), **one), tmp_path, scheduler="inline").to_dict(
        "records"
    )
    (matrix,) = row["matrices"].values()
    assert matrix["n_images"] == 240
    assert row["extract_s"] == pytest.approx(matrix["seconds"])
    ((stored),) = (tmp_path / "features").glob("*.npy")
    whole = read_matrix(stored, 360)
    assert whole.description["n_images"] == 360
    assert matrix["seconds"] < whole.description["seconds"]


def test_a_tuned_network_is_tested_on_them_too(home, tmp_path):
    chosen = study(
        home,
        entry(home, "b"),
        extractors=[],
        models=["simple_cnn(epochs=1)"],
        tunings=["random(n=2)"],
        split="holdout",
        search_spaces={"simple_cnn": {"epochs": [1, 2]}},
    )
    (row,) = run(chosen, tmp_path, scheduler="inline").to_dict("records")
    assert row["status"] == "ok", row["reason"]
    stored = ResultsFolder(tmp_path).read_predictions(row["key"], row["predictions"], external=True)
    assert len(stored.y_true) == 120


def test_tuning_extracts_no_features_of_external_images(home, tmp_path):
    tuned = {"extractors": ["pca(n_components=8)"], "models": ["knn"], "tunings": ["random(n=2)"]}
    chosen = study(home, entry(home, "b"), split="holdout", **tuned)
    (row,) = run(chosen, tmp_path, scheduler="inline").to_dict("records")
    sizes = [matrix["n_images"] for matrix in row["matrices"].values()]
    assert max(sizes) == 240, "the final fit"
    assert sorted(sizes)[:-1] == [row["n_train"]] * (len(sizes) - 1), "the inner folds"


def test_the_study_file_keeps_them_and_a_second_run_computes_nothing(home, results):
    rows, folder = results
    from benchmark.study.load import load_study as load

    again = load(folder.study)
    assert again.external == study(home, entry(home, "b"), entry(home, "c")).external
    repeated = run(again, folder.path, scheduler="inline")
    assert set(repeated["ended"]) == set(rows["ended"])


def test_mistakes_on_the_test_images_are_shown_beside_external_datasets(results):
    _, folder = results
    done = CliRunner().invoke(app, ["errors", str(folder), "pixels / none / knn"])
    assert done.exit_code == 0, done.output
    assert "is wrong on" in done.output
    assert "images of 240" in done.output


def test_merged_folders_keep_external_predictions_and_compare_them(home, results, tmp_path):
    rows, folder = results
    merge_results([folder.path], tmp_path / "merged")
    for key, digest in rows[["key", "predictions"]].to_numpy():
        ResultsFolder(tmp_path / "merged").read_predictions(key, digest, external=True)
    merged = load_results(tmp_path / "merged")
    assert (
        ResultsFolder(tmp_path / "merged")
        .dataset_record(merged["external"][0])
        .with_suffix(".json")
        .exists()
    )


def test_a_cell_without_external_datasets_has_none(digits, make_cell, tmp_path):
    row = evaluate_on_dataset(make_cell(digits), digits, tmp_path)
    assert "external" not in row
    with pytest.raises(UserError, match="corrupted or truncated"):
        ResultsFolder(tmp_path).read_predictions(row["key"], external=True)


def test_a_dataset_of_the_study_may_be_replaced_and_external_ones_stay(home):
    chosen = load_study("digits", external=entry(home, "b"))
    assert [spec.name for spec in chosen.external] == [f"csv:{home / 'b' / 'cases.csv'}"]
