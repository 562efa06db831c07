"""Files, captions, colours and labels of plots, on a small study of digits."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from figure_checks import overlapping
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix

from benchmark import load_results, load_study, run
from benchmark.errors import UserError
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.plots import (
    REGISTRY,
    Missing,
    confusion,
    cost,
    draw_plots,
    recalls,
    reliability,
)
from benchmark.reporting.plots.curves import _arrange_panels
from benchmark.reporting.plots.plot import make_file_stem
from benchmark.reporting.plots.rows import Results, SelectedConfigurations, drop_baseline
from benchmark.reporting.plots.style import (
    PLACES,
    sort_strategies,
    spread_positions,
    strategy_family,
    style_lines,
)
from benchmark.reporting.results_view import ResultsView
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.intervals import compute_interval
from benchmark.scoring.predictions import Predictions
from benchmark.strategies import REGISTRY as STRATEGIES

CURVES = {
    "datasets": ["digits"],
    "imbalances": ["step(ratio=1)", "step(ratio=10)", "step(ratio=100)"],
    "train_sizes": [0.5, 1.0],
    "extractors": ["pixels"],
    "strategies": [
        "none",
        "random_over",
        "smote(k_neighbors=1)",
        "random_under",
        "prior_threshold",
    ],
    "models": ["majority", "nearest_centroid"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a study in which SMOTE cannot work at the highest ratio."""
    out = tmp_path_factory.mktemp("results")
    run(load_study("digits", name="curves", **CURVES), out=out)
    return out


@pytest.fixture(scope="module")
def drawn(folder, tmp_path_factory):
    """Folder of the plots, and the messages of ``draw_plots``."""
    out = tmp_path_factory.mktemp("plots")
    return out, [str(messages) for messages in draw_plots(folder, "accuracy", out)]


@pytest.fixture
def results(folder):
    rows = load_results(folder)
    return Results(rows[rows["status"] == "ok"], ResultsView(folder))


def test_every_plot_is_a_png_and_an_svg_with_its_caption(drawn):
    out, messages = drawn
    names = {path.stem for path in out.glob("*.png")}
    assert {name.split("-")[0] for name in names} == {
        "imbalance",
        "train_size",
        "leaderboard",
        "cost",
        "confusion",
        "reliability",
        "recall",
    }
    captions = (out / "captions.md").read_text()
    for name in names:
        assert matplotlib.image.imread(out / f"{name}.png").shape[1] >= 600
        assert ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg")
        assert f"![{name}]({name}.png)" in captions
        assert str(out / f"{name}.png") in messages


def test_what_cannot_be_drawn_is_reported_with_the_reason(drawn):
    assert any(line.startswith("no critical_difference: 1 dataset; ") for line in drawn[1])


def test_a_curve_needs_two_ratios_of_one_profile(results):
    rows = results.rows[results.rows["imbalance"] != "step(ratio=1)"].copy()
    rows["imbalance"] = rows["imbalance"].map(
        {"step(ratio=10)": "none", "step(ratio=100)": "long_tail(ratio=4)"}
    )
    (missing,) = REGISTRY["imbalance"](Results(rows, results.view), "f1")
    assert missing.reason.startswith(
        "a curve requires two ratios of one profile (none has no ratio)"
    )


def test_captions_name_the_rows_of_a_plot(drawn):
    captions = (drawn[0] / "captions.md").read_text()
    for kind in ("cost", "confusion", "reliability", "recall"):
        _, _, title, caption = captions.split(f"## {kind}")[1].split("\n\n")[:4]
        assert title.startswith("digits · step(ratio=100) · ")
        assert caption


def test_configurations_without_all_their_cells_are_left_out_and_named(drawn, folder):
    out, messages = drawn
    rows = load_results(folder)
    assert set(rows.loc[rows["status"] != "ok", "strategy"]) == {"smote(k_neighbors=1)"}
    assert any(
        "not all of their cells are completed: smote(k_neighbors=1) / nearest_centroid" in line
        for line in messages
    )
    assert "smote" not in (out / "recall.svg").read_text()
    # shown at the ratios where it worked
    curves = out / "imbalance-all_of_the_training_set-accuracy.svg"
    assert "smote" in curves.read_text()


