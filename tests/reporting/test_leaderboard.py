"""Ranked tables, their formats, their captions and the problems listed below them."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from sklearn.datasets import load_digits

from benchmark import load_results
from benchmark.cli.rich_output import print_leaderboards
from benchmark.engine.runner import run
from benchmark.errors import UserError
from benchmark.reporting.class_table import ClassTable
from benchmark.reporting.leaderboard import format_leaderboard, make_leaderboards
from benchmark.reporting.row_problems import list_problems
from benchmark.reporting.text_tables import render_rows, render_tables
from benchmark.study.load import load_study
from benchmark.utils.notes import Note, NoteKind, leak_note

FAKES = str(Path(__file__).parents[1] / "fakes.py")


def row(extractor, fold, f1, status="ok", model="knn", **more):
    values = {
        "accuracy": f1,
        "precision": f1,
        "recall": f1,
        "f1": f1,
        "auc": f1,
        "log_loss": 1 - f1,
        "fit_s": 1.0,
        "predict_s": 0.1,
        "n_images": 100,
        "n_test": 50,
    }
    base = {
        "key": f"{extractor}{model}{fold}",
        "status": status,
        "reason": "",
        "dataset": "digits",
        "fingerprint": "f",
        "size": None,
        "imbalance": "none",
        "train_size": 1.0,
        "occlusion": "none",
    }
    base |= {
        "split": "stratified_kfold",
        "extractor": extractor,
        "strategy": "none",
        "model": model,
        "tuning": "none",
        "seed": 0,
        "fold": fold,
    }
    return base | (values if status == "ok" else dict.fromkeys(values, np.nan)) | more


@pytest.fixture
def rows():
    data = [
        row("hog", 0, 0.9),
        row("hog", 1, 0.8),
        row("pixels", 0, 0.7),
        row("pixels", 1, 0.7),
        row("a|b_c", 0, 0.99),
    ]
    return pd.DataFrame([*data, row("a|b_c", 1, 0, status="failed", reason="ValueError: no")])


def table(rows, metric="f1"):
    ((_, leaderboard),) = make_leaderboards(rows, metric)
    return leaderboard


def test_configurations_are_ranked_by_their_mean_and_incomplete_ones_are_not_ranked(rows):
    leaderboard = table(rows)
    assert list(leaderboard["extractor"]) == ["hog", "pixels", "a|b_c"]
    assert list(leaderboard["rank"].fillna(0)) == [1, 2, 0]
    assert list(zip(leaderboard["n_done"], leaderboard["n_planned"], strict=True)) == [
        (2, 2),
        (2, 2),
        (1, 2),
    ]


def test_a_loss_ranks_its_lowest_first(rows):
    assert table(rows, "log_loss")["extractor"][0] == "hog"
    with pytest.raises(UserError, match="did you mean 'f1'"):
        table(rows, "f2")


def test_the_spread_is_the_standard_deviation_over_folds(rows):
    assert table(rows)["f1_std"][0] == pytest.approx(np.std([0.9, 0.8], ddof=1))


def test_a_mean_is_over_the_folds_where_the_metric_is_defined_and_says_how_many(rows):
    rows.loc[0, "auc"] = np.nan
    leaderboard = table(rows, "auc")
    hog = leaderboard.set_index("extractor").loc["hog"]
    assert (hog["auc"], hog["auc_n"]) == (0.8, 1)
    assert pd.isna(hog["rank"]), "not beside configurations that are defined on all folds"
    assert "0.800 (1 of 2)" in list(format_leaderboard(leaderboard)["auc"])
    assert "(1 of 2)" not in " ".join(format_leaderboard(leaderboard)["f1"])


def with_classes(rows, absent):
    """Rows whose fold k lacks the test images of the classes absent[k]."""
    names = ("a", "b", "c")
    values = [
        {
            name: {
                "support": 0.0 if name in absent.get(fold, ()) else 5.0,
                "train": 5,
                "recall": 0.5,
            }
            for name in names
        }
        for fold in rows["fold"]
    ]
    return rows.assign(per_class=values)


def three_folds(values):
    return pd.DataFrame([row("hog", fold, value) for fold, value in enumerate(values)])


def test_a_fold_that_lacks_a_class_is_not_averaged_with_complete_ones():
    """The classifier has 0.658 on all classes, and 0.914 on a test set without the hard one."""
    rows = with_classes(three_folds([0.658, 0.658, 0.914]), {2: ("c",)})
    leaderboard = table(rows)
    assert (leaderboard["f1"][0], leaderboard["f1_n"][0]) == (pytest.approx(0.658), 2)
    assert leaderboard["accuracy"][0] == pytest.approx((0.658 * 2 + 0.914) / 3), (
        "no average over classes"
    )
    assert (
        "macro averages are over 2 of 3 folds, those with test images of every class: 1 without "
        "test images of c" in list_problems(rows)
    )
    assert leaderboard["rank"][0] == 1


def test_folds_that_all_lack_the_same_class_are_averaged_with_a_remark():
    rows = with_classes(three_folds([0.6, 0.7, 0.8]), dict.fromkeys(range(3), ("c",)))
    assert table(rows)["f1"][0] == pytest.approx(0.7)
    assert any(
        "over the classes with test images, for all configurations alike" in line
        for line in list_problems(rows)
    )


def test_folds_that_all_lack_a_class_do_not_rank_by_an_average_over_classes():
    """With one class left, 'majority' predicts every image correctly."""
    both = [
        row("hog", fold, f1, model=model)
        for model, f1 in (("majority", 1.0), ("knn", 0.9))
        for fold in range(2)
    ]
    rows = with_classes(pd.DataFrame(both), dict.fromkeys(range(2), ("b", "c")))
    leaderboard = table(rows)
    assert leaderboard["rank"].isna().all()
    assert not leaderboard["no_better"].any()
    assert sorted(format_leaderboard(leaderboard)["f1"]) == ["0.900", "1.000"]
    assert set(format_leaderboard(leaderboard)["rank"]) == {"-"}
    assert "and do not rank them: of 2 folds, 2 without test images of b, c" in render_tables(
        rows, "md", "f1"
    )
    assert sorted(table(rows, "accuracy")["rank"]) == [1, 2], "no average over classes"


def test_folds_that_lack_different_classes_have_no_macro_average():
    rows = with_classes(three_folds([0.6, 0.7, 0.8]), {0: ("a",), 1: ("b",), 2: ("c",)})
    assert np.isnan(table(rows)["f1"][0])
    assert format_leaderboard(table(rows))["f1"][0] == "-"
    assert any(
        "not computed: no fold has test images of every class" in line
        for line in list_problems(rows)
    )


def test_a_class_without_training_images_is_named_under_the_table(rows):
    note = Note(
        "class 'c' has no training images: none of its 8 test images can be predicted",
        NoteKind.CLASSES,
    )
    rows["notes"] = [[note]] * len(rows)
    assert any("class 'c' has no training images" in line for line in list_problems(rows))


def test_a_multi_label_table_has_its_own_metrics_also_for_configurations_that_were_skipped(rows):
    rows["subset_accuracy"], rows["hamming_loss"] = rows["f1"], 1 - rows["f1"]
    skipped = pd.DataFrame(
        [row("hog", fold, 0, status="skipped", model="other") for fold in (0, 1)]
    )
    leaderboard = format_leaderboard(table(pd.concat([rows, skipped], ignore_index=True)))
    assert "subset_accuracy" in leaderboard
    assert "log_loss" not in leaderboard


def test_ties_share_a_rank(rows):
    tied = pd.concat(
        [rows, pd.DataFrame([row("tie", 0, 0.9), row("tie", 1, 0.8)])], ignore_index=True
    )
    assert list(table(tied)["rank"][:3]) == [1, 1, 3]


def test_rows_that_cannot_be_compared_are_in_different_tables(rows):
    other = rows.assign(split="holdout")
    assert len(list(make_leaderboards(pd.concat([rows, other]), "f1"))) == 2


def test_failures_are_listed_with_their_reasons(rows):
    assert list_problems(rows) == ["1 failed: a|b_c / none / knn: ValueError: no"]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_machine_formats_hold_every_digit(rows, form):
    text = render_tables(rows, form, "f1")
    back = pd.read_csv(io.StringIO(text)) if form == "csv" else pd.read_json(io.StringIO(text))
    assert back["f1"][0] == pytest.approx(0.85, abs=1e-12)


def test_markdown_and_latex_escape_special_characters(rows):
    assert r"a\|b_c" in render_tables(rows, "md", "f1")
    assert r"b\_c" in render_tables(rows, "latex", "f1")


@pytest.mark.parametrize("form", ["md", "csv", "latex", "json"])
def test_rows_are_printed_with_one_line_per_cell(rows, form):
    assert render_rows(rows, form).count("ValueError") == 1


def test_the_class_of_an_average_precision_is_named_in_the_table_of_rows(rows):
    two = {name: {"support": 5.0} for name in ("benign", "mal|gnant")}
    binary = rows.assign(average_precision=0.5, per_class=[two] * len(rows))
    assert r"average_precision of 'mal\|gnant'" in render_rows(binary, "md")
    table = pd.read_csv(io.StringIO(render_rows(binary, "csv")))
    assert set(table["average_precision_class"]) == {"mal|gnant"}
    assert (
        list(table.columns).index("average_precision_class")
        == list(table.columns).index("average_precision") + 1
    )
    other = {name: {"support": 5.0} for name in "abc"}
    three = binary.assign(dataset="other", per_class=[other] * len(rows))
    mixed = pd.concat([binary, three], ignore_index=True)
    header = [name.strip() for name in render_rows(mixed, "md").splitlines()[0].split("|")]
    assert {"average_precision", "average_precision_class"} <= set(header)
    classes = pd.read_csv(io.StringIO(render_rows(mixed, "csv")))["average_precision_class"]
    assert list(classes.fillna("")) == ["mal|gnant"] * len(rows) + [""] * len(rows)
    assert "average_precision_class" not in render_rows(three, "csv")


def test_times_of_different_environments_are_reported_as_not_comparable():
    here, there = {"processor": "A", "cores": 2}, {"processor": "B", "cores": 64}
    alone = [row("hog", fold, 0.9, environment=here, workers=1.0) for fold in range(2)]
    assert not list_problems(pd.DataFrame(alone))
    mixed = [*alone, row("pixels", 0, 0.7, environment=there, workers=64.0)]
    (line,) = list_problems(pd.DataFrame(mixed))
    assert (
        "cannot be compared: 2 cells on A, 2 cores, 1 worker; 1 cell on B, 64 cores, 64 workers"
        in line
    )


def test_a_configuration_no_better_than_the_majority_is_marked(tmp_path):
    study = load_study(
        "digits",
        extractors=["pixels", "color_histogram"],
        models=["majority", "gaussian_nb", f"{FAKES}:Constant"],
    )
    rows = run(study, out=tmp_path)
    ((_, table),) = make_leaderboards(rows, "f1")
    assert set(table.loc[table["no_better"], "model"]) == {f"{FAKES}:Constant"}
    text = render_tables(rows, "md", "f1")
    assert text.count("†") == 3, "two configurations and the caption"
    assert "†" not in render_tables(rows[rows["model"] != "majority"], "md", "f1"), (
        "no baseline, no mark"
    )


def test_the_table_of_classes_holds_the_mean_of_every_class(tmp_path):
    rows = run(
        load_study(
            "digits",
            extractors=["pixels"],
            models=["gaussian_nb", "knn"],
            imbalances=["step(ratio=5)"],
        ),
        out=tmp_path,
    )
    ((title, table),) = ClassTable().make_tables(rows, "recall")
    assert "step(ratio=5)" in title
    for _, configuration in table.iloc[1:].iterrows():
        cells = rows[rows["model"] == configuration["model"]]["per_class"]
        for cls in map(str, range(10)):
            assert configuration[cls] == pytest.approx(
                np.mean([cell[cls]["recall"] for cell in cells])
            )
        assert configuration[configuration["worst class"]] == min(
            configuration[str(cls)] for cls in range(10)
        )
    classes = [name for name in table if f"{name}_interval" in table]
    sizes = table.loc[0, classes].tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) == pytest.approx(5 * min(sizes), rel=0.05)
    with pytest.raises(UserError, match="unknown metric of a class 'kappa'"):
        list(ClassTable().make_tables(rows, "kappa"))


def test_repeated_corrections_of_the_class_frequencies_are_reported(tmp_path):
    study = load_study(
        "digits",
        extractors=["pixels"],
        models=["knn"],
        strategies=["random_over + prior_threshold"],
        split="holdout",
    )
    (line,) = list_problems(run(study, tmp_path))
    assert (
        line == "1 cell: class frequencies are corrected 2 times: by RandomOverSampler and by "
        "PriorThreshold"
    )


def test_a_label_that_every_test_image_has_is_named_under_the_table(tmp_path):
    lines = ["image,labels"]
    for i, digit in enumerate(load_digits().target[:60]):
        Image.fromarray(np.rint(load_digits().images[i] * 15).astype(np.uint8)).save(
            tmp_path / f"{i}.png"
        )
        lines.append(f"{i}.png,{'digit|even' if digit % 2 == 0 else 'digit'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    study = load_study(
        "digits",
        datasets=[f"csv:{tmp_path / 'labels.csv'}(label='labels')"],
        extractors=["pixels"],
        models=["gaussian_nb"],
    )
    rows = run(study, out=tmp_path / "out")
    assert any(
        "every test image has the label: digit; auc and average_precision are undefined" in line
        for line in list_problems(rows)
    )


def test_a_class_may_have_the_name_of_a_column(tmp_path):
    names = {"0": "model", "1": "worst class", "2": "table", "3": "extractor"}
    rows = run(
        load_study("digits", extractors=["pixels"], models=["gaussian_nb"], split="holdout"),
        out=tmp_path,
    )
    plain = render_tables(rows, "csv", "recall", "class")
    rows["per_class"] = [
        {names.get(cls, cls): of for cls, of in each.items()} for each in rows["per_class"]
    ]
    text = render_tables(rows, "csv", "recall", "class")
    header = text.splitlines()[0].split(",")
    assert len(header) == len(set(header)) == len(plain.splitlines()[0].split(","))
    assert {f"class '{name}'" for name in names.values()} <= set(header)
    assert sorted(text.splitlines()[2].split(",")[4:-3]) == sorted(
        plain.splitlines()[2].split(",")[4:-3]
    )
    for form in ("md", "latex"):
        assert "class 'model'" in render_tables(rows, form, "recall", "class")


def test_groups_and_classes_that_are_spelled_in_two_ways_are_named_under_the_table(tmp_path):
    lines = ["image,label,group,split"]
    for i, digit in enumerate(load_digits().target[:80]):
        Image.fromarray(np.rint(load_digits().images[i] * 15).astype(np.uint8)).save(
            tmp_path / f"{i}.png"
        )
        label, subset = "Even" if digit % 2 == 0 else "odd", ["train", "test"][i % 2]
        lines.append(f"{i}.png,{label},{'pP'[i % 2]}{i // 2},{subset}")
    lines[-1] = lines[-1].replace("odd", "Odd").replace("Even", "even")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    study = load_study(
        "digits",
        datasets=[f"csv:{tmp_path / 'labels.csv'}"],
        extractors=["pixels"],
        models=["gaussian_nb"],
    )
    lines = list_problems(run(study, out=tmp_path / "out"))
    assert any(
        "1 cell: groups that differ only in case, spaces or the format of a number: 'p0' and 'P0'"
        in line
        for line in lines
    )
    assert any("1 cell: classes that differ only in case" in line for line in lines)


def test_notes_name_their_data_set_where_there_are_several():
    leaking = [
        row("hog", fold, 0.9, notes=[leak_note("3 lesions"), Note("a detail")]) for fold in range(2)
    ]
    assert list_problems(pd.DataFrame(leaking)) == ["2 cells: leak: 3 lesions"]
    clean = row("hog", 0, 0.9) | {"dataset": "breast", "fingerprint": "g", "key": "b"}
    assert list_problems(pd.DataFrame([*leaking, clean])) == ["digits: 2 cells: leak: 3 lesions"]


def test_a_narrow_terminal_says_which_strategy_all_configurations_have(five_folds):
    stream = io.StringIO()
    print_leaderboards(Console(file=stream, width=80), load_results(five_folds))
    text = " ".join(stream.getvalue().split())
    (left_out,) = re.findall("too narrow for (.*?):", text)
    assert "strategy" not in text.partition("Equal in all lines")[0]
    assert "Equal in all lines: strategy none." in text
    assert "strategy" not in left_out
