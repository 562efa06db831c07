"""Pictures: what they promise of their files, captions, colours and labels, on a small study of real digits."""

import re
from itertools import combinations
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.text import Text

from benchmark import load_results, load_study, run
from benchmark.errors import UserError
from benchmark.intervals import interval
from benchmark.plots import MENU, Missing, cost, plot, recalls
from benchmark.plots.picture import file_name
from benchmark.plots.rows import Results, profile_of, ratio_of
from benchmark.plots.style import PLACES, apart, family_of, in_order, style_of
from benchmark.strategies import MENU as STRATEGIES

CURVES = {
    "datasets": ["digits"],
    "imbalances": ["step(ratio=1)", "step(ratio=10)", "step(ratio=100)"],
    "train_sizes": [0.5, 1.0],
    "extractors": ["pixels"],
    "strategies": ["none", "random_over", "smote(k_neighbors=1)", "random_under", "prior_threshold"],
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
    """Folder of the pictures, and what plot said."""
    out = tmp_path_factory.mktemp("plots")
    return out, [str(said) for said in plot(folder, "accuracy", out)]


@pytest.fixture
def results(folder):
    rows = load_results(folder)
    return Results(rows[rows["status"] == "ok"], folder)


def test_every_picture_is_a_png_and_an_svg_with_its_caption(drawn):
    out, said = drawn
    names = {path.stem for path in out.glob("*.png")}
    assert {name.split("-")[0] for name in names} == {"imbalance", "train_size", "cost", "confusion", "reliability", "recall"}
    captions = (out / "captions.md").read_text()
    for name in names:
        assert matplotlib.image.imread(out / f"{name}.png").shape[1] >= 600
        assert ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg")
        assert f"![{name}]({name}.png)" in captions
        assert str(out / f"{name}.png") in said


def test_what_cannot_be_drawn_is_said_with_the_reason(drawn):
    assert any(line.startswith("no critical_difference: 1 data sets, and") for line in drawn[1])


def test_entries_without_all_their_cells_are_left_out_and_named(drawn, folder):
    out, said = drawn
    rows = load_results(folder)
    assert set(rows.loc[rows["status"] != "ok", "strategy"]) == {"smote(k_neighbors=1)"}
    assert any("not all of their cells are done: of smote(k_neighbors=1) / nearest_centroid" in line for line in said)
    assert "smote" not in (out / "recall-digits.svg").read_text()
    assert "smote" in (out / "imbalance-digits-step-all_of_the_training_part-accuracy.svg").read_text()  # at the ratios where it worked


def test_a_caption_says_the_figures_of_the_rows(drawn, folder):
    rows = load_results(folder)
    hardest = rows[
        (rows["imbalance"] == "step(ratio=100)") & (rows["train_size"] == 1) & (rows["model"] != "majority") & (rows["status"] == "ok")
    ]
    means = hardest.groupby("strategy")["accuracy"].mean()
    caption = (drawn[0] / "captions.md").read_text().split("## imbalance-digits-step-all")[1].split("##")[0]
    assert f"{means.idxmax()} has the best accuracy, {means.max():.3f}, and {means.idxmin()} the worst, {means.min():.3f}" in caption


@pytest.mark.parametrize("kind", ["imbalance", "train_size"])
def test_names_of_lines_do_not_overlap(results, kind):
    for picture in MENU[kind](results, "f1"):
        picture.figure.draw_without_rendering()
        boxes = text_boxes(picture.figure)
        assert len(boxes) >= 4
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def text_boxes(figure):
    """Boxes of the names alone, without the lines that lead to them."""
    return [Text.get_window_extent(text).shrunk(1, 0.9) for ax in figure.axes for text in ax.texts]


def test_nothing_of_a_picture_is_outside_of_it(results):
    for draw in MENU.values():
        for picture in draw(results, "f1"):
            if isinstance(picture, Missing):
                continue
            picture.figure.draw_without_rendering()
            tight, whole = picture.figure.get_tightbbox(), picture.figure.bbox_inches
            assert tight.x0 >= whole.x0 - 0.05
            assert tight.x1 <= whole.x1 + 0.05, picture.name


@given(arrays(float, st.integers(1, 15), elements=st.floats(-0.5, 1.5)))
def test_places_are_apart_in_order_and_within_the_panel(wanted):
    found = apart(wanted, 0.06)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(found[order]) >= 0.06 - 1e-9).all()
    assert found.min() >= -1e-9
    assert found.max() <= 1 + 1e-9


def test_places_that_are_apart_already_stay():
    np.testing.assert_allclose(apart(np.array([0.9, 0.1, 0.5]), 0.06), [0.9, 0.1, 0.5])


def test_a_strategy_looks_the_same_in_every_company():
    alone = style_of("smote", ["smote"])
    assert alone == style_of("smote", ["none", "smote", "adasyn", "random_under", "a + b"])


