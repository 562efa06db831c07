"""A pipeline on the images of another hospital: brighter, and with other shares of the classes."""

import io

import numpy as np
import pandas as pd
import pytest
from hospitals import DIGITS, write_hospital
from sklearn.metrics import f1_score, roc_auc_score
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.datasets.base import data_folder
from benchmark.errors import UserError
from benchmark.evaluation.plan import load_dataset
from benchmark.pipelines.external import evaluate_externally, predict_dataset
from benchmark.pipelines.file import load_pipeline
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.utils.hashing import digest_of


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    """A pipeline of hospital A, and the folder of all hospitals."""
    home = tmp_path_factory.mktemp("hospitals")
    a = write_hospital(home / "a", range(400))
    high = [i for i in range(800, 1700) if DIGITS.target[i] >= 5][:60]
    low = [i for i in range(800, 1700) if DIGITS.target[i] < 5][:240]
    write_hospital(home / "b", high + low, brightness=60)
    write_hospital(home / "renamed", range(800, 900), names=("low", "High"))
    write_hospital(home / "swapped", range(800, 1000), invert=True)
    write_hospital(home / "shared", range(390, 490))
    for name, options in (("a", "(positive='high')"), ("grouped", "(group='patient')")):
        fit = ["fit", "--dataset", f"{a}{options}", "--extractor", "pixels", "--model", "rbf_svm"]
        done = CliRunner().invoke(app, [*fit, "--save", str(home / f"{name}.pipeline")])
        assert done.exit_code == 0, done.output
    return home


def load(home, name, options=""):
    spec = resolve_spec("dataset", Spec.parse(f"csv:{home / name / 'cases.csv'}{options}"))
    return load_dataset(spec, data_folder(), 8)


def test_values_are_those_of_scikit_learn_and_the_loss_is_shown(hospitals):
    pipeline, dataset = load_pipeline(hospitals / "a.pipeline"), load(hospitals, "b")
    validation = evaluate_externally(pipeline, dataset, ("f1", "auc", "log_loss"))
    truth = np.array([dataset.classes[k] == "high" for k in dataset.targets])
    score = pipeline.predict_proba(dataset.images)[:, pipeline.card.classes.index("high")]
    table = validation.table.set_index("metric")
    expected = f1_score(truth, score > 0.5, average="macro")
    assert table.loc["f1", "external"] == pytest.approx(expected)
    assert table.loc["auc", "external"] == pytest.approx(roc_auc_score(truth, score))
    assert table.loc["f1", "lower"] < expected < table.loc["f1", "upper"]
    for name, sign in (("f1", 1), ("log_loss", -1)):
        internal = pipeline.card.metrics[name]
        loss = sign * (internal - table.loc[name, "external"])
        assert table.loc[name, "loss"] == pytest.approx(loss)
        assert loss > 0, "brighter images are harder"
    assert "20.0% of 300 images are of 'high'" in validation.notes


def test_the_order_of_the_classes_does_not_matter(hospitals):
    pipeline, dataset = load_pipeline(hospitals / "a.pipeline"), load(hospitals, "b")
    assert dataset.classes != pipeline.card.classes  # alphabetical, and positive last
    predictions = predict_dataset(pipeline, dataset)
    names = [predictions.classes[k] for k in predictions.y_true]
    assert names == [dataset.classes[k] for k in dataset.targets]


def test_swapped_names_of_classes_are_asked_about(hospitals):
    pipeline, dataset = load_pipeline(hospitals / "a.pipeline"), load(hospitals, "swapped")
    notes = evaluate_externally(pipeline, dataset, ("auc",)).notes
    assert any("do the names of the classes mean the same" in note for note in notes)


def test_the_images_of_the_training_are_no_external_validation(hospitals):
    pipeline = load_pipeline(hospitals / "a.pipeline")
    spec = resolve_spec("dataset", Spec.parse(f"csv:{hospitals / 'a' / 'cases.csv'}"))
    dataset = load_dataset(spec, data_folder(), None)
    same = dataset if dataset.fingerprint == pipeline.card.fingerprint else None
    if same is None:  # the positive class is the second one there
        from benchmark.datasets.positive import with_positive_class

        same = with_positive_class(dataset, "high")
    assert "no external validation" in evaluate_externally(pipeline, same, ("f1",)).notes[0]


def test_patients_of_the_training_set_are_refused_and_others_are_not(hospitals):
    pipeline = load_pipeline(hospitals / "grouped.pipeline")
    grouped = "(group='patient')"
    known = set(pipeline.card.training_groups)
    shared = [f"p{k}" for k in range(195, 200) if digest_of(f"p{k}") in known]
    assert shared, "the training set has four fifths of the 200 patients"
    with pytest.raises(UserError) as refused:
        evaluate_externally(pipeline, load(hospitals, "shared", grouped), ("f1",))
    verb = "is" if len(shared) == 1 else "are"
    assert f"{len(shared)} of its 50 groups {verb} also in the training set" in str(refused.value)
    assert shared[0] in str(refused.value)
    others = evaluate_externally(pipeline, load(hospitals, "b", grouped), ("f1",))
    assert not any("would not be noticed" in note for note in others.notes)
    unknown = evaluate_externally(pipeline, load(hospitals, "shared"), ("f1",))
    assert any("has no groups: patients" in note for note in unknown.notes), unknown.notes


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        (
            "renamed",
            "",
            "'High' is unknown to the pipeline, 'high' has no images; give the classes",
        ),
        ("b", "(label='diagnosis')", "unknown column 'diagnosis'"),
        ("b", "(positive='low')", "its positive class is 'low', and that of the pipeline 'high'"),
        ("c", "", "cannot open"),
    ],
)
def test_what_does_not_fit_is_one_line(hospitals, name, options, reason):
    dataset = f"csv:{hospitals / name / 'cases.csv'}{options}"
    done = CliRunner().invoke(
        app, ["evaluate", str(hospitals / "a.pipeline"), "--dataset", dataset]
    )
    assert isinstance(done.exception, UserError)
    assert reason in str(done.exception)


@pytest.mark.parametrize("form", [None, "md", "csv", "latex", "json"])
def test_the_command_prints_every_format(hospitals, form):
    options = ["--format", form] if form else []
    dataset = f"csv:{hospitals / 'b' / 'cases.csv'}(positive='high')"
    command = ["evaluate", str(hospitals / "a.pipeline"), "--dataset", dataset]
    done = CliRunner().invoke(app, [*command, "--metrics", "clinical", *options])
    assert done.exit_code == 0, done.output
    assert "sensitivity" in done.output
    if form == "csv":
        table = pd.read_csv(io.StringIO(done.output)).set_index("metric")
        assert 0 <= table.loc["sensitivity", "lower"] <= table.loc["sensitivity", "external"]


def test_metrics_of_a_positive_class_need_one(hospitals):
    pipeline = load_pipeline(hospitals / "grouped.pipeline")  # fitted without positive=
    with pytest.raises(UserError, match="sensitivity needs a positive class: add positive="):
        evaluate_externally(pipeline, load(hospitals, "b"), ("sensitivity",))
    second, first = pipeline.card.classes[1], pipeline.card.classes[0]
    positive = load(hospitals, "b", f"(positive={second!r})")
    assert len(evaluate_externally(pipeline, positive, ("sensitivity",)).table) == 1
    other = load(hospitals, "b", f"(positive={first!r})")
    with pytest.raises(UserError, match="the pipeline was fitted without one; fit it again"):
        evaluate_externally(pipeline, other, ("sensitivity",))
