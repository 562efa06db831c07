"""Confidence intervals in leaderboards."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_studies import make_digits_results, make_results, read_leaderboard

from benchmark import load_results
from benchmark.reporting.leaderboard import (
    TABLE_METRICS,
    format_leaderboard,
    make_leaderboard_caption,
    make_leaderboards,
)
from benchmark.reporting.table_intervals import estimate_interval, list_refusals
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.metrics import METRICS


@pytest.fixture(scope="module")
def one_split(tmp_path_factory):
    """Results on one test set, with two seeds of a model that draws random numbers."""
    models, folder = ["knn", "random_forest(n_estimators=5)"], tmp_path_factory.mktemp("one")
    return make_digits_results(folder, models, "holdout(test_size=0.4)", seeds=[0, 1])


def test_over_folds_it_is_the_interval_of_the_corrected_t_test(five_folds):
    rows, table = load_results(five_folds), read_leaderboard(five_folds)
    for line in table.to_dict("records"):
        for metric in TABLE_METRICS:
            scores = rows.loc[rows["model"] == line["model"], metric].astype(float)
            error = np.sqrt(scores.var() * (1 / 5 + 1 / 4))
            if not error:
                assert np.isnan(line[f"{metric}_lower"])
                continue
            low, high = scores.mean() + np.array(stats.t.interval(0.95, 4)) * error
            least, most = METRICS[metric].bounds
            assert line[f"{metric}_lower"] == pytest.approx(max(low, least), abs=1e-3)
            assert line[f"{metric}_upper"] == pytest.approx(min(high, most), abs=1e-3)
            assert line[f"{metric}_interval"] == "corrected resampled t-test, 5 folds"


def test_on_one_test_set_it_is_the_interval_over_its_images(one_split):
    results, rows, table = (
        ResultsFolder(one_split),
        load_results(one_split),
        read_leaderboard(one_split),
    )
    for line in table.to_dict("records"):
        keys = rows.loc[rows["model"] == line["model"], "key"]
        seeds = [results.read_predictions(key) for key in keys]
        for metric in TABLE_METRICS:
            expected = interval_over_images(metric, seeds)
            shown = line[f"{metric}_lower"], line[f"{metric}_upper"]
            np.testing.assert_array_equal(shown, (expected.lower, expected.upper))
    assert set(table["accuracy_interval"]) == {
        "Wilson's interval, 719 test images",
        "t-interval of shares, 719 test images",
    }


def test_texts_show_the_interval_and_the_spread_over_seeds_beside_it(one_split):
    table = read_leaderboard(one_split)
    text = format_leaderboard(table)
    line, shown = table.iloc[0], text["f1"][0]
    assert shown.startswith(f"{line['f1']:.3f} ({line['f1_lower']:.2f} to {line['f1_upper']:.2f})")
    narrow = table.assign(f1_lower=table["f1"] - 0.004, f1_upper=table["f1"] + 0.004)
    assert f"({line['f1'] - 0.004:.3f} to " in format_leaderboard(narrow)["f1"][0]
    forest = table["model"].str.startswith("random_forest")
    spread = table.loc[forest, "f1_std_of_seeds"].item()
    assert spread > 0
    assert text.loc[forest, "f1"].item().endswith(f" ±{spread:.3f}")
    assert "± is the standard deviation of the means of the seeds" in make_leaderboard_caption(
        "f1", [table]
    )
    only = format_leaderboard(table, ["auc"])
    assert "(" in only["auc"][0]
    assert "(" not in only["f1"][0]


def test_csv_and_json_have_the_bounds_and_the_method(five_folds):
    rows = load_results(five_folds)
    table = pd.read_csv(io.StringIO(render_tables(rows, "csv", "f1")))
    records = json.loads(render_tables(rows, "json", "f1"))
    for lines in (table.to_dict("records"), records):
        assert lines[0]["f1_lower"] < lines[0]["f1"] < lines[0]["f1_upper"]
        assert lines[0]["f1_interval"] == "corrected resampled t-test, 5 folds"


def test_without_predictions_the_reason_is_below_the_table(one_split):
    table = read_leaderboard(one_split, read=False)
    assert table["f1_lower"].isna().all()
    (line,) = list_refusals([table])
    assert line.startswith("no interval of accuracy, precision, recall, f1, auc, log_loss for 2 ")
    assert "requires the test predictions" in line


def test_a_missing_file_of_predictions_costs_the_interval_only(one_split, tmp_path):
    results, rows = ResultsFolder(one_split), load_results(one_split)
    key = rows.loc[rows["model"] == "knn(n_neighbors=5)", "key"]
    key = rows["key"][0] if key.empty else key.iloc[0]

    def read(wanted, digest):
        path = tmp_path if wanted == key else one_split
        return ResultsFolder(path).read_predictions(wanted, digest)

    ((_, table),) = make_leaderboards(rows, "f1", read)
    assert table["f1_lower"].isna().sum() == 1
    assert table["f1"].notna().all()
    assert any(" is missing: " in line for line in list_refusals([table]))
    assert results.read_predictions(key) is not None


def test_a_configuration_that_lacks_cells_has_no_interval(five_folds):
    rows = load_results(five_folds)
    failed = (rows["model"] == "knn(n_neighbors=3)") & (rows["fold"] == 2)
    ((_, table),) = make_leaderboards(
        rows.assign(status=rows["status"].mask(failed, "failed")), "f1"
    )
    assert table.loc[table["model"] == "knn(n_neighbors=3)", "f1_lower"].isna().all()
    assert table.loc[table["model"] == "nearest_centroid", "f1_lower"].notna().all()


@pytest.mark.parametrize("kind", ["grouped", "multi-label", "binary"])
def test_every_kind_of_task_has_intervals_or_a_reason(kind, tmp_path):
    folder = make_results(kind, tmp_path, models=("gaussian_nb", "majority"))
    ((_, table),) = make_leaderboards(
        load_results(folder), "f1", ResultsFolder(folder).read_predictions
    )
    for column in [name for name in table if name.endswith("_interval")]:
        metric = column.removesuffix("_interval")
        has_bounds = table[f"{metric}_lower"].notna()
        assert (table[column].str.startswith("none: ") != has_bounds).all()
        assert (table[f"{metric}_lower"][has_bounds] <= table[metric][has_bounds]).all()


def test_an_interval_of_one_split_reads_the_predictions_of_at_most_100_seeds():
    def refuse(key, digest):
        raise AssertionError("nothing is read")

    cells = pd.DataFrame({"fold": 0, "seed": range(101), "f1": 0.5})
    result = estimate_interval(refuse, cells, "f1")
    assert result.refusal == "101 seeds of one split; at most 100 are read"
