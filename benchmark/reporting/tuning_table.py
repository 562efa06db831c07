"""Table of tuning: each tuned configuration beside the same one as it is listed in the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    Configuration,
    group_comparable_rows,
    name_columns,
    without_tuning,
)
from benchmark.reporting.comparison import better_direction
from benchmark.reporting.mean_table import average_configurations
from benchmark.reporting.pair_comparison import as_improvement, try_comparison
from benchmark.reporting.table_intervals import (
    BOUNDS,
    INCOMPLETE,
    NO_INTERVAL,
    SPREAD,
    STD_OF_SEEDS,
    format_column,
    format_difference,
    format_done,
    format_mean,
    list_refusals,
    name_bounds,
    read_each_once,
    refuse_interval,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import rows_for_mean
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import ALPHA
from benchmark.study.axes import NONE
from benchmark.utils.status import Status
from benchmark.utils.text import format_seconds

NO_DEFAULT = "the configuration without tuning has no cell to compare with"
ABSENT = f"{NO_INTERVAL}{INCOMPLETE}"


class TuningTable:
    """View with the values of tuned configurations before and after tuning.

    See Also
    --------
    benchmark.reporting.leaderboard.Leaderboard : View that ranks all configurations.
    """

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of comparable rows with tuned configurations.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str
            Metric that tuned configurations are compared by with the untuned ones.
        read_predictions : callable or None
            The intervals of a single test set need it.

        Yields
        ------
        title : str
        table : DataFrame
            One row per tuned configuration. The columns are its labels; ``default`` and ``tuned``,
            the metric without and with tuning; ``gain``, by how much the tuned value is better on
            the cells that are completed for both; ``tuned_by``, the metric that candidates were
            compared by, ``inner``, its mean on the images that were held out for that, ``outer``,
            its mean on the test sets, and ``outer_minus_inner``; the mean numbers of
            ``candidates`` and of seconds, ``tune_s``; ``chosen``, the chosen parameters; and n_done
            and n_planned, numbers of tuned cells. default, tuned, gain and outer have their 95%
            confidence intervals (suffixes ``_lower``, ``_upper`` and ``_interval``, the method).

        Raises
        ------
        UserError
            The metric is unknown, or no tuned cell is completed.
        """
        check_ranking_metric(metric)
        done = rows[rows["status"] == Status.OK]
        if (done["tuning"] == NONE).all():
            raise UserError(
                "this table needs completed cells that are tuned; put 'tunings: [none, "
                "random(n=25)]' into the study, or add --tuning 'random(n=25)' to the command"
            )
        for title, group in group_comparable_rows(rows):
            tuned = group[(group["status"] == Status.OK) & (group["tuning"] != NONE)]
            if len(tuned):
                yield title, _make_tuning_table(group, tuned, metric, read_predictions)

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format values with their intervals, such as '0.912 (0.89 to 0.93)'."""
        text = name_columns(table[CONFIGURATION_AXES])
        for name in ("default", "tuned"):
            text[name] = format_column(table, name, with_intervals)
        text["gain"] = format_column(table, "gain", with_intervals, format_difference)
        text["tuned by"] = table["tuned_by"]
        text["inner"] = [format_mean(value) for value in table["inner"]]
        text["outer"] = format_column(table, "outer", with_intervals)
        text["candidates"] = [f"{n:.0f}" for n in table["candidates"]]
        text["tune_s"] = [format_seconds(value) for value in table["tune_s"]]
        text["done"] = format_done(table)
        text["chosen"] = table["chosen"]
        return text

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, and one line per reason for missing intervals."""
        return [
            f"default and tuned: mean {metric} ({better_direction(metric)} is better) on the test "
            "sets, without tuning and with it. gain: how much better the tuned configuration is, "
            "on the cells that both have. 95% confidence intervals are in "
            f"parentheses{SPREAD}. Where there is an official validation set, the tuned "
            "configuration was also trained on it. inner: mean value of the best candidate on the "
            "images that candidates were compared on, too optimistic since it was chosen there; "
            "outer: the same metric on the test sets. candidates and tune_s: means per cell. "
            "chosen: the chosen parameters, of numbers the "
            "range, of other values the most frequent one.",
            *list_refusals([table for _, table in tables]),
        ]


