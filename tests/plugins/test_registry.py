"""Names and parameters of components are resolved to code, or refused with a helpful message."""

import sys
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.plugins import registry
from benchmark.plugins.plugin_files import list_plugins
from benchmark.plugins.registry import (
    build_component,
    describe_spec,
    find_plugin_specs,
    registered_targets,
    resolve_spec,
    with_defaults,
)
from benchmark.plugins.spec import Spec

FAKES = str(Path(__file__).parents[1] / "fakes.py")


@pytest.mark.parametrize("kind", ["dataset", "extractor", "model", "strategy"])
def test_every_registered_name_has_code_with_a_docstring(kind):
    for name, target in registered_targets(kind).items():
        assert (registry.import_target(target).__doc__ or "").strip(), (
            f"{kind} {name} has no docstring"
        )


def test_the_nearest_name_or_parameter_is_suggested_for_a_misspelt_one():
    with pytest.raises(UserError, match="did you mean 'hog'"):
        resolve_spec("extractor", Spec("hgo"))
    with pytest.raises(UserError, match="did you mean 'orientations'"):
        resolve_spec("extractor", Spec.parse("hog(orientation=9)"))
    with pytest.raises(UserError, match="did you mean 'knn'"):
        resolve_spec("model", Spec.parse("one_vs_rest(estimator=kn)"))


def test_a_missing_required_parameter_is_named():
    with pytest.raises(UserError, match="needs estimator"):
        resolve_spec("model", Spec("one_vs_rest"))


@pytest.mark.parametrize(
    ("kind", "label"),
    [("extractor", "hog(orientations=0)"), ("model", "simple_cnn(epochs='many')")],
)
def test_a_value_that_is_not_allowed_is_refused(kind, label):
    with pytest.raises(
        UserError,
        match=r"'orientations' parameter must|epochs must be a valid integer, not 'many'",
    ):
        resolve_spec(kind, Spec.parse(label))


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("split", "holdout(test_size='big')"),
        ("split", "stratified_kfold(folds=2.5)"),
        ("model", "knn(n_neighbors='a')"),
        ("dataset", "csv:x.csv(label=3)"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(kind, label):
    with pytest.raises(UserError, match=r"must be a valid \w+, not "):
        resolve_spec(kind, Spec.parse(label))


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("model", "rbf_svm(C=-1)"),
        ("model", "linear_svm(C=0)"),
        ("model", "one_vs_rest(estimator=knn(n_neighbors=0))"),
        ("strategy", "smote(k_neighbors=None)"),
        ("strategy", "class_weight(beta=1)"),
        ("strategy", "instance_hardness_threshold(cv='many')"),
    ],
)
def test_a_value_that_an_inner_estimator_would_refuse_is_refused(kind, label):
    with pytest.raises(UserError, match=r"must be|must lie"):
        resolve_spec(kind, Spec.parse(label))


def test_integers_and_lists_are_accepted_for_float_and_tuple_hints():
    for label in (
        "hog(pixels_per_cell=[4, 4])",
        "shape_histogram(threshold=1)",
        "color_histogram(grid=(2, 2))",
        "sift_bovw(random_state=3)",
    ):
        assert build_component(resolve_spec("extractor", Spec.parse(label)))


def test_a_plug_in_that_cannot_be_created_is_a_user_error(tmp_path):
    (tmp_path / "boom.py").write_text(
        "class Boom:\n    def __init__(self):\n        raise RuntimeError('no')\n    def "
        "extract(self, b):\n        return b\n"
    )
    with pytest.raises(UserError, match="boom cannot be created: RuntimeError: no"):
        build_component(resolve_spec("extractor", Spec("boom"), [str(tmp_path / "boom.py")]))


def test_classes_of_a_file_are_named_in_snake_case_and_found_by_kind():
    names = {(kind, name) for kind, name, _ in list_plugins(FAKES)}
    assert ("extractor", "wrong_length") in names
    assert ("model", "gives_na_n") in names or ("model", "gives_nan") in names
    assert build_component(resolve_spec("extractor", Spec("mean_gray"), [FAKES])).stateless
    assert build_component(resolve_spec("extractor", Spec(f"{FAKES}:MeanGray"))).stateless


def test_two_components_with_the_same_name_are_an_error(tmp_path):
    file = tmp_path / "plug.py"
    file.write_text("from features.base import Extractor\nclass Hog(Extractor):\n    pass\n")
    with pytest.raises(UserError, match="extractor 'hog' is defined twice"):
        registered_targets("extractor", [str(file)])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import nonexistent_thing", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("x = 1", "contains no plug-in"),
        (
            "def near(): ...",
            r"annotate it \(def near\(\) -> KNeighborsClassifier:\), or name .*bad.py:near as a "
            "model",
        ),
        ("x = 1\0", "null bytes"),
        ("class B(BaseException): ...\nraise B", "cannot be imported: B: without a message"),
        ("#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_without_a_plug_in_is_a_user_error(tmp_path, text, problem):
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(UserError, match=problem):
        list(list_plugins(str(file)))


def test_a_function_that_is_annotated_with_a_classifier_is_a_model(tmp_path):
    file = tmp_path / "near.py"
    head = "from sklearn.neighbors import KNeighborsClassifier\n"
    file.write_text(
        head
        + "def nearest(k: int = 3) -> KNeighborsClassifier:\n    return KNeighborsClassifier(k)\n"
        "def helper(): ...\n"
    )
    assert [(kind, name) for kind, name, _ in list_plugins(str(file))] == [("model", "nearest")]
    file = tmp_path / "not_annotated.py"
    file.write_text(head + "def nearest(k=3):\n    return KNeighborsClassifier(k)\n")
    assert [kind for kind, _ in find_plugin_specs(f"{file}:nearest(k=5)")] == ["model"]


def test_entry_points_are_registered(tmp_path, monkeypatch, plugin_text):
    (tmp_path / "thirdparty.py").write_text(plugin_text)
    info = tmp_path / "thirdparty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[benchmark.extractors]\nmine = thirdparty:Mine\n[benchmark.strategies]\nbalance = "
        "imblearn.over_sampling:RandomOverSampler\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._entry_points.cache_clear()
    assert registered_targets("extractor")["mine"] == "thirdparty:Mine"
    assert build_component(resolve_spec("extractor", Spec.parse("mine(k=3)"))).k == 3
    assert registered_targets("strategy")["balance"] == "imblearn.over_sampling:RandomOverSampler"
    sys.modules.pop("thirdparty", None)
    registry._entry_points.cache_clear()


def test_a_default_and_the_same_explicit_value_are_described_equally():
    assert describe_spec(resolve_spec("extractor", Spec("hog"))) == describe_spec(
        resolve_spec("extractor", Spec.parse("hog(orientations=9)"))
    )
    assert (
        with_defaults(resolve_spec("split", Spec("holdout"))).label
        == "holdout(seed=42, test_size=0.2)"
    )
