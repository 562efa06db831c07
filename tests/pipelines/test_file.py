"""A saved pipeline is loaded unchanged, contains no pickle, and is refused if it was modified."""

import json
import os
import pickle
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from optional_packages import names_to_test
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

import features
import models
from benchmark.errors import UserError
from benchmark.evaluation.components import train_test_indices
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.pipelines import file, saving
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import parse_sum
from benchmark.scoring.metrics import compute_metrics
from benchmark.scoring.predictions import Predictions
from benchmark.utils.threads import limited_threads

QUICK = {
    "autoencoder": "autoencoder(epochs=1)",
    "cnn_embedding": "cnn_embedding(estimator=fast_resnet(epochs=1))",
    "fast_resnet": "fast_resnet(epochs=1)",
    "kmeans_patches": "kmeans_patches(n_centroids=20)",
    "one_vs_rest": "one_vs_rest(estimator=rbf_svm)",
    "pca": "pca(extractor=hog)",
    "resnet18": "resnet18(epochs=1, batch_size=200)",
    "resnet50": "resnet50(epochs=1, batch_size=200)",
    "sift_bovw": "sift_bovw(n_words=20)",
    "simple_cnn": "simple_cnn(epochs=1, loss='ldam', max_side=6)",
}


def read_back(pipeline, tmp_path):
    saving.save_pipeline(pipeline, tmp_path / "it.pipeline")
    return file.load_pipeline(tmp_path / "it.pipeline")


@pytest.mark.parametrize("name", names_to_test(features.REGISTRY))
def test_every_extractor_is_loaded_unchanged(name, small_digits, make_cell, tmp_path):
    pipeline = fit_pipeline(
        make_cell(small_digits, QUICK.get(name, name), "gaussian_nb", split="holdout"), small_digits
    )
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(
        again.predict_proba(small_digits.images), pipeline.predict_proba(small_digits.images)
    )
    assert again.card.model_dump_json() == pipeline.card.model_dump_json()


@pytest.mark.parametrize(
    ("extractor", "model"),
    [
        ("pixels", "one_vs_rest(estimator=knn)"),
        ("pixels", "one_vs_rest(estimator=gradient_boosting(max_iter=2))"),
        ("pca(extractor=sift_bovw(n_words=5), n_components=3)", "gaussian_nb"),
        ("pca(extractor=kmeans_patches(n_centroids=5), n_components=3)", "gaussian_nb"),
    ],
)
def test_estimators_with_unfitted_estimators_inside_are_loaded_unchanged(
    extractor, model, small_digits, make_cell, tmp_path
):
    pipeline = fit_pipeline(
        make_cell(small_digits, extractor, model, split="holdout"), small_digits
    )
    assert np.array_equal(
        read_back(pipeline, tmp_path).predict_proba(small_digits.images),
        pipeline.predict_proba(small_digits.images),
    )


EXPENSIVE = {"resnet50", "easy_ensemble", "balanced_random_forest", "gradient_boosting"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in EXPENSIVE else [])
        for name in models.REGISTRY
        if name != "lightgbm"
    ],
)
def test_every_model_is_loaded_unchanged(name, small_digits, make_cell, tmp_path):
    pipeline = fit_pipeline(
        make_cell(small_digits, "pixels", QUICK.get(name, name), split="holdout"), small_digits
    )
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(
        again.predict_proba(small_digits.images), pipeline.predict_proba(small_digits.images)
    )


def test_a_model_whose_library_reads_its_own_file_format_is_refused(
    small_digits, make_cell, tmp_path
):
    pipeline = fit_pipeline(
        make_cell(small_digits, "pixels", "lightgbm(max_iter=2)", split="holdout"), small_digits
    )
    with pytest.raises(UserError, match=r"lightgbm\.basic\.Booster, a type that is not trusted"):
        read_back(pipeline, tmp_path)


