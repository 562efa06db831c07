"""Components that are left out where the packages that they need are not installed."""

import sys
import warnings

import pytest

from benchmark import load_study
from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.evaluation.plan import make_plan
from benchmark.plugins.spec import Spec
from models.lightgbm_boosting import LightGBM

PLUGIN = """
from features.base import Extractor

class NeedsPackage(Extractor):
    def describe_weights(self):
        raise ImportError("needs_package needs the package xyz: python -m pip install xyz")

    def extract(self, batch):
        return batch.mean(axis=(1, 2))
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return load_study(
        "digits",
        plugins=[str(tmp_path / "plugin.py")],
        extractors=["hog", "needs_package", "hog + needs_package"],
        models=["gaussian_nb"],
        pipelines=[{"extractor": "needs_package", "model": "knn"}],
        split="holdout",
    )


def test_an_optional_component_whose_package_is_missing_is_left_out_and_named(study):
    plan = make_plan(study.model_copy(update={"optional": ("needs_package",)}))
    assert [cell.identity["extractor"] for cell in plan.cells()] == ["hog"]
    assert plan.left_out == ("needs_package needs the package xyz: python -m pip install xyz",)


def test_optional_components_that_can_be_used_are_kept(study):
    plan = make_plan(load_study("digits", optional=["hog"], models=["knn"], extractors=["hog"]))
    assert plan.left_out == ()
    assert {cell.identity["extractor"] for cell in plan.cells()} == {"hog"}


def test_the_keys_of_a_study_file_name_what_is_optional(study):
    optional = study.model_copy(update={"optional": ("needs_package",)})
    assert "optional:\n- needs_package" in optional.to_yaml()


def test_a_study_of_nothing_but_missing_components_has_no_cells(study):
    update = {"extractors": (), "models": (), "optional": ("needs_package",)}
    with pytest.raises(UserError, match="has no cells left: needs_package needs the package xyz"):
        make_plan(study.model_copy(update=update))


def test_run_says_in_one_line_what_is_left_out(study, tmp_path, monkeypatch, capsys):
    left = study.model_copy(update={"optional": ("needs_package",)})
    (tmp_path / "study.yaml").write_text(left.to_yaml())
    arguments = ["run", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments, "--scheduler", "inline"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert (
        "left out: needs_package needs the package xyz: python -m pip install xyz\n"
        in capsys.readouterr().out
    )


def test_a_model_whose_package_is_missing_is_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr(LightGBM, "packages", {"no_such_package": "boosting"})
    study = load_study("digits", extractors=["hog"], models=["lightgbm"])
    with pytest.raises(UserError, match=r"no_such_package is not installed: .*\[boosting\]"):
        make_plan(study)
    plan = make_plan(
        study.model_copy(update={"optional": ("lightgbm",), "models": (*study.models, Spec("knn"))})
    )
    assert {cell.identity["model"] for cell in plan.cells()} == {"knn"}