def test_a_caption_gives_values_of_the_rows(drawn, folder):
    rows = load_results(folder)
    hardest = rows[
        (rows["imbalance"] == "step(ratio=100)")
        & (rows["train_size"] == 1)
        & (rows["model"] != "majority")
        & (rows["status"] == "ok")
    ]
    means = hardest.groupby("strategy")["accuracy"].mean()
    caption = (drawn[0] / "captions.md").read_text().split("## imbalance-all")[1].split("##")[0]
    assert (
        f"{means.idxmax()} has the best accuracy, {means.max():.3f}, and {means.idxmin()} the "
        f"worst, {means.min():.3f}" in caption
    )


@pytest.mark.parametrize("kind", ["cost", "confusion", "reliability", "recall"])
def test_no_text_of_a_saved_plot_overlaps_another_or_leaves_the_plot(results, tmp_path, kind):
    for plot in draw_kind(results, kind):
        plot.save(tmp_path)
        assert overlapping(plot.figure) == []


@pytest.mark.slow
@pytest.mark.parametrize(("n_panels", "n_classes"), [(2, 2), (2, 10), (12, 5)])
@pytest.mark.parametrize(
    "draw", [confusion.draw_confusion_panels, reliability.draw_reliability_panels]
)
def test_panels_of_any_number_have_room_for_their_texts(
    results, tmp_path, n_panels, n_classes, draw
):
    name = "color_histogram / random_over + prior_threshold / logistic_regression"
    cells = hardest_of(results, "none")
    classes = tuple(f"normal, benign {k} of tissue" for k in range(n_classes))
    draws = np.random.default_rng(0)
    y_true, proba = draws.integers(n_classes, size=50), draws.dirichlet(np.ones(n_classes), 50)
    stored = Predictions(y_true, proba, classes, np.arange(50))
    configurations = [(name if k % 2 else "hog / none / knn", cells) for k in range(n_panels)]
    plot = draw(
        SelectedConfigurations(
            f"{LONG} · 16 px · step(ratio=4) · official",
            "data",
            configurations,
            [[stored]] * n_panels,
            style_lines(range(n_panels)),
            "",
        )
    )
    plot.save(tmp_path)
    assert overlapping(plot.figure) == []


LONG = "csv:ham10000/metadata.csv(group='lesion_id', image='images/{image_id}.jpg', label='dx')"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("digits", str),
        pytest.param(LONG, lambda k: rf"$\frac{{$ {k} " + "long" * 20, marks=pytest.mark.slow),
    ],
)
def test_nothing_is_drawn_outside_of_a_plot_whatever_the_names(results, monkeypatch, dataset, name):
    rows = results.rows.assign(
        dataset=dataset,
        per_class=[
            {name(k): of for k, of in enumerate(classes.values())}
            for classes in results.rows["per_class"]
        ],
    )
    read = ResultsFolder.read_predictions
    monkeypatch.setattr(
        ResultsFolder,
        "read_predictions",
        lambda *where: replace(read(*where), classes=tuple(map(name, range(10)))),
    )
    for kind in REGISTRY:
        for plot in draw_kind(Results(rows, results.view), kind, "f1"):
            plot.figure.draw_without_rendering()
            tight, whole = plot.figure.get_tightbbox(), plot.figure.bbox_inches
            assert tight.x0 >= whole.x0 - 0.05, plot.name
            assert tight.x1 <= whole.x1 + 0.05, plot.name


@given(arrays(float, st.integers(1, 15), elements=st.floats(-0.5, 1.5)))
def test_places_are_apart_in_order_and_within_the_panel(wanted):
    positions = spread_positions(wanted, 0.06)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(positions[order]) >= 0.06 - 1e-9).all()
    assert positions.min() >= -1e-9
    assert positions.max() <= 1 + 1e-9