def _make_tuning_table(
    rows: pd.DataFrame, tuned: pd.DataFrame, metric: str, read_predictions: PredictionReader | None
) -> pd.DataFrame:
    metrics = tuple(dict.fromkeys([metric, *tuned["tuned_by"]]))
    means = average_configurations(rows, metrics, read_predictions).set_index(CONFIGURATION_AXES)
    read = read_each_once(read_predictions)
    lines = []
    for configuration, cells in tuned.groupby(CONFIGURATION_AXES, sort=False):
        gain = _compare_with_default(rows, configuration, metric, read)
        lines.append(_make_line(configuration, cells, means, metric) | gain)
    lowest_first = not find_metric(metric).greater_is_better
    return pd.DataFrame(lines).sort_values("tuned", ascending=lowest_first, ignore_index=True)


def _compare_with_default(
    rows: pd.DataFrame, configuration: Configuration, metric: str, read: PredictionReader
) -> dict[str, object]:
    """Return by how much tuning improves a metric, with the interval or why there is none."""
    default = without_tuning(configuration)
    comparison = try_comparison(rows, configuration, default, metric, read, ALPHA)
    if isinstance(comparison, str):
        return name_bounds("gain", np.nan, refuse_interval(NO_DEFAULT))
    result = comparison.result
    result = as_improvement(result, metric)
    return name_bounds("gain", result.effect, result)


def _make_line(
    configuration: tuple[str, ...],
    cells: pd.DataFrame,
    means: pd.DataFrame,
    metric: str,
) -> dict[str, Any]:
    tuned_by = str(cells["tuned_by"].iloc[0])
    line: dict[str, Any] = dict(zip(CONFIGURATION_AXES, configuration, strict=True))
    for name, of, key in (
        ("default", metric, without_tuning(configuration)),
        ("tuned", metric, configuration),
        ("outer", tuned_by, configuration),
    ):
        known = key in means.index
        for bound in (*BOUNDS, STD_OF_SEEDS):
            if of + bound in means:  # there may be one seed only
                line[name + bound] = means.loc[key, of + bound] if known else np.nan
        line[f"{name}_interval"] = means.loc[key, f"{of}_interval"] if known else ABSENT
    inner = pd.to_numeric(rows_for_mean(cells, tuned_by)["inner_score"]).mean()
    return line | {
        "tuned_by": tuned_by,
        "inner": inner,
        "outer_minus_inner": line["outer"] - inner,
        "candidates": pd.to_numeric(cells["n_candidates"]).mean(),
        "tune_s": pd.to_numeric(cells["tune_s"]).mean(),
        "chosen": describe_choices(cells["chosen"]),
        "n_done": means.loc[configuration, "n_done"],
        "n_planned": means.loc[configuration, "n_planned"],
    }


def describe_choices(choices: Sequence[dict[str, dict[str, Any]]]) -> str:
    """Describe the parameters that were chosen in several cells.

    Parameters
    ----------
    choices : sequence of {component: {parameter: value}}
        An empty dict is the configuration as it is listed.

    Examples
    --------
    >>> describe_choices([{"rbf_svm": {"C": 10.0}}, {"rbf_svm": {"C": 31.62}}, {}])
    'rbf_svm(C=10 to 31.6); default in 1 of 3'
    """
    values: dict[str, dict[str, list[Any]]] = {}
    n = len(choices)
    for choice in choices:
        for component, parameters in choice.items():
            for name, value in parameters.items():
                values.setdefault(component, {}).setdefault(name, []).append(value)
    texts = [
        f"{component}({', '.join(f'{name}={_span(used, n)}' for name, used in names.items())})"
        for component, names in sorted(values.items())
    ]
    n_default = sum(not choice for choice in choices)
    if n_default:
        texts.append("default" if n_default == n else f"default in {n_default} of {n}")
    return "; ".join(texts)


def _span(values: list[Any], n_cells: int) -> str:
    """Return the range of numbers, or the most frequent of other values."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    ((text, n),) = Counter(map(str, values)).most_common(1)
    return text if n == len(values) else f"{text} in {n} of {n_cells}"
