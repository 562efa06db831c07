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

import features
import models
from benchmark.errors import UserError
from benchmark.evaluate import evaluate
from benchmark.pipelines import file
from benchmark.pipelines.pipeline import fit
from benchmark.pipelines.trees import check_trees
from benchmark.plugins import build, resolve
from benchmark.spec import Spec, parse_sum
from benchmark.threads import limited_threads

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
    file.save(pipeline, tmp_path / "it.pipeline")
    return file.load(tmp_path / "it.pipeline")


@pytest.mark.parametrize("name", list(features.MENU))
def test_every_extractor_comes_back_from_its_file_as_it_was(name, few, make_cell, tmp_path):
    pipeline = fit(make_cell(few, QUICK.get(name, name), "gaussian_nb", split="holdout"), few)
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(few.images), pipeline.predict_proba(few.images))
    assert again.card.model_dump_json() == pipeline.card.model_dump_json()


@pytest.mark.parametrize("name", list(models.MENU))
def test_every_model_comes_back_from_its_file_as_it_was(name, few, make_cell, tmp_path):
    pipeline = fit(make_cell(few, "pixels", QUICK.get(name, name), split="holdout"), few)
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(few.images), pipeline.predict_proba(few.images))


@pytest.mark.parametrize("strategy", ["smote_enn", "class_weight", "prior_threshold", "tuned_threshold", "random_over + prior_threshold"])
def test_what_a_strategy_does_to_probabilities_is_in_the_file_and_its_samplers_are_not(strategy, rare, make_cell, tmp_path):
    if strategy == "smote_enn":
        strategy = "smote_enn(k_neighbors=1)"
    pipeline = fit(make_cell(rare, "pixels", "logistic_regression", strategy, split="holdout"), rare)
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(rare.images), pipeline.predict_proba(rare.images))
    assert "imblearn" not in " ".join(type(part).__module__ for part in vars(again.strategy).values())


@pytest.mark.parametrize(("extractor", "model"), [("pixels", "rbf_svm"), ("", "simple_cnn(epochs=1)")])
def test_several_labels_an_image_come_back(extractor, model, several_labels, make_cell, tmp_path):
    pipeline = fit(make_cell(several_labels, extractor or "pixels", model, split="holdout"), several_labels)
    again = read_back(pipeline, tmp_path)
    assert np.array_equal(again.predict_proba(several_labels.images), pipeline.predict_proba(several_labels.images))


@pytest.mark.parametrize(
    ("extractor", "model", "strategy"), [("hog + pixels", "rbf_svm", "smote"), ("pixels", "simple_cnn(epochs=2)", "none")]
)
def test_a_file_holds_the_test_metrics_of_the_same_cell_in_a_leaderboard(extractor, model, strategy, digits, make_cell, tmp_path):
    cell = make_cell(digits, extractor, model, strategy, split="holdout")
    with limited_threads():  # as a worker has them
        row = evaluate(cell, digits, tmp_path)
    assert row["status"] == "ok"
    found = fit(cell, digits).card.metrics
    assert found == {name: row[name] for name in found}


def test_a_file_holds_no_pickle_and_says_where_it_comes_from(classical, deep, tmp_path):
    for pipeline in (classical, deep):
        file.save(pipeline, tmp_path / "it.pipeline")
        with zipfile.ZipFile(tmp_path / "it.pipeline") as archive:
            names = archive.namelist()
            card = json.loads(archive.read("card.json"))["card"]
        assert {name.rpartition(".")[2] for name in names} <= {"json", "skops", "safetensors"}
        assert card["classes"] == [str(k) for k in range(10)]
        assert card["environment"]["libraries"]["scikit-learn"]
        assert card["params"]["model"]["source"]


def test_saving_leaves_the_pipeline_as_it_was(deep, digits, tmp_path):
    before = deep.predict_proba(digits.images[:9])
    file.save(deep, tmp_path / "it.pipeline")
    assert np.array_equal(deep.predict_proba(digits.images[:9]), before)


# files that are refused


def parts_of(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts, fix_digests=True):
    """A file of these parts; whoever changes one can change its digest too."""
    if fix_digests:
        card = json.loads(parts["card.json"])
        card["files"] = {name: file._digest(content) for name, content in parts.items() if name != "card.json"}
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
        file.loads(content, "it.pipeline")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"a": 1}), b"\x89PNG\r\n"])
def test_another_kind_of_file_is_no_pipeline(content):
    assert "is no pipeline: python -m benchmark fit" in refusal(content)


def test_a_zip_of_something_else_is_refused(tmp_path):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.pkl", pickle.dumps(Evil()))
    assert "not of a pipeline" in refusal(buffer.getvalue())