@pytest.mark.parametrize(
    "strategy",
    [
        "smote_enn",
        "class_weight",
        "prior_threshold",
        "tuned_threshold",
        "random_over + prior_threshold",
        "random_over + prior_correction",
        "temperature",
        "isotonic",
    ],
)
def test_a_file_contains_the_adjustments_of_a_strategy_and_not_its_samplers(
    strategy, rare, make_cell, tmp_path
):
    if strategy == "smote_enn":
        strategy = "smote_enn(k_neighbors=1)"
    pipeline = fit_pipeline(
        make_cell(rare, "pixels", "logistic_regression", strategy, split="holdout"), rare
    )
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(rare.images), pipeline.predict_proba(rare.images))
    assert "imblearn" not in " ".join(
        type(part).__module__ for part in vars(again.strategy).values()
    )


@pytest.mark.parametrize(
    ("extractor", "model"), [("pixels", "rbf_svm"), ("", "simple_cnn(epochs=1)")]
)
def test_a_multi_label_pipeline_is_loaded_unchanged(
    extractor, model, several_labels, make_cell, tmp_path
):
    pipeline = fit_pipeline(
        make_cell(several_labels, extractor or "pixels", model, split="holdout"), several_labels
    )
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(
        again.predict_proba(several_labels.images), pipeline.predict_proba(several_labels.images)
    )


@pytest.mark.parametrize(
    ("extractor", "model", "strategy"),
    [("hog + pixels", "rbf_svm", "smote"), ("pixels", "simple_cnn(epochs=2)", "none")],
)
def test_the_metrics_in_a_file_equal_those_of_the_same_cell_in_a_leaderboard(
    extractor, model, strategy, digits, make_cell, tmp_path
):
    cell = make_cell(digits, extractor, model, strategy, split="holdout")
    with limited_threads():  # as a worker has them
        row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "ok"
    metrics = fit_pipeline(cell, digits).card.metrics
    assert metrics == {name: row[name] for name in metrics}


def test_a_file_contains_no_pickle_and_states_its_origin(classical, deep, tmp_path):
    for pipeline in (classical, deep):
        saving.save_pipeline(pipeline, tmp_path / "it.pipeline")
        with zipfile.ZipFile(tmp_path / "it.pipeline") as archive:
            names = archive.namelist()
            card = json.loads(archive.read("card.json"))["card"]
        assert {name.rpartition(".")[2] for name in names} <= {"json", "skops", "safetensors"}
        assert card["classes"] == [str(k) for k in range(10)]
        assert card["environment"]["libraries"]["scikit-learn"]
        assert card["params"]["model"]["source"]


def test_saving_does_not_change_the_pipeline(deep, digits, tmp_path):
    before = deep.predict_proba(digits.images[:9])
    saving.save_pipeline(deep, tmp_path / "it.pipeline")
    assert np.array_equal(deep.predict_proba(digits.images[:9]), before)


# files that are refused


def parts_of(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts, fix_digests=True):
    """Zip of members, by default with digests that match them, as an attacker could write it."""
    if fix_digests:
        card = json.loads(parts["card.json"])
        card["files"] = {
            name: file._digest_bytes(content)
            for name, content in parts.items()
            if name != "card.json"
        }
        parts = {**parts, "card.json": json.dumps(card).encode()}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Evil:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def refusal(content):
    with pytest.raises(UserError) as caught:
        file.deserialize_pipeline(content, "it.pipeline")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"a": 1}), b"\x89PNG\r\n"])
def test_another_kind_of_file_is_not_a_pipeline(content):
    assert "is not a pipeline; python -m benchmark fit" in refusal(content)


def test_a_zip_of_something_else_is_refused(tmp_path):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.pkl", pickle.dumps(Evil()))
    assert "not of a pipeline" in refusal(buffer.getvalue())


