"""A pipeline's file gives back what was trained, holds no pickle, and is refused when it was changed."""

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
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier

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
    "simple_cnn": "simple_cnn(epochs=1, loss='ldam')",
}


@pytest.fixture(scope="module")
def few(digits):
    return replace(digits, images=digits.images[:120], targets=digits.targets[:120])


def read_back(pipeline, tmp_path):
    saving.save_pipeline(pipeline, tmp_path / "it.pipeline")
    return file.load_pipeline(tmp_path / "it.pipeline")


@pytest.mark.parametrize("name", list(features.REGISTRY))
def test_every_extractor_comes_back_from_its_file_as_it_was(name, few, make_cell, tmp_path):
    pipeline = fit_pipeline(
        make_cell(few, QUICK.get(name, name), "gaussian_nb", split="holdout"), few
    )
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(few.images), pipeline.predict_proba(few.images))
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
def test_estimators_that_are_kept_unfitted_inside_others_come_back(
    extractor, model, few, make_cell, tmp_path
):
    pipeline = fit_pipeline(make_cell(few, extractor, model, split="holdout"), few)
    assert np.array_equal(
        read_back(pipeline, tmp_path).predict_proba(few.images), pipeline.predict_proba(few.images)
    )


EXPENSIVE = {"resnet50", "easy_ensemble", "balanced_random_forest", "gradient_boosting"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in EXPENSIVE else [])
        for name in models.REGISTRY
    ],
)
def test_every_model_comes_back_from_its_file_as_it_was(name, few, make_cell, tmp_path):
    pipeline = fit_pipeline(make_cell(few, "pixels", QUICK.get(name, name), split="holdout"), few)
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(few.images), pipeline.predict_proba(few.images))


@pytest.mark.parametrize(
    "strategy",
    [
        "smote_enn",
        "class_weight",
        "prior_threshold",
        "tuned_threshold",
        "random_over + prior_threshold",
    ],
)
def test_what_a_strategy_does_to_probabilities_is_in_the_file_and_its_samplers_are_not(
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
def test_several_labels_an_image_come_back(extractor, model, several_labels, make_cell, tmp_path):
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
def test_a_file_holds_the_test_metrics_of_the_same_cell_in_a_leaderboard(
    extractor, model, strategy, digits, make_cell, tmp_path
):
    cell = make_cell(digits, extractor, model, strategy, split="holdout")
    with limited_threads():  # as a worker has them
        row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "ok"
    found = fit_pipeline(cell, digits).card.metrics
    assert found == {name: row[name] for name in found}


def test_a_file_holds_no_pickle_and_says_where_it_comes_from(classical, deep, tmp_path):
    for pipeline in (classical, deep):
        saving.save_pipeline(pipeline, tmp_path / "it.pipeline")
        with zipfile.ZipFile(tmp_path / "it.pipeline") as archive:
            names = archive.namelist()
            card = json.loads(archive.read("card.json"))["card"]
        assert {name.rpartition(".")[2] for name in names} <= {"json", "skops", "safetensors"}
        assert card["classes"] == [str(k) for k in range(10)]
        assert card["environment"]["libraries"]["scikit-learn"]
        assert card["params"]["model"]["source"]


def test_saving_leaves_the_pipeline_as_it_was(deep, digits, tmp_path):
    before = deep.predict_proba(digits.images[:9])
    saving.save_pipeline(deep, tmp_path / "it.pipeline")
    assert np.array_equal(deep.predict_proba(digits.images[:9]), before)


# files that are refused


def parts_of(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts, fix_digests=True):
    """A file of these parts; whoever changes one can change its digest too."""
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
def test_another_kind_of_file_is_no_pipeline(content):
    assert "is not a pipeline; python -m benchmark fit" in refusal(content)


def test_a_zip_of_something_else_is_refused(tmp_path):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.pkl", pickle.dumps(Evil()))
    assert "not of a pipeline" in refusal(buffer.getvalue())


def test_a_type_that_is_not_trusted_is_named_and_not_made(classical, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    parts = parts_of(file.serialize_pipeline(classical))
    for hostile in (Evil(), os.system, pickle.loads, replace):
        said = refusal(packed({**parts, "model.skops": skops.io.dumps(hostile)}))
        assert "not trusted" in said or "refused" in said
    assert not (tmp_path / "hacked").exists()


def test_a_part_that_was_exchanged_is_refused(classical, deep):
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
def test_a_card_that_does_not_fit_is_refused(change, classical):
    parts = parts_of(file.serialize_pipeline(classical))
    card = json.loads(parts["card.json"])
    card["card"] |= change
    assert "refused" in refusal(packed({**parts, "card.json": json.dumps(card).encode()}))


def test_a_file_from_before_max_pixels_was_kept_has_the_default(classical):
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
            "its card, field image_shape.1 must be less than or equal to 2048, not 4096",
        ),
        ({"owner": "me"}, "its card, field owner is unknown"),
        ({"classes": ["a", "a"]}, "its card is not valid: two classes have the same name"),
    ],
)
def test_a_field_of_a_card_that_is_wrong_is_named_in_plain_words(change, says, classical):
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
        found = file.deserialize_pipeline(bytes(content), "it.pipeline").predict_proba(
            digits.images[:3]
        )
    except UserError:
        return
    assert np.array_equal(found, classical.predict_proba(digits.images[:3]))