def test_places_that_are_apart_already_stay():
    np.testing.assert_allclose(spread_positions(np.array([0.9, 0.1, 0.5]), 0.06), [0.9, 0.1, 0.5])


def test_every_strategy_of_the_registry_has_its_own_place():
    assert set(PLACES) == set(STRATEGIES)
    assert len(set(PLACES.values())) == len(PLACES)


def test_strategies_are_in_the_order_of_their_families():
    shuffled = [
        "mine.py:Mine",
        "random_over + tomek_links",
        "tuned_threshold",
        "random_under",
        "smote",
        "none",
        "random_over",
    ]
    assert sort_strategies(shuffled) == ["none", "random_over", *reversed(shuffled[:5])]
    assert [strategy_family(name) for name in ("none", "a + b", "mine.py:Mine")] == [
        "no strategy",
        "several",
        "others",
    ]


def test_no_faster_configuration_is_as_good_as_one_on_the_pareto_front(results):
    rows = results.rows[results.rows["imbalance"] == "step(ratio=10)"]
    means = cost.summarize_costs(rows, "accuracy")
    for _, configuration in means.iterrows():
        cheaper = means[means["seconds"] < configuration["seconds"]]
        assert configuration["front"] == (cheaper["accuracy"] < configuration["accuracy"]).all()
    of_loss = cost.summarize_costs(rows, "log_loss")
    assert of_loss.loc[of_loss["front"], "log_loss"].is_monotonic_decreasing


def draw_kind(results, kind, metric="accuracy"):
    return [plot for plot in REGISTRY[kind](results, metric) if not isinstance(plot, Missing)]


def test_cost_is_resampling_fitting_and_predicting(results):
    rows = results.rows[
        (results.rows["imbalance"] == "step(ratio=10)") & (results.rows["train_size"] == 1)
    ]
    seconds = cost.summarize_costs(rows[rows["model"] != "majority"], "accuracy")["seconds"]
    by_hand = (
        rows[rows["strategy"] == "random_over"][["resample_s", "fit_s", "predict_s"]]
        .sum(axis=1)
        .mean()
    )
    assert seconds["random_over"] == pytest.approx(by_hand)


def test_squares_of_a_confusion_matrix_are_shares_of_the_true_class(results):
    (plot,) = draw_kind(results, "confusion")
    axes = next(
        ax for ax in plot.figure.axes if ax.get_title("left") == "pixels / none / nearest_centroid"
    )
    cells = hardest_of(results, "none")
    stored = [results.view.read_predictions(key) for key in cells["key"]]
    truth, labels = (
        np.concatenate([getattr(p, name) for p in stored]) for name in ("y_true", "labels")
    )
    np.testing.assert_allclose(
        axes.images[0].get_array(), confusion_matrix(truth, labels, normalize="true")
    )
    # panels of the first row share the label below the last row
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("", "true class")


def test_a_reliability_diagram_shows_the_share_of_right_answers(results):
    (plot,) = draw_kind(results, "reliability")
    axes = next(ax for ax in plot.figure.axes if ax.get_title("left").startswith("pixels / none /"))
    stored = [results.view.read_predictions(key) for key in hardest_of(results, "none")["key"]]
    confidence = np.concatenate([p.proba.max(axis=1) for p in stored])
    right = np.concatenate([p.proba.argmax(axis=1) == p.y_true for p in stored])
    x, y = axes.lines[-1].get_data()
    top = confidence >= 0.9
    assert (x[-1], y[-1]) == pytest.approx((confidence[top].mean(), right[top].mean()))