def test_a_type_that_is_not_trusted_is_named_and_not_instantiated(classical, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    parts = parts_of(file.serialize_pipeline(classical))
    for hostile in (Evil(), os.system, pickle.loads, replace):
        message = refusal(packed({**parts, "model.skops": skops.io.dumps(hostile)}))
        assert "not trusted" in message or "refused" in message
    assert not (tmp_path / "hacked").exists()


def test_a_member_that_was_exchanged_is_refused(classical, deep):
    parts = parts_of(file.serialize_pipeline(classical))
    other = parts_of(file.serialize_pipeline(deep))["model.skops"]
    assert "model.skops is missing, corrupted, or changed" in refusal(
        packed({**parts, "model.skops": other}, fix_digests=False)
    )
    assert "refused" in refusal(packed({**parts, "model.skops": other}))


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["a", "b"]},
        {"classes": []},
        {"image_shape": [8, 8, 3]},
        {"image_shape": [10**9, 8, 1]},
        {"format": 2},
        {"percentiles": [50, 10]},
        {"max_pixels": 0},
        {"more": 1},
        {"classes": ["a"] * 10},
        {"metrics": {"accuracy": float("nan")}},
        {"multilabel": "perhaps"},
    ],
)
def test_an_invalid_card_is_refused(change, classical):
    parts = parts_of(file.serialize_pipeline(classical))
    card = json.loads(parts["card.json"])
    card["card"] |= change
    assert "refused" in refusal(packed({**parts, "card.json": json.dumps(card).encode()}))


def test_an_old_file_without_max_pixels_has_the_default(classical):
    parts = parts_of(file.serialize_pipeline(classical))
    card = json.loads(parts["card.json"])
    del card["card"]["max_pixels"]
    assert (
        file.deserialize_pipeline(
            packed({**parts, "card.json": json.dumps(card).encode()}), "it"
        ).card.max_pixels
        == 90_000_000
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"seed": "many"},
            "its card, field seed must be a valid integer, unable to parse string as an integer, "
            "not 'many'",
        ),
        (
            {"image_shape": [8, 4096, 1]},
            "its card, field image_shape.1 must be at most 2048, not 4096",
        ),
        ({"owner": "me"}, "its card, field owner is unknown"),
        ({"classes": ["a", "a"]}, "its card is not valid: two classes have the same name"),
    ],
)
def test_an_invalid_field_of_a_card_is_named(change, says, classical):
    parts = parts_of(file.serialize_pipeline(classical))
    card = json.loads(parts["card.json"])
    card["card"] |= change
    assert says in refusal(packed({**parts, "card.json": json.dumps(card).encode()}))


def test_weights_that_are_missing_or_of_another_network_are_refused(deep, digits, make_cell):
    parts = parts_of(file.serialize_pipeline(deep))
    other = parts_of(
        file.serialize_pipeline(
            fit_pipeline(make_cell(digits, model="fast_resnet(epochs=1)", split="holdout"), digits)
        )
    )
    assert "refused" in refusal(
        packed({**parts, "network_0.safetensors": other["network_0.safetensors"]})
    )
    del parts["network_0.safetensors"]
    assert "refused" in refusal(packed(parts))


def test_a_file_that_unpacks_to_too_much_is_refused(classical, monkeypatch):
    content = file.serialize_pipeline(classical)
    monkeypatch.setattr(file, "MAX_BYTES", 1000)
    assert "longer than the file" in refusal(content)


@given(where=st.floats(0, 1), bit=st.integers(0, 7))
def test_whatever_bit_is_flipped_the_file_is_refused_or_predicts_as_before(
    where, bit, classical, digits
):
    content = bytearray(file.serialize_pipeline(classical))
    content[int(where * (len(content) - 1))] ^= 1 << bit
    try:
        read_proba = file.deserialize_pipeline(bytes(content), "it.pipeline").predict_proba(
            digits.images[:3]
        )
    except UserError:
        return
    assert np.array_equal(read_proba, classical.predict_proba(digits.images[:3]))


@given(share=st.floats(0, 0.999))
def test_half_a_file_is_refused(share, classical):
    content = file.serialize_pipeline(classical)
    assert refusal(content[: int(share * len(content))])


def trained(name, small_digits, make_cell, extractor="pixels"):
    return fit_pipeline(make_cell(small_digits, extractor, name, split="holdout"), small_digits)


def without_widths(part):
    """Delete the numbers of features, as somebody could to make native code read wrong memory."""
    for estimator in (part, *getattr(part, "estimators_", ())):
        vars(estimator).pop("n_features_in_", None)