@given(share=st.floats(0, 0.999))
def test_half_a_file_is_refused(share, classical):
    content = file.serialize_pipeline(classical)
    assert refusal(content[: int(share * len(content))])


def trained(name, few, make_cell, extractor="pixels"):
    return fit_pipeline(make_cell(few, extractor, name, split="holdout"), few)


def without_widths(part):
    """Forget everywhere how many features there are, as whoever wants to lead compiled code astray would."""
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
        machine = model.machine_[-1]
        setattr(machine, name, cut(getattr(machine, name)))

    return change


def knn_columns(model):
    model[-1]._fit_X = np.ascontiguousarray(model[-1]._fit_X[:, :2])


def knn_labels(model):
    model[-1]._y = model[-1]._y + 100


FOREST, BOOSTED, SVM, KNN = (
    "random_forest(n_estimators=2)",
    "gradient_boosting(max_iter=2)",
    "rbf_svm",
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
def test_what_compiled_code_would_follow_out_of_its_arrays_is_refused(name, change, few, make_cell):
    pipeline = trained(name, few, make_cell)
    file.deserialize_pipeline(file.serialize_pipeline(pipeline), "it.pipeline")
    change(pipeline.model)
    assert "is inconsistent" in refusal(file.serialize_pipeline(pipeline)) or name == SVM


def test_a_model_that_no_menu_has_is_refused_even_if_skops_trusts_it(few, make_cell):
    pipeline = trained("logistic_regression", few, make_cell)
    X = pipeline.compute_model_input(few.images)
    stranger = GradientBoostingClassifier(n_estimators=1, max_depth=1).fit(X, few.targets)
    assert "GradientBoostingClassifier, a type that is not trusted" in refusal(
        file.serialize_pipeline(replace(pipeline, model=stranger))
    )


def test_an_array_counts_as_often_as_it_is_named(classical, monkeypatch):
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


def test_a_network_is_not_built_before_its_weights_are_known_to_fit(few, make_cell):
    pipeline = trained("fast_resnet(epochs=1, widths=(4, 4, 4))", few, make_cell)
    pipeline.model.widths = (24, 200_000, 200_000)  # 1,300 GB
    assert "the weights are not those of this network" in refusal(file.serialize_pipeline(pipeline))


def test_parameters_that_are_not_allowed_are_refused_in_a_file_too(few, make_cell):
    pipeline = trained("logistic_regression", few, make_cell, extractor="hog")
    pipeline.extractors[0].orientations = -3
    assert "orientations" in refusal(file.serialize_pipeline(pipeline))


def test_a_packed_part_is_refused_since_its_size_could_be_a_lie(classical):
    parts = parts_of(file.serialize_pipeline(classical))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "refused" in refusal(buffer.getvalue())


@pytest.mark.parametrize(
    "strategy", ["none", "prior_threshold", "tuned_threshold", "random_over + prior_threshold"]
)
def test_a_card_says_how_good_the_very_pipeline_in_the_file_is(strategy, rare, make_cell):
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


# where it is written


@pytest.mark.parametrize("name", ["it.pkl", "it", "it.png"])
def test_only_names_of_pipelines_are_written_to(name, classical, tmp_path):
    with pytest.raises(UserError, match=r"ends in \.pipeline"):
        saving.save_pipeline(classical, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_plug_in_in_a_pipeline_is_asked_for_by_name_and_read_with_it(
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
        match=r"it.pipeline needs its plug-in: add --plugin mine\.py; .* unzip -p it.pipeline plugins/mine.py",
    ):
        file.deserialize_pipeline(content, "it.pipeline")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text(plugin_text)
    again = file.deserialize_pipeline(content, "it.pipeline", [str(elsewhere / "mine.py")])
    assert np.array_equal(
        again.predict_proba(digits.images[:5]), pipeline.predict_proba(digits.images[:5])
    )


def test_an_array_with_a_row_for_each_of_the_images_that_are_tried_is_refused(classical, digits):
    model = MLPClassifier((5,), solver="lbfgs", tol=1.0).fit(
        classical.compute_model_input(digits.images), digits.targets
    )
    file.deserialize_pipeline(
        file.serialize_pipeline(replace(classical, model=model)), "it.pipeline"
    )
    model.classes_ = np.stack([model.classes_] * 2)
    assert "is refused" in refusal(file.serialize_pipeline(replace(classical, model=model)))