def test_a_type_that_is_not_trusted_is_named_and_not_made(classical, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    parts = parts_of(file.dumps(classical))
    for hostile in (Evil(), os.system, pickle.loads, replace):
        said = refusal(packed({**parts, "model.skops": skops.io.dumps(hostile)}))
        assert "not trusted" in said or "refused" in said
    assert not (tmp_path / "hacked").exists()


def test_a_part_that_was_exchanged_is_refused(classical, deep):
    parts = parts_of(file.dumps(classical))
    other = parts_of(file.dumps(deep))["model.skops"]
    assert "model.skops is not what was written" in refusal(packed({**parts, "model.skops": other}, fix_digests=False))
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
        {"more": 1},
        {"multilabel": "perhaps"},
    ],
)
def test_a_card_that_does_not_fit_is_refused(change, classical):
    parts = parts_of(file.dumps(classical))
    card = json.loads(parts["card.json"])
    card["card"] |= change
    assert "refused" in refusal(packed({**parts, "card.json": json.dumps(card).encode()}))


def test_weights_that_are_missing_or_of_another_network_are_refused(deep, digits, make_cell):
    parts = parts_of(file.dumps(deep))
    other = parts_of(file.dumps(fit(make_cell(digits, model="fast_resnet(epochs=1)", split="holdout"), digits)))
    assert "refused" in refusal(packed({**parts, "network_0.safetensors": other["network_0.safetensors"]}))
    del parts["network_0.safetensors"]
    assert "refused" in refusal(packed(parts))


def test_a_file_that_unpacks_to_too_much_is_refused(classical, monkeypatch):
    content = file.dumps(classical)
    monkeypatch.setattr(file, "LARGEST", 1000)
    assert "unpack to more than" in refusal(content)


@given(where=st.floats(0, 1), bit=st.integers(0, 7))
def test_whatever_bit_is_flipped_the_file_is_refused_or_predicts_as_before(where, bit, classical, digits):
    content = bytearray(file.dumps(classical))
    content[int(where * (len(content) - 1))] ^= 1 << bit
    try:
        found = file.loads(bytes(content), "it.pipeline").predict_proba(digits.images[:3])
    except UserError:
        return
    assert np.array_equal(found, classical.predict_proba(digits.images[:3]))


@given(share=st.floats(0, 0.999))
def test_half_a_file_is_refused(share, classical):
    content = file.dumps(classical)
    assert refusal(content[: int(share * len(content))])


def test_a_tree_that_leads_nowhere_is_refused(few):
    for name, change in (("random_forest(n_estimators=2)", {"left_child": 10**6}), ("random_forest(n_estimators=2)", {"feature": 64})):
        model = build(resolve("model", Spec.parse(name))).fit(few.images.reshape(len(few.images), -1), few.targets)
        check_trees(model)
        tree = model.estimators_[0].tree_
        state = tree.__getstate__()
        for field, value in change.items():
            state["nodes"][field][0] = value
        tree.__setstate__(state)
        with pytest.raises(UserError, match="leads nowhere"):
            check_trees(model)


def test_a_boosted_tree_that_leads_in_a_circle_is_refused(few):
    model = build(resolve("model", Spec.parse("gradient_boosting(max_iter=2)"))).fit(few.images.reshape(len(few.images), -1), few.targets)
    check_trees(model)
    model._predictors[0][0].nodes["left"][0] = 0
    with pytest.raises(UserError, match="leads nowhere"):
        check_trees(model)


# where it is written


@pytest.mark.parametrize("name", ["it.pkl", "it", "it.png"])
def test_only_names_of_pipelines_are_written_to(name, classical, tmp_path):
    with pytest.raises(UserError, match=r"ends in \.pipeline"):
        file.save(classical, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_plug_in_in_a_pipeline_is_asked_for_by_name_and_read_with_it(digits, make_cell, tmp_path, plugin_text):
    (tmp_path / "mine.py").write_text(plugin_text)
    cell = make_cell(digits, "pixels", "logistic_regression", split="holdout")
    cell = replace(cell, extractor=tuple(resolve("extractor", spec) for spec in parse_sum(f"{tmp_path}/mine.py:Mine")))
    pipeline = fit(cell, digits)
    content = file.dumps(pipeline)
    with pytest.raises(UserError, match=r"holds Mine of the plug-in mine\.py, .* add --plugin mine\.py"):
        file.loads(content, "it.pipeline")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text(plugin_text)
    again = file.loads(content, "it.pipeline", [str(elsewhere / "mine.py")])
    assert np.array_equal(again.predict_proba(digits.images[:5]), pipeline.predict_proba(digits.images[:5]))