def tree_changed(model, field, value):
    for estimator in model.estimators_:
        state = estimator.tree_.__getstate__()
        state["nodes"][field][0] = value
        estimator.tree_.__setstate__(state)


def rf_feature(model):
    tree_changed(model, "feature", 10**9)


def rf_feature_without_widths(model):
    tree_changed(model, "feature", 10**9)
    without_widths(model)


def rf_child(model):
    tree_changed(model, "left_child", 10**6)


def rf_circle(model):
    tree_changed(model, "left_child", 0)


def rf_half_a_leaf(model):
    tree = model.estimators_[0].tree_
    state = tree.__getstate__()
    leaf = int(np.flatnonzero(tree.children_left == -1)[0])
    state["nodes"]["right_child"][leaf] = 10**6
    tree.__setstate__(state)


def hgb(field, value):
    def change(model):
        model._predictors[0][0].nodes[field][0] = value

    return change


def hgb_without_widths(model):
    hgb("feature_idx", 10**6)(model)
    vars(model).pop("n_features_in_")


def svm(name, cut):
    def change(model):
        machine = model.calibrated_classifiers_[0].estimator
        setattr(machine, name, cut(getattr(machine, name)))

    return change


def knn_columns(model):
    model[-1]._fit_X = np.ascontiguousarray(model[-1]._fit_X[:, :2])


def knn_labels(model):
    model[-1]._y = model[-1]._y + 100


FOREST, BOOSTED, SVM, KNN = (
    "random_forest(n_estimators=2)",
    "gradient_boosting(max_iter=2)",
    "SVC",
    "knn",
)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *(
            (FOREST, change)
            for change in (
                rf_feature,
                rf_feature_without_widths,
                rf_child,
                rf_circle,
                rf_half_a_leaf,
            )
        ),
        *(
            (BOOSTED, hgb(*change))
            for change in (
                ("left", 0),
                ("right", 10**6),
                ("feature_idx", 10**6),
                ("is_categorical", 1),
            )
        ),
        (BOOSTED, hgb_without_widths),
        (SVM, svm("_intercept_", lambda values: values[:1])),
        (SVM, svm("support_vectors_", lambda values: np.ascontiguousarray(values[:, :2]))),
        (SVM, svm("support_vectors_", lambda values: values[:3])),
        (SVM, svm("_dual_coef_", lambda values: np.ascontiguousarray(values[:1, :2]))),
        (SVM, svm("_n_support", lambda values: values * 1000)),
        (SVM, svm("_n_support", lambda values: values[:2])),
        (SVM, svm("shape_fit_", lambda values: (values[0], 10**6))),
        (KNN, knn_columns),
        (KNN, knn_labels),
    ],
)
def test_indices_and_lengths_beyond_the_arrays_of_native_code_are_refused(
    name, change, small_digits, make_cell
):
    pipeline = trained("knn" if name == SVM else name, small_digits, make_cell)
    if name == SVM:  # as in a plug-in: no model of the registry is one
        X = pipeline.compute_model_input(small_digits.images)
        model = CalibratedClassifierCV(SVC(), cv=2, ensemble=False).fit(X, small_digits.targets)
        pipeline = replace(pipeline, model=model)
    file.deserialize_pipeline(file.serialize_pipeline(pipeline), "it.pipeline")
    change(pipeline.model)
    assert "is inconsistent" in refusal(file.serialize_pipeline(pipeline)) or name == SVM


def test_an_unregistered_model_is_refused_even_if_skops_trusts_it(small_digits, make_cell):
    pipeline = trained("logistic_regression", small_digits, make_cell)
    X = pipeline.compute_model_input(small_digits.images)
    stranger = GradientBoostingClassifier(n_estimators=1, max_depth=1).fit(X, small_digits.targets)
    assert "GradientBoostingClassifier, a type that is not trusted" in refusal(
        file.serialize_pipeline(replace(pipeline, model=stranger))
    )


