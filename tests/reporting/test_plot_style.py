"""One style for all kinds of plots: size, colours, names, labels, captions and names of files."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from figure_checks import (
    CONES,
    DISTINCT,
    colour_difference,
    list_coloured_lines,
    list_texts,
    overlapping,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from small_studies import make_dataset

from benchmark import load_study, run
from benchmark.reporting.plots import REGISTRY, Missing, draw_plots
from benchmark.reporting.plots.contact_sheet import draw_contact_sheet
from benchmark.reporting.plots.plot import DPI, make_file_stems
from benchmark.reporting.plots.recalls import draw_recall_heat_maps
from benchmark.reporting.plots.rows import Results, read_labels
from benchmark.reporting.plots.style import (
    DASHES,
    MARKERS,
    MOST_COLOURED,
    PALE,
    PALETTE,
    PLACES,
    SMALL,
    style_lines,
)
from benchmark.reporting.plots.texts import fit_names, fit_text, measure_text, wrap_text
from benchmark.reporting.results_view import ResultsView

MODELS = [f"logistic_regression(C={k}, penalty='elastic')" for k in range(30)]
STUDIES = ("few", "thirty configurations", "all strategies", "one strategy")


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    """Two classes with long names, in groups; four configurations and the baseline."""
    folder = tmp_path_factory.mktemp("binary")
    dataset = make_dataset("grouped", folder, n=120)
    models = ["majority", "gaussian_nb", "nearest_centroid"]
    return run_inline(folder, datasets=[dataset], extractors=["pixels", "hog"], models=models)


@pytest.fixture(scope="module")
def imbalanced(tmp_path_factory):
    """Ten classes, two ratios, three strategies."""
    return run_inline(
        tmp_path_factory.mktemp("imbalanced"),
        datasets=["digits"],
        imbalances=["step(ratio=1)", "step(ratio=5)"],
        extractors=["pixels"],
        strategies=["none", "random_over", "prior_threshold"],
        models=["majority", "gaussian_nb"],
    )


def run_inline(folder, **axes):
    split = "stratified_kfold(folds=2)"
    run(load_study("digits", split=split, **axes), folder / "out", scheduler="inline")
    view = ResultsView(folder / "out")
    return Results(view.load_rows(), view)


def repeat_configurations(results, column, labels, models=("majority", "gaussian_nb")):
    """Results with a copy of the rows of the pixels for every label of a column."""
    rows = results.rows[results.rows["model"].isin(models)]
    baseline = rows["model"] == "majority"
    first = rows[~baseline & (rows["extractor"] == "pixels")]
    first = first[first["strategy"] == first["strategy"].iloc[0]]
    copies = [
        first.assign(**{column: label, "f1": first["f1"] - 0.01 * k})
        for k, label in enumerate(labels)
    ]
    return Results(pd.concat([rows[baseline], *copies], ignore_index=True), results.view)


@pytest.fixture(scope="module", params=STUDIES)
def plots(request, tmp_path_factory):
    """Plots of all kinds that a study allows, as they are saved."""
    results = {
        "few": lambda: request.getfixturevalue("binary"),
        "thirty configurations": lambda: repeat_configurations(
            request.getfixturevalue("binary"), "model", MODELS
        ),
        "all strategies": lambda: repeat_configurations(
            request.getfixturevalue("imbalanced"), "strategy", PLACES
        ),
        "one strategy": lambda: repeat_configurations(
            request.getfixturevalue("imbalanced"), "model", MODELS
        ),
    }[request.param]()
    plots = [
        plot
        for draw in REGISTRY.values()
        for plot in draw(results, "f1")
        if not isinstance(plot, Missing)
    ]
    out = tmp_path_factory.mktemp("plots")
    for plot in plots:
        plot.save(out, ["png"])
        plot.figure.set_dpi(DPI)
        plot.figure.draw_without_rendering()
    return plots


def test_a_plot_is_as_wide_as_one_column_or_two(plots):
    assert {plot.figure.get_figwidth() for plot in plots} <= {3.5, 7.2}
    several = [plot for plot in plots if len({ax.get_position().x0 for ax in plot.figure.axes}) > 1]
    assert {plot.figure.get_figwidth() for plot in several} <= {7.2}


def test_no_text_is_smaller_than_six_points(plots):
    for plot in plots:
        assert min(text.get_fontsize() for text in list_texts(plot.figure)) >= 6, plot.name


def test_no_text_overlaps_another_or_leaves_the_plot(plots):
    assert {plot.name: found for plot in plots if (found := overlapping(plot.figure))} == {}


def test_at_most_eight_lines_of_a_panel_are_coloured(plots):
    for plot in plots:
        for ax in plot.figure.axes:
            assert len(list_coloured_lines(ax)) <= 8, plot.name


def test_any_two_lines_of_a_panel_differ_in_marker_or_line_style(plots):
    for plot in plots:
        for ax in plot.figure.axes:
            looks = list_coloured_lines(ax)
            assert len({look[1:] for look in looks}) == len(looks), plot.name


def test_every_caption_says_how_many_images_and_what_the_metric_is(plots):
    for plot in plots:
        assert "n = " in plot.caption, plot.name
        if "f1" in plot.caption:
            assert "f1: mean over the classes with test images (macro) of F1" in plot.caption


def test_every_axis_says_what_it_shows_unless_it_lists_names(plots):
    for plot in plots:
        first, last = plot.figure.axes[0], plot.figure.axes[-1]
        assert last.get_xlabel(), plot.name
        if plot.name not in ("leaderboard-f1", "recall"):
            assert first.get_ylabel(), plot.name


def test_a_configuration_has_the_same_colour_in_all_plots(binary):
    colours = {}
    for kind in ("roc", "precision_recall", "decision"):
        (plot,) = REGISTRY[kind](binary, "f1")
        key = plot.figure.axes[0].get_legend()
        for text, line in zip(key.get_texts(), key.get_lines(), strict=True):
            colours.setdefault(text.get_text(), set()).add(line.get_color())
    for kind in ("reliability", "calibration"):
        (plot,) = REGISTRY[kind](binary, "f1")
        for ax in plot.figure.axes:
            name = ax.get_title("left").partition("\n")[0].replace(" / none", "")
            colours.setdefault(name, set()).add(ax.lines[-1].get_color())
    assert len(colours) == 4
    assert {name: seen for name, seen in colours.items() if len(seen) > 1} == {}


def test_the_colour_is_that_of_the_strategy_if_there_are_several(imbalanced):
    numbers = imbalanced.number_configurations("f1")
    rows = imbalanced.rows[imbalanced.rows["model"] != "majority"]
    for strategy, group in rows.groupby("strategy"):
        own = {numbers[read_labels(cells)] for _, cells in group.groupby(["extractor", "model"])}
        assert len(own) == 1
        assert (own == {0}) == (strategy == "none")


def test_the_best_configurations_have_different_colours_if_there_is_one_strategy(binary):
    results = repeat_configurations(binary, "model", MODELS)
    numbers = results.number_configurations("f1")
    order = sorted(numbers, key=numbers.get)
    assert [labels[2] for labels in order] == MODELS  # f1 decreases in this order
    styles = style_lines(range(MOST_COLOURED))
    assert len({style["color"] for style in styles}) == MOST_COLOURED


@pytest.mark.parametrize("cones", [name for name in CONES if name != "gray"])
def test_any_two_colours_differ_for_colour_blind_eyes(cones):
    for one, other in combinations(PALETTE, 2):
        assert colour_difference(one, other, cones) >= DISTINCT, (one, other)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=MOST_COLOURED))
def test_any_lines_of_one_panel_can_be_told_apart_in_gray(numbers):
    assume(max(Counter(k % len(MARKERS) for k in numbers).values()) <= len(DASHES))
    looks = {(style["marker"], style["linestyle"]) for style in style_lines(numbers)}
    assert len(looks) == len(numbers)


@pytest.mark.parametrize("cones", [name for name in CONES if name != "gray"])
def test_colours_can_be_told_from_the_gray_of_all_other_lines(cones):
    for colour in PALETTE:
        assert colour_difference(colour, PALE, cones) >= DISTINCT, colour


@pytest.mark.parametrize("n", [1, 3, 15])
def test_n_and_the_folds_are_those_of_the_rows(binary, n):
    rows = pd.concat([binary.rows[binary.rows["fold"] == 0].assign(fold=k) for k in range(n)])
    tested = min(n * int(rows["n_test"].iloc[0]), int(rows["n_images"].iloc[0]))
    text = Results(rows, binary.view).describe_sample(rows)
    assert text.startswith(f"n = {tested} test images")
    assert ("group" in text) == (tested == rows["n_images"].iloc[0])
    assert text.endswith("one split and one seed." if n == 1 else f"{n} folds.")


@pytest.mark.parametrize("n_classes", [2, 100])
def test_a_recall_map_has_room_for_long_names_of_classes(binary, tmp_path, n_classes):
    per_class = {
        f"benign keratosis-like lesions {k}": {"recall": 0.5, "support": 9, "train": 20}
        for k in range(n_classes)
    }
    rows = binary.rows.assign(per_class=[per_class] * len(binary.rows))
    (plot,) = draw_recall_heat_maps(Results(rows, binary.view), "f1")
    plot.save(tmp_path, ["png"])
    assert overlapping(plot.figure) == []
    assert "(20)" in plot.figure.axes[0].get_xticklabels()[0].get_text()
    assert "has the fewest test images" in plot.caption
    assert ("is named" in plot.caption) == (n_classes == 100)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", ["W" * 60, "皮膚科の画像" * 9, "benign keratosis-like lesions"])
@pytest.mark.parametrize("n", [1, 9])
def test_a_contact_sheet_has_room_for_wide_letters_and_does_not_distort_images(tmp_path, text, n):
    images, texts = np.zeros((n, 8, 6, 1), dtype=np.uint8), [f"{text}\n{text}\n{text}"] * n
    plot = draw_contact_sheet("sheet", "title " * 9, "caption", images, texts)
    plot.save(tmp_path, ["png"])
    assert overlapping(plot.figure) == []
    side = plot.figure.get_figwidth() / min(n, 4)
    for ax in plot.figure.axes:
        box = ax.get_window_extent()
        assert box.height / box.width == pytest.approx(8 / 6, rel=0.02)
        assert measure_text(ax.get_title("left")) <= side  # in a browser, too, with its own font


@pytest.mark.parametrize("text", ["hog / none / knn", "x" * 90, "long " * 30, "皮膚" * 30])
def test_wrapped_and_shortened_texts_are_no_wider_than_asked(text):
    for width, size in product((1.0, 2.5), (SMALL, 9)):
        assert measure_text(fit_text(text, width, size), size) <= width
        assert measure_text(wrap_text(text, width, size), size) <= width
        assert wrap_text(text, width, size, most=2).count("\n") <= 1
        assert wrap_text(text, width, size).replace("\n", "").replace(" ", "") == text.replace(
            " ", ""
        )


def test_shortened_names_stay_different():
    names = [f"{'a' * 40}{k}{'b' * 40}" for k in range(12)]
    fitted = fit_names(names, 1.0)
    assert len(set(fitted)) == len(names)
    assert max(map(measure_text, fitted)) <= 1.0


@pytest.mark.parametrize("n", [2, 30])
def test_names_of_files_do_not_depend_on_the_number_of_configurations(binary, n):
    results = repeat_configurations(binary, "model", MODELS[:n])
    names = {kind: plot_names(results, kind) for kind in ("roc", "cost", "recall")}
    assert names == {"roc": ["roc"], "cost": ["cost-f1"], "recall": ["recall"]}


def test_names_of_files_have_the_dataset_where_there_are_several(binary):
    both = [binary.rows.assign(dataset=name) for name in ("digits", "folder:x/scans")]
    several = Results(pd.concat(both, ignore_index=True), binary.view)
    assert plot_names(several, "recall") == ["recall-digits", "recall-scans"]


def plot_names(results, kind):
    return [plot.name for plot in REGISTRY[kind](results, "f1")]


def test_names_of_files_are_the_same_in_every_format(binary, tmp_path):
    folder = binary.view.folder.path
    for form in ("png", "svg", "pdf"):
        kinds = ["leaderboard", "cost"]
        list(draw_plots(folder, "f1", tmp_path / form, kinds=kinds, forms=[form]))
    forms = ("png", "svg", "pdf")
    names = [{path.stem for path in (tmp_path / form).glob(f"*.{form}")} for form in forms]
    assert names == [{"leaderboard-f1", "cost-f1"}] * 3


@pytest.mark.parametrize(
    ("one", "two"), [("a b", "a_b"), ("Data", "data"), ("a(1)", "a_1"), ("same", "same")]
)
def test_names_of_files_never_collide(one, two):
    stems = make_file_stems({"/x": ("roc", one), "/y": ("roc", two)})
    assert len({stem.casefold() for stem in stems.values()}) == 2
    assert stems == make_file_stems({"/y": ("roc", two), "/x": ("roc", one)})
