"""Plots over datasets: critical differences, wins and differences to a reference."""

import itertools

import numpy as np
import pandas as pd
import pytest
from figure_checks import overlapping

from benchmark import load_results, load_study, run
from benchmark.errors import UserError
from benchmark.reporting.plots import REGISTRY, Missing, draw_plots
from benchmark.reporting.plots.common_scores import select_common_scores
from benchmark.reporting.plots.forest import POOLED, compare_with_reference
from benchmark.reporting.plots.plot import DPI
from benchmark.reporting.plots.rows import Results
from benchmark.reporting.results_view import ResultsView
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval
from benchmark.scoring.mean_ranks import count_pairwise_wins
from benchmark.scoring.rank_tests import nemenyi_test

KINDS = ("critical_difference", "win_matrix", "forest")
DATASETS = ("breastmnist", "csv:cells/white_blood_cells.csv(label='kind')", "malaria", "digits")
EXTRACTORS = (
    "pixels",
    "hog(pixels_per_cell=(7, 7))",
    "lbp",
    "color_histogram",
    "gist",
    "sift_bovw",
)
MODELS = ("knn", "logistic_regression(C=0.01)", "gaussian_nb", "simple_cnn", "rbf_svm(C=10)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    study = load_study(
        "digits",
        name="plots",
        datasets=["digits", "faces"],
        split="stratified_kfold(folds=3)",
        extractors=["pixels"],
        models=["majority", "gaussian_nb", "nearest_centroid", "knn"],
    )
    run(study, out=out)
    return out


def make_results(folder, n_configurations, n_datasets, strategies=("none",), seed=0):
    """Rows of any number of configurations and datasets, with drawn values of f1."""
    rows = load_results(folder)
    cells = rows[(rows["dataset"] == "digits") & (rows["model"] == "knn")]
    random, parts = np.random.default_rng(seed), []
    names = itertools.chain(DATASETS, (f"dataset {k}" for k in itertools.count()))
    for dataset in itertools.islice(names, n_datasets):
        configurations = itertools.product(EXTRACTORS, strategies, MODELS)
        for k, labels in enumerate(itertools.islice(configurations, n_configurations)):
            part = cells.copy()
            part[["extractor", "strategy", "model"]] = labels
            part["dataset"] = dataset
            part["f1"] = 0.7 - 0.05 * k / n_configurations + random.normal(0, 0.03)
            part["f1"] += random.normal(0, 0.01, len(part))
            part["key"] += f"-{dataset}-{k}"
            parts.append(part)
    return Results(pd.concat(parts, ignore_index=True), ResultsView(folder))


def draw(kind, results):
    (plot,) = REGISTRY[kind](results, "f1")
    return plot


