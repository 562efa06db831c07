"""Plots of the positive class, with few and with many configurations."""

import pytest
from figure_checks import overlapping
from matplotlib.text import Text

from benchmark import load_study, run
from benchmark.reporting.plots import REGISTRY
from benchmark.reporting.plots.binary_curves import COLOURED
from benchmark.reporting.plots.plot import Missing
from benchmark.reporting.plots.rows import Results
from benchmark.reporting.results_view import ResultsView

NAMES = ("roc", "precision_recall", "decision", "calibration", "scores", "leaderboard")
FEW = ["knn", "gaussian_nb"]
MANY = [*FEW, *(f"logistic_regression(C={c})" for c in (0.01, 0.1, 1, 10)), "rbf_svm"]


@pytest.fixture(scope="module", params=[FEW, MANY], ids=["two", "many"])
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("binary")
    study = load_study(
        "digits",
        datasets=["faces(positive='other')"],
        extractors=["pixels", "hog"] if len(request.param) > 2 else ["pixels"],
        models=[*request.param, "majority"],
        split="stratified_kfold(folds=2)",
    )
    run(study, folder, scheduler="inline")
    view = ResultsView(folder)
    return Results(view.load_rows(), view)


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_names_the_best_configurations_and_no_text_overlaps(results, name, tmp_path):
    (plot,) = REGISTRY[name](results, "auc")
    path = plot.save(tmp_path)
    assert path.is_file()
    figure = plot.figure
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert not overlapping(figure)
    if name in ("roc", "precision_recall", "decision"):
        words = " ".join(text.get_text() for text in texts)
        assert ("other configuration" in words) == (len(results.rows["model"].unique()) > COLOURED)
        assert "'other'" in plot.title
    assert "auc" in plot.caption


def test_what_needs_two_classes_is_not_drawn_for_ten(five_folds):
    view = ResultsView(five_folds)
    results = Results(view.load_rows(), view)
    for name in ("roc", "precision_recall", "decision", "calibration", "scores"):
        (missing,) = REGISTRY[name](results, "auc")
        assert isinstance(missing, Missing)
        assert "it requires two classes" in missing.reason


def test_scaled_probabilities_are_said_to_be_no_risks(tmp_path):
    study = load_study(
        "digits",
        datasets=["faces(positive='other')"],
        extractors=["pixels"],
        models=["gaussian_nb"],
        strategies=["none", "operating_point"],
        split="holdout",
    )
    run(study, tmp_path, scheduler="inline")
    view = ResultsView(tmp_path)
    rows = view.load_rows()
    said = "Probabilities of operating_point are scaled so that"
    (plot,) = REGISTRY["decision"](Results(rows, view), "auc")
    assert said in plot.caption
    (plot,) = REGISTRY["decision"](Results(rows[rows["strategy"] == "none"], view), "auc")
    assert said not in plot.caption