def test_lines_have_the_intervals_of_their_cells_as_bars(results):
    plot = next(p for p in draw_kind(results, "imbalance") if "all_of" in p.name)
    bars = next(bars for bars in plot.figure.axes[0].containers if bars.get_label() == "none")
    lower, upper = bars.lines[2][0].get_segments()[1][:, 1]  # at the second ratio
    rows = results.rows
    cells = rows[
        (rows["imbalance"] == "step(ratio=10)")
        & (rows["train_size"] == 1)
        & (rows["strategy"] == "none")
        & (rows["model"] != "majority")
    ]
    interval = compute_interval(results.view.read_predictions, cells, "accuracy")
    assert (lower, upper) == pytest.approx((interval.lower, min(1, interval.upper)))


def hardest_of(results, strategy):
    rows = results.rows
    selected = (
        (rows["imbalance"] == "step(ratio=100)")
        & (rows["train_size"] == 1)
        & (rows["strategy"] == strategy)
    )
    return rows[selected & (rows["model"] != "majority")]


def test_the_heat_map_holds_the_recall_of_every_class(results):
    (plot,) = draw_kind(results, "recall")
    axes = plot.figure.axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    shown = axes.images[0].get_array()[names.index("none")]
    cells = hardest_of(results, "none")["per_class"]
    for label, value in zip(axes.get_xticklabels(), shown, strict=True):
        cls = label.get_text().split()[0]
        assert value == pytest.approx(np.mean([cell[cls]["recall"] for cell in cells]))


def test_classes_keep_their_names_unless_the_seeds_draw_which_are_rare(results):
    rows = results.rows[
        (results.rows["imbalance"] == "step(ratio=10)") & (results.rows["strategy"] == "none")
    ]
    assert set(recalls.average_recall_by_class(rows).index) == {str(k) for k in range(10)}
    other = rows.iloc[[0]].assign(
        seed=1,
        per_class=[
            {k: {**of, "train": 60 - of["train"]} for k, of in rows["per_class"].iloc[0].items()}
        ],
    )
    mixed = recalls.average_recall_by_class(pd.concat([rows, other]))
    assert list(mixed.index[:2]) == ["no. 1", "no. 2"]
    assert mixed["train"].is_monotonic_decreasing
    balanced = pd.concat([rows, other]).assign(imbalance="none")
    assert set(recalls.average_recall_by_class(balanced).index) == {str(k) for k in range(10)}


def test_an_interval_holds_the_mean_and_narrows_with_folds(folder):
    rows = load_results(folder)
    cells = rows[
        (rows["imbalance"] == "step(ratio=1)")
        & (rows["train_size"] == 1)
        & (rows["strategy"] == "none")
        & (rows["model"] != "majority")
    ]
    read = ResultsFolder(folder).read_predictions
    over_folds, one_fold = (
        compute_interval(read, cells, "accuracy"),
        compute_interval(read, cells[cells["fold"] == 0], "accuracy"),
    )
    for interval, of in ((over_folds, cells), (one_fold, cells[cells["fold"] == 0])):
        assert interval.lower < of["accuracy"].mean() < interval.upper
    n = int(cells["n_test"].iloc[0])
    p = cells["accuracy"].iloc[0]
    width_of_a_share = 2 * 1.96 * np.sqrt(p * (1 - p) / n)
    assert one_fold.upper - one_fold.lower == pytest.approx(width_of_a_share, rel=0.15)


def test_profiles_and_ratios_are_read_from_labels():
    assert [
        number_in_label("ratio", label)
        for label in ("none", "step(ratio=10)", "long_tail(ratio=2.5)")
    ] == [0, 10, 2.5]
    assert label_without("ratio", "step(minority=0.2, ratio=10)") == "step(minority=0.2)"


def test_default_and_tuned_curves_are_drawn_apart(results):
    rows = drop_baseline(results.rows).assign(x=1.0)
    tuned = rows.assign(tuning="random(n=4)")
    both = pd.concat([rows, tuned], ignore_index=True)
    numbers = Results(both, results.view).number_configurations("f1")
    panels, _ = _arrange_panels(both, numbers)
    for title, lines in panels:
        for _, cells, _ in lines:
            assert cells["tuning"].nunique() == 1
            assert ("(tuned 4)" in title) == (cells["tuning"].iloc[0] != "none")


