"""Attributes of the images as features."""

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave
from sklearn.datasets import load_digits

from benchmark import load_study, run
from benchmark.errors import UserError
from benchmark.utils.notes import NoteKind
from features.covariates import Covariates

PATIENTS = pd.DataFrame({"age": [40.0, np.nan, 60.0], "sex": ["f", "m", ""]})


def test_medians_scales_and_values_are_those_of_the_training_set():
    fitted = Covariates().fit(PATIENTS)
    assert fitted.get_feature_names_out().tolist() == [
        "age", "age_missing", "sex_f", "sex_m", "sex_missing",
    ]  # fmt: skip
    new = pd.DataFrame({"age": [70.0, np.nan], "sex": ["other", "m"]})
    features = fitted.transform(new)
    assert features.dtype == np.float32
    deviation = np.std([40, 50, 60])
    np.testing.assert_allclose(features, [[20 / deviation, 0, 0, 0, 0], [0, 1, 0, 1, 0]], rtol=1e-6)


def test_only_the_named_columns_are_used():
    assert Covariates(columns=("sex",)).fit_transform(PATIENTS).shape == (3, 3)
    assert Covariates(columns=("age",)).fit_transform(PATIENTS).shape == (3, 2)


def test_a_column_without_any_number_is_constant():
    empty = pd.DataFrame({"age": [np.nan, np.nan]})
    features = Covariates().fit_transform(empty)
    assert np.isfinite(features).all()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Digits below and from 5 on; ``hint`` tells the class of 4 in 5 images, ``tell`` of all."""
    home = tmp_path_factory.mktemp("covariates")
    digits, rng, lines = load_digits(), np.random.default_rng(0), ["image,label,hint,tell,noise"]
    for i in range(300):
        pixels = np.rint(digits.images[i] * 15.9).astype(np.uint8)
        imsave(home / f"{i}.png", pixels, check_contrast=False)
        high = bool(digits.target[i] >= 5)
        hint = high if rng.random() < 0.8 else not high
        lines.append(f"{i}.png,{'high' if high else 'low'},{hint:d},{high},{rng.random():.3f}")
    (home / "cases.csv").write_text("\n".join(lines))
    return home


def run_study(home, out, extractors, attributes="('hint', 'tell', 'noise')", **axes):
    named = f"csv:{home / 'cases.csv'}(name='digits', attributes={attributes})"
    axes = {"models": ["logistic_regression"], "split": "stratified_kfold(folds=2)", **axes}
    study = load_study("digits", datasets=[named], extractors=extractors, **axes)
    return run(study, home / out, scheduler="inline")


def test_covariates_images_and_both_are_compared_in_one_table(dataset):
    hint = "covariates(columns=('hint',))"
    rows = run_study(dataset, "out", [hint, "pixels", f"pixels + {hint}"])
    auc = rows.groupby("extractor")["auc"].mean()
    assert rows["status"].eq("ok").all()
    assert 0.7 < auc[hint] < 0.9
    assert auc[f"pixels + {hint}"] > max(auc[hint], auc["pixels"])


def test_covariates_that_give_the_class_away_are_noted(dataset):
    rows = run_study(dataset, "telling", ["covariates(columns=('tell',))"])
    for notes in rows["notes"]:
        (note,) = [note for note in notes if "covariates alone" in note]
        assert note.kind == NoteKind.LEAK


def test_changed_values_of_a_used_attribute_are_other_cells(dataset):
    table = dataset / "cases.csv"
    text = table.read_text()
    noise = ["covariates(columns=('noise',))", "pixels"]
    before = run_study(dataset, "keys", noise).set_index("extractor")["key"]
    first, line, *others = text.split("\n")
    table.write_text("\n".join([first, line.rpartition(",")[0] + ",0.5", *others]))
    try:
        after = run_study(dataset, "keys", noise).set_index("extractor")["key"]
    finally:
        table.write_text(text)
    assert set(before["pixels"]) == set(after["pixels"])
    assert not set(before[noise[0]]) & set(after[noise[0]])


@pytest.mark.parametrize(
    ("attributes", "extractor", "reason"),
    [
        ("()", "covariates", "the dataset has no attributes: add attributes="),
        (
            "('hint',)",
            "covariates(columns=('age',))",
            "the dataset has no attribute 'age': add attributes=('age',)",
        ),
    ],
)
def test_missing_attributes_skip_the_cell_with_the_reason(
    dataset, tmp_path, attributes, extractor, reason
):
    rows = run_study(dataset, tmp_path / "out", [extractor], attributes)
    assert rows["status"].eq("skipped").all()
    assert reason in rows["reason"].iloc[0]


def test_the_label_is_not_an_attribute(dataset, tmp_path):
    with pytest.raises(UserError, match="attributes: 'label' is the label"):
        run_study(dataset, tmp_path / "out", ["covariates"], "('label',)")