def test_every_strategy_of_the_menu_has_a_place_and_a_look_of_its_own():
    assert set(PLACES) == set(STRATEGIES)
    looks = {name: style_of(name, PLACES) for name in PLACES}
    assert len({(look["color"], look["marker"]) for look in looks.values()}) == len(PLACES)


def test_variants_of_a_strategy_differ_in_look():
    among = ["smote(k_neighbors=1)", "smote(k_neighbors=5)", "random_over + prior_threshold", "smote + prior_threshold", "mine.py:Mine"]
    looks = [tuple(style_of(name, among).values()) for name in among]
    assert len(set(looks)) == len(among)


def test_strategies_are_in_the_order_of_their_families():
    shuffled = ["mine.py:Mine", "random_over + tomek_links", "tuned_threshold", "random_under", "smote", "none", "random_over"]
    assert in_order(shuffled) == ["none", "random_over", *reversed(shuffled[:5])]
    assert [family_of(name) for name in ("none", "a + b", "mine.py:Mine")] == ["no strategy", "several", "others"]


def test_the_pareto_front_is_what_nothing_cheaper_equals(results):
    rows = results.rows[results.rows["imbalance"] == "step(ratio=10)"]
    means = cost.costs(rows, "accuracy")
    for _, entry in means.iterrows():
        cheaper = means[means["seconds"] < entry["seconds"]]
        assert entry["front"] == (cheaper["accuracy"] < entry["accuracy"]).all()
    of_loss = cost.costs(rows, "log_loss")
    assert of_loss.loc[of_loss["front"], "log_loss"].is_monotonic_decreasing


def test_recalls_are_by_frequency_where_the_rare_classes_differ(results):
    rows = results.rows[(results.rows["imbalance"] == "step(ratio=10)") & (results.rows["strategy"] == "none")]
    assert not recalls.by_frequency(rows)["name"].str.contains(".", regex=False).any()
    other = rows.iloc[0].copy()
    other["per_class"] = {name: {**of, "train": 60 - of["train"]} for name, of in other["per_class"].items()}
    mixed = recalls.by_frequency(pd.concat([rows, rows.iloc[[0]].assign(per_class=[other["per_class"]])]))
    assert list(mixed["name"][:2]) == ["1.", "2."]
    assert mixed["train"].is_monotonic_decreasing


def test_an_interval_holds_the_mean_and_narrows_with_folds(folder):
    rows = load_results(folder)
    cells = rows[
        (rows["imbalance"] == "step(ratio=1)") & (rows["train_size"] == 1) & (rows["strategy"] == "none") & (rows["model"] != "majority")
    ]
    over_folds, one_fold = interval(folder, cells, "accuracy"), interval(folder, cells[cells["fold"] == 0], "accuracy")
    for found, of in ((over_folds, cells), (one_fold, cells[cells["fold"] == 0])):
        assert found.lower < of["accuracy"].mean() < found.upper
    n = int(cells["n_test"].iloc[0])
    p = cells["accuracy"].iloc[0]
    assert one_fold.upper - one_fold.lower == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / n), rel=0.15)  # of a share


def test_profiles_and_ratios_are_read_from_labels():
    assert [ratio_of(label) for label in ("none", "step(ratio=10)", "long_tail(ratio=2.5)")] == [0, 10, 2.5]
    assert profile_of("step(minority=0.2, ratio=10)") == "step(minority=0.2)"


def test_names_of_files_hold_nothing_that_a_folder_could_mean():
    assert re.fullmatch(r"[\w.-]+", file_name("cost", "../../etc: 'x'(a=1)", "f1"))
    assert "/" not in file_name("csv:/data/a.csv(label='b')")


def test_the_same_rows_give_the_same_svg(folder, tmp_path):
    for out in ("a", "b"):
        list(plot(folder, "accuracy", tmp_path / out))
    for one in (tmp_path / "a").glob("*.svg"):
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes()


def test_an_unknown_metric_and_an_empty_folder_are_one_line(folder, tmp_path):
    with pytest.raises(UserError, match="unknown metric 'acuracy'"):
        plot(folder, "acuracy")
    with pytest.raises(UserError, match="no results in"):
        plot(tmp_path)
    with pytest.raises(UserError, match=r"no row in .* has a value of subset_accuracy"):
        plot(folder, "subset_accuracy")


def test_six_data_sets_are_enough_for_a_critical_difference_diagram(results):
    parts = [results.rows.assign(dataset=f"part {k}", f1=results.rows["f1"] + 0.001 * k) for k in range(6)]
    rows = pd.concat(parts)
    (picture,) = MENU["critical_difference"](Results(rows, results.folder), "f1")
    assert "on 6 data sets" in picture.caption