def test_an_unknown_reference_is_refused_before_anything_is_drawn(folder, tmp_path):
    with pytest.raises(UserError, match="no configuration 'nothing'"):
        list(draw_plots(folder, "f1", tmp_path / "plots", against="nothing"))
    assert not (tmp_path / "plots").exists()


def test_file_names_have_no_path_separators():
    assert re.fullmatch(r"[\w.-]+", make_file_stem("cost", "../../etc: 'x'(a=1)", "f1"))
    assert "/" not in make_file_stem("csv:/data/a.csv(label='b')")
    assert (
        len(
            {
                make_file_stem("imbalance", LONG * 2, f"step(minority={share})", "f1")
                for share in (0.2, 0.8)
            }
        )
        == 2
    )
    assert len(make_file_stem("imbalance", LONG * 9)) <= 80


@pytest.mark.slow
def test_the_same_rows_give_the_same_svg(folder, tmp_path):
    for out in ("a", "b"):
        list(draw_plots(folder, "accuracy", tmp_path / out))
    for one in (tmp_path / "a").glob("*.svg"):
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes()


def test_an_unknown_metric_and_an_empty_folder_are_user_errors(folder, tmp_path):
    with pytest.raises(UserError, match="unknown metric 'acuracy'"):
        draw_plots(folder, "acuracy")
    with pytest.raises(UserError, match="no results in"):
        draw_plots(tmp_path)
    with pytest.raises(UserError, match=r"no row in .* has a value of subset_accuracy"):
        draw_plots(folder, "subset_accuracy")


def test_six_data_sets_are_enough_for_a_critical_difference_diagram(results):
    parts = [
        results.rows.assign(dataset=f"part {k}", f1=results.rows["f1"] + 0.001 * k)
        for k in range(6)
    ]
    rows = pd.concat(parts)
    (plot,) = REGISTRY["critical_difference"](Results(rows, results.view), "f1")
    assert "on 6 datasets" in plot.caption


def test_the_recall_map_has_a_row_for_every_configuration_whatever_their_names_share(results):
    long = "color_histogram(bins=4) + hog(orientations=4) + laplacian_pyramid(coarse_size=4)"
    hardest = hardest_of(results, "none")
    configurations = pd.concat(
        [hardest.assign(extractor=long, model=f"random_forest(n_estimators={k})") for k in range(3)]
    )
    both = pd.concat(
        [configurations, hardest.assign(extractor="pixels", model="knn")], ignore_index=True
    )
    (plot,) = draw_kind(Results(both, results.view), "recall", "f1")
    labels = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert len(labels) == len(set(labels)) == 4


@pytest.mark.parametrize(("one", "two"), [("a b", "a_b"), ("Data", "data"), ("a(1)", "a_1")])
def test_data_sets_with_similar_names_have_different_files(results, one, two):
    labels = [f"folder:/data/{one}", f"folder:/data/{two}"]
    both = pd.concat([results.rows.assign(dataset=label) for label in labels], ignore_index=True)
    names = [
        Results(both, results.view).stem_of_dataset("recall", label).casefold() for label in labels
    ]
    assert len(set(names)) == 2


def test_costs_have_the_intervals_of_the_leaderboard(results):
    (plot,) = draw_kind(results, "cost")
    rows = hardest_of(results, "none")
    read = results.view.read_predictions
    means = cost.summarize_costs(rows, "accuracy", read)
    for configuration in means.itertuples():
        cells = rows[rows["model"] == configuration.model]
        interval = compute_interval(read, cells, "accuracy")
        assert (configuration.lower, configuration.upper) == (interval.lower, interval.upper)
    assert "Vertical lines are 95% confidence intervals" in plot.caption
