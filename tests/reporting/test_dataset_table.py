"""Tables with one column per dataset, on a small study of real images."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from small_studies import make_dataset
from typer.testing import CliRunner

from benchmark import load_results, load_study, run
from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.reporting.dataset_table import DatasetTable
from benchmark.reporting.leaderboard import make_leaderboards
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    csv = make_dataset("binary", root, 120).replace("label='dx'", "label='dx', name='mean'")
    study = load_study(
        "digits",
        name="datasets",
        datasets=["digits", "faces", csv],
        split="stratified_kfold(folds=2)",
        extractors=["pixels", "color_histogram(bins=4)"],
        models=["majority", "gaussian_nb", "nearest_centroid"],
    )
    run(study, out=root / "out")
    return root / "out"


@pytest.fixture(scope="module")
def rows(folder):
    return load_results(folder)


def make_table(rows, metric="accuracy", common=False, read=None):
    ((title, table),) = DatasetTable(common).make_tables(rows, metric, read)
    return title, table


def drop(rows, **labels):
    return rows[~np.logical_and.reduce([rows[name] == label for name, label in labels.items()])]


def fail(rows, **labels):
    """Mark the first matching cell as failed."""
    changed = rows.copy()
    matches = np.logical_and.reduce([rows[name] == label for name, label in labels.items()])
    changed.loc[changed.index[matches][0], ["status", "reason"]] = ["failed", "out of memory"]
    return changed


@pytest.mark.parametrize("metric", ["accuracy", "auc", "log_loss"])
def test_values_ranks_and_wins_are_those_of_pandas(rows, metric):
    title, table = make_table(rows, metric)
    assert title == "3 datasets"
    means = rows.groupby([*CONFIGURATION_AXES, "dataset"])[metric].mean().unstack()
    shown = table.set_index(CONFIGURATION_AXES)
    for dataset, column in {"digits": "digits", "faces": "faces", "mean": "dataset 'mean'"}.items():
        pd.testing.assert_series_equal(
            shown[column].sort_index(), means[dataset].sort_index(), check_names=False
        )
    assert shown["mean"].to_dict() == pytest.approx(means.mean(axis=1).to_dict())
    others = means[means.index.get_level_values("model") != "majority"]
    ranks = others.round(12).rank(ascending=metric == "log_loss").mean(axis=1)
    assert shown["mean_rank"].dropna().to_dict() == pytest.approx(ranks.to_dict())
    wins = (others.round(12).rank(ascending=metric == "log_loss", method="min") == 1).sum(axis=1)
    assert shown["wins"].dropna().astype(int).to_dict() == wins.to_dict()
    assert table["mean_rank"].dropna().is_monotonic_increasing
    assert table["model"].iloc[-1] == "majority"  # not ranked, last


def test_single_values_have_the_intervals_of_the_leaderboards(rows, folder):
    read = ResultsFolder(folder).read_predictions
    _, table = make_table(rows, read=read)
    for title, leaderboard in make_leaderboards(rows, "accuracy", read):
        name = title.partition(" ")[0]
        column = "dataset 'mean'" if name == "mean" else name
        both = table.merge(leaderboard, on=CONFIGURATION_AXES, suffixes=("", " of leaderboard"))
        for bound in ("lower", "upper", "interval"):
            assert both[f"{column}_{bound}"].equals(both[f"accuracy_{bound}"])
    assert (table["digits_lower"] < table["digits"]).any()


def test_too_few_datasets_have_no_interval_and_one_line_says_how_many_are_required(rows):
    _, table = make_table(rows)
    assert table["mean_rank_lower"].isna().all()
    lines = DatasetTable().describe_tables(rows, [("", table)], "accuracy")
    assert lines[1:] == ["no interval of the mean rank: 4 configurations; at least 5 are required"]
    assert "95% intervals" not in lines[0]


def copy_datasets(rows, n, k=3):
    """Rows of n datasets and 2k configurations, with changed values."""
    random, parts = np.random.default_rng(0), []
    for dataset in range(n):
        for variant in range(k):
            part = rows[(rows["dataset"] == "digits") & (rows["model"] != "majority")].copy()
            part["dataset"], part["strategy"] = f"part {dataset}", f"strategy_{variant}"
            part["key"] += f"-{dataset}-{variant}"
            part["accuracy"] = random.uniform(size=len(part))
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def test_enough_datasets_have_an_interval_whose_method_and_number_are_stated(rows):
    many = copy_datasets(rows, 12)
    _, table = make_table(many)
    assert (table["mean_rank_interval"] == "studentized bootstrap, 12 datasets").all()
    assert (table["mean_rank_lower"] < table["mean_rank"]).all()
    text = render_tables(many, "md", "accuracy", "dataset")
    assert "studentized bootstrap over the datasets" in text
    first = table.iloc[0]
    shown = "{mean_rank:.2f} ({mean_rank_lower:.1f} to {mean_rank_upper:.1f})".format(**first)
    assert shown in text.splitlines()[4]


def test_a_configuration_that_lacks_a_dataset_is_refused_with_one_line_that_names_it(rows):
    ragged = drop(rows, dataset="faces", extractor="pixels", model="gaussian_nb")
    ragged = fail(ragged, dataset="digits", extractor="pixels", model="nearest_centroid")
    with pytest.raises(UserError) as caught:
        make_table(ragged)
    assert str(caught.value) == (
        "accuracy is missing for pixels / none / gaussian_nb on faces (not evaluated); pixels / "
        "none / nearest_centroid on digits (1 of 2 cells completed): complete the study, or keep "
        "what is complete with --common: 2 of 4 configurations and 3 of 3 datasets"
    )


def test_common_keeps_what_is_complete_and_says_what_was_left_out(rows):
    ragged = drop(rows, dataset="faces", extractor="pixels", model="gaussian_nb")
    title, table = make_table(ragged, common=True)
    assert title == "3 datasets"
    assert len(table) == 4  # three configurations and the baseline
    assert not ((table["extractor"] == "pixels") & (table["model"] == "gaussian_nb")).any()
    lines = DatasetTable(common=True).describe_tables(ragged, [(title, table)], "accuracy")
    assert lines[-1] == (
        "kept 3 of 4 configurations and 3 of 3 datasets; accuracy is missing for pixels / none / "
        "gaussian_nb on faces (not evaluated)"
    )
    assert make_table(rows, common=True)[1].equals(make_table(rows)[1])


def test_a_dataset_without_any_value_is_named_once_and_left_out_by_common(rows):
    undefined = rows.assign(accuracy=rows["accuracy"].where(rows["dataset"] != "faces"))
    with pytest.raises(UserError, match=r"missing for faces \(undefined\): complete"):
        make_table(undefined)
    title, table = make_table(undefined, common=True)
    assert title == "2 datasets"
    assert "faces" not in table
    assert len(table) == 5


def test_common_configurations_that_do_not_exist_are_a_user_error(rows):
    ragged = drop(rows, dataset="faces", extractor="pixels")
    ragged = drop(ragged, dataset="digits", extractor="color_histogram(bins=4)")
    with pytest.raises(UserError, match="no configuration has accuracy on all 3 datasets"):
        make_table(ragged, common=True)


def test_the_baseline_may_lack_a_dataset(rows):
    _, table = make_table(drop(rows, dataset="faces", model="majority"))
    assert table.iloc[-1][["faces", "mean", "wins"]].isna().all()


def test_conditions_have_a_table_each(rows):
    both = pd.concat([rows, rows.assign(imbalance="step(ratio=10)", key=rows["key"] + "-10")])
    titles = [title for title, _ in DatasetTable().make_tables(both, "accuracy")]
    assert titles == ["3 datasets", "3 datasets · step(ratio=10)"]


def test_a_dataset_with_two_splits_is_refused_since_it_has_no_single_column(rows):
    other = rows[rows["dataset"] == "faces"].assign(split="holdout")
    with pytest.raises(UserError, match=r"faces has rows of 2 splits \(.*holdout\)"):
        make_table(pd.concat([rows, other]))


def test_the_command_prints_every_format(folder):
    for form in ("md", "csv", "latex", "json", None):
        options = () if form is None else ("--format", form)
        done = RUNNER.invoke(
            app, ["table", str(folder), "--by", "dataset", "--metric", "auc", *options]
        )
        assert done.exit_code == 0, done.output
        assert "gaussian" in done.output
        if form == "csv":
            assert {"digits_interval", "mean_rank", "wins"} <= set(
                pd.read_csv(StringIO(done.output))
            )
        if form == "json":
            assert len(json.loads(done.output)) == 5
    done = RUNNER.invoke(app, ["table", str(folder), "--by", "dataset", "--common"])
    assert done.exit_code == 0, done.output


def test_common_without_a_table_by_dataset_is_a_user_error(folder):
    done = RUNNER.invoke(app, ["table", str(folder), "--common"])
    assert isinstance(done.exception, UserError)
    assert "--by dataset" in str(done.exception)


def test_a_dataset_with_the_name_of_a_column_keeps_its_values(rows):
    _, table = make_table(rows.assign(dataset=rows["dataset"].replace("digits", "wins")))
    text = DatasetTable().format_table(table)
    assert {"dataset 'mean'", "dataset 'wins'", "mean", "mean rank", "wins"} <= set(text)


def test_a_narrow_terminal_keeps_the_summary_and_names_what_it_leaves_out(rows):
    from rich.console import Console

    from benchmark.cli.rich_output import print_view

    stream = StringIO()
    print_view(Console(file=stream, width=80), rows, "accuracy", DatasetTable())
    text = stream.getvalue()
    assert all(name in text for name in ("mean rank", "wins", "gaussian_nb", "color_histogram"))
    assert "…" not in text
    wide = StringIO()
    print_view(Console(file=wide, width=60), copy_datasets(rows, 9), "accuracy", DatasetTable())
    assert "This terminal is too narrow for" in wide.getvalue()
    assert "part 8" in wide.getvalue()