def test_an_array_is_counted_once_per_reference(classical, monkeypatch):
    array = np.zeros(100_000)
    parts = parts_of(file.serialize_pipeline(classical))
    with zipfile.ZipFile(BytesIO(skops.io.dumps([array]))) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(inside["schema.json"])
    schema["content"] = [{**schema["content"][0], "__id__": k} for k in range(50)]
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**inside, "schema.json": json.dumps(schema).encode()}.items():
            archive.writestr(name, content)
    assert len(buffer.getvalue()) < 100_000
    monkeypatch.setattr(file, "MAX_BYTES", 20_000_000)
    assert "unpack to more than" in refusal(packed({**parts, "strategy.skops": buffer.getvalue()}))


def test_a_network_is_not_built_before_its_weights_are_known_to_fit(small_digits, make_cell):
    pipeline = trained("fast_resnet(epochs=1, widths=(4, 4, 4))", small_digits, make_cell)
    pipeline.model.widths = (24, 200_000, 200_000)  # 1,300 GB
    assert "the weights are not those of this network" in refusal(file.serialize_pipeline(pipeline))


def test_invalid_parameters_in_a_file_are_refused(small_digits, make_cell):
    pipeline = trained("logistic_regression", small_digits, make_cell, extractor="hog")
    pipeline.extractors[0].orientations = -3
    assert "orientations" in refusal(file.serialize_pipeline(pipeline))


def test_a_compressed_member_is_refused_since_its_size_may_be_wrong(classical):
    parts = parts_of(file.serialize_pipeline(classical))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "refused" in refusal(buffer.getvalue())


@pytest.mark.parametrize(
    "strategy", ["none", "prior_threshold", "tuned_threshold", "random_over + prior_threshold"]
)
def test_the_metrics_of_a_card_are_those_of_the_pipeline_in_the_file(strategy, rare, make_cell):
    cell = make_cell(rare, "pixels", "logistic_regression(C=0.001)", strategy, split="holdout")
    pipeline = fit_pipeline(cell, rare)
    _, test = train_test_indices(cell, rare)
    again = file.deserialize_pipeline(file.serialize_pipeline(pipeline), "it.pipeline")
    predictions = Predictions(
        rare.targets[test], again.predict_proba(rare.images[test]), rare.classes, test
    )
    assert pipeline.card.metrics == {
        name: value if np.isfinite(value) else None
        for name, value in compute_metrics(predictions).items()
    }


# writing


@pytest.mark.parametrize("name", ["it.pkl", "it", "it.png"])
def test_a_file_name_must_end_in_pipeline(name, classical, tmp_path):
    with pytest.raises(UserError, match=r"ends in \.pipeline"):
        saving.save_pipeline(classical, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_pipeline_with_a_plug_in_is_loaded_only_with_its_plug_in_file(
    digits, make_cell, tmp_path, plugin_text
):
    (tmp_path / "mine.py").write_text(plugin_text)
    cell = make_cell(digits, "pixels", "logistic_regression", split="holdout")
    extractor = tuple(
        resolve_spec("extractor", spec) for spec in parse_sum(f"{tmp_path}/mine.py:Mine")
    )
    cell = replace(cell, values={**cell.values, "extractor": extractor})
    pipeline = fit_pipeline(cell, digits)
    content = file.serialize_pipeline(pipeline)
    with pytest.raises(
        UserError,
        match=r"it.pipeline needs its plug-in: add --plugin mine\.py; .* unzip -p it.pipeline "
        "plugins/mine.py",
    ):
        file.deserialize_pipeline(content, "it.pipeline")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text(plugin_text)
    again = file.deserialize_pipeline(content, "it.pipeline", [str(elsewhere / "mine.py")])
    assert np.array_equal(
        again.predict_proba(digits.images[:5]), pipeline.predict_proba(digits.images[:5])
    )


def test_an_array_with_a_row_for_each_trial_image_is_refused(classical, digits):
    model = MLPClassifier((5,), solver="lbfgs", tol=1.0).fit(
        classical.compute_model_input(digits.images), digits.targets
    )
    file.deserialize_pipeline(
        file.serialize_pipeline(replace(classical, model=model)), "it.pipeline"
    )
    model.classes_ = np.stack([model.classes_] * 2)
    assert "is refused" in refusal(file.serialize_pipeline(replace(classical, model=model)))
