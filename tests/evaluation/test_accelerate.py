"""--accelerate replaces classes of scikit-learn by faster ones during a run, as the row says."""

import sys

import pytest
from sklearn import ensemble

from benchmark import load_study, run
from benchmark.errors import UserError
from benchmark.evaluation import accelerate
from benchmark.evaluation.evaluate import evaluate_on_dataset
from models.classical import random_forest


@pytest.fixture(scope="module")
def _installed():
    pytest.importorskip("sklearnex", reason="needs the extra: python -m pip install -e '.[fast]'")


@pytest.mark.usefixtures("_installed")
def test_an_accelerated_cell_is_as_accurate_and_says_so(digits, make_cell, tmp_path):
    cell = make_cell(digits, model="random_forest")
    plain, fast = (
        evaluate_on_dataset(cell, digits, tmp_path, accelerate=enabled) for enabled in (False, True)
    )
    assert fast["status"] == "ok", fast["reason"]
    assert (plain["accelerated"], fast["accelerated"]) == (False, True)
    assert fast["key"] == plain["key"]
    assert fast["accuracy"] == pytest.approx(plain["accuracy"], abs=0.04)


@pytest.mark.usefixtures("_installed")
def test_models_use_the_faster_class_only_inside_the_block_and_scikit_learn_is_unchanged():
    original = ensemble.RandomForestClassifier
    with accelerate.accelerate_models(True):
        fast = random_forest()
        assert ensemble.RandomForestClassifier is original
    assert type(fast).__module__.startswith("sklearnex")
    assert type(random_forest()) is original


@pytest.mark.usefixtures("_installed")
def test_accelerated_work_is_on_one_thread():
    import daal4py

    with accelerate.accelerate_models(True):
        assert daal4py.num_threads() == 1


def test_without_the_extra_nothing_is_run_and_the_error_names_the_command_that_installs_it(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "sklearnex", None)
    monkeypatch.setattr(accelerate, "find_spec", lambda name: None)
    study = load_study(
        "digits", extractors=["pixels"], models=["nearest_centroid"], accelerate=True
    )
    with pytest.raises(UserError, match=r"pip install 'classical-vs-deep\[fast\]'"):
        run(study, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