@pytest.mark.parametrize(
    ("n_configurations", "n_datasets"),
    [
        (2, 2),
        (4, 12),
        pytest.param(2, 12, marks=pytest.mark.slow),
        pytest.param(30, 2, marks=pytest.mark.slow),
        pytest.param(30, 12, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_overlaps_another_or_leaves_the_plot(
    folder, tmp_path, kind, n_configurations, n_datasets
):
    strategies = ("none", "smote") if n_configurations == 30 else ("none",)
    plot = draw(kind, make_results(folder, n_configurations, n_datasets, strategies))
    if isinstance(plot, Missing):
        assert kind == "critical_difference"
        assert 2 in (n_configurations, n_datasets)
        return
    plot.save(tmp_path)
    plot.figure.set_dpi(DPI)  # lay it out as the PNG: the widths of letters depend on it
    plot.figure.draw_without_rendering()
    assert overlapping(plot.figure) == []


def test_the_diagram_has_the_ranks_and_the_bars_of_nemenyis_test(folder):
    results = make_results(folder, 6, 12)
    scores = results.rows.groupby(["dataset", "extractor", "model"])["f1"].mean().unstack([1, 2])
    nemenyi = nemenyi_test(scores)
    plot = draw("critical_difference", results)
    (ax,) = plot.figure.axes
    labels = [text.get_text() for text in ax.texts]
    for (extractor, model), rank in nemenyi.ranks.items():
        name = f"{extractor.partition('(')[0]} / {model.partition('(')[0]}"
        assert any(name in label and f"{rank:.1f}" in label for label in labels)
    thick = [line for line in ax.lines if line.get_linewidth() == 2]
    (ruler,) = (line for line in thick if line.get_marker() == "|")
    assert np.ptp(ruler.get_xdata()) == pytest.approx(nemenyi.critical_difference)
    bars = {(min(line.get_xdata()), max(line.get_xdata())) for line in thick if line is not ruler}
    assert len(bars) > 1
    assert bars == find_bars(nemenyi)
    assert f"critical difference of {nemenyi.critical_difference:.2f}" in plot.caption
    assert "Friedman's test" in plot.caption


def find_bars(nemenyi):
    """Ends of the longest groups of ranks that differ by less than the critical difference."""
    ranks = sorted(nemenyi.ranks)
    groups = [
        [other for other in ranks if 0 <= other - rank < nemenyi.critical_difference]
        for rank in ranks
    ]
    longest = {max(group): min(group) for group in reversed(groups) if len(group) > 1}
    return {(best, worst) for worst, best in longest.items()}


def test_squares_are_the_wins_of_the_row_over_the_column(folder):
    results = make_results(folder, 5, 4)
    scores = select_common_scores(results, "win_matrix", "f1")
    wins = count_pairwise_wins(scores.values)
    (ax,) = draw("win_matrix", results).figure.axes
    drawn = {tuple(map(round, text.get_position()[::-1])): text.get_text() for text in ax.texts}
    assert len(drawn) == 20
    assert all(float(text) == wins.iloc[square] for square, text in drawn.items())
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert all(f"{name}  {k}" == names[k - 1] for k, name in enumerate(wins, start=1))


@pytest.mark.parametrize(
    ("n_datasets", "sentence"),
    [
        (5, "No number of wins on 5 datasets is significant"),
        (6, "at least 6 wins are needed"),
        (12, "at least 10 wins are needed"),  # Demsar (2006), table 3
        (20, "at least 15 wins are needed"),
    ],
)
def test_the_caption_says_how_many_wins_are_significant(folder, n_datasets, sentence):
    assert sentence in draw("win_matrix", make_results(folder, 2, n_datasets)).caption


def test_differences_are_those_of_the_means_with_the_pooled_one_last(folder):
    results = make_results(folder, 3, 7)
    scores = select_common_scores(results, "forest", "f1")
    reference = str(scores.values.columns[0])
    table = compare_with_reference(scores, reference, "f1", results)
    assert len(table) == 2 * 8
    for name in scores.values.columns[1:]:
        own = table[table["name"] == name].set_index("dataset")
        expected = scores.values[name] - scores.values[reference]
        assert own.loc[list(scores.short.values()), "value"].tolist() == pytest.approx(
            expected.tolist()
        )
        pooled = hodges_lehmann_interval(expected)
        assert own.loc[POOLED, ["lower", "value", "upper"]].tolist() == pytest.approx(
            [pooled.lower, pooled.effect, pooled.upper]
        )
    assert (table["lower"] <= table["value"]).all()


def test_five_datasets_are_not_pooled_and_the_caption_says_how_many_are_required(folder):
    plot = draw("forest", make_results(folder, 3, 5))
    assert "Differences are not pooled: 5 datasets; at least 6 are required." in plot.caption
    assert POOLED not in [ax.get_title() for ax in plot.figure.axes]


def test_a_reference_can_be_chosen_and_an_unknown_one_is_a_user_error(folder):
    results = make_results(folder, 4, 6)
    chosen = Results(results.rows, ResultsView(folder), "pixels / simple_cnn")
    plot = draw("forest", chosen)
    assert plot.title.startswith("Difference in f1 to simple_cnn")
    assert "flatters" in draw("forest", results).caption
    assert "flatters" not in plot.caption
    with pytest.raises(UserError, match="no configuration 'simple_cn2'"):
        draw("forest", Results(results.rows, ResultsView(folder), "simple_cn2"))


def test_configurations_that_lack_a_dataset_are_left_out_and_named(folder):
    results = make_results(folder, 5, 8)
    lacking = (results.rows["dataset"] == "malaria") & (results.rows["model"] == "gaussian_nb")
    ragged = Results(results.rows[~lacking], ResultsView(folder))
    for kind in KINDS:
        caption = draw(kind, ragged).caption
        assert "Shown are 4 of 5 configurations and 8 of 8 datasets" in caption
        assert "pixels / none / gaussian_nb on malaria (not evaluated)" in caption


def test_names_that_are_equal_when_shortened_stay_apart(folder):
    results = make_results(folder, 4, 8)
    long = results.rows["extractor"].map(lambda name: "pixels + " * 9 + name)
    middle = results.rows["model"].map({name: f"{k}" * 3 for k, name in enumerate(MODELS)})
    rows = results.rows.assign(extractor=long + " and " + middle + "x" * 60, model="knn")
    plot = draw("critical_difference", Results(rows, ResultsView(folder)))
    labels = [text.get_text() for text in plot.figure.axes[0].texts]
    assert len(set(labels)) == 5  # 4 configurations and the critical difference


def test_the_plots_of_a_real_study_are_written(folder, tmp_path):
    messages = list(map(str, draw_plots(folder, "auc", tmp_path, against="knn")))
    assert (tmp_path / "win_matrix-auc.png").is_file()
    assert (tmp_path / "forest-auc.svg").is_file()
    assert any(message.startswith("no critical_difference: 2 datasets") for message in messages)
    captions = (tmp_path / "captions.md").read_text()
    assert "Difference in auc to knn, on 2 datasets" in captions
    rows = load_results(folder)
    assert ResultsFolder(folder).database.is_file()
    assert set(rows["dataset"]) == {"digits", "faces"}
