"""Table of a metric by subgroup of the test images, such as by sex, age or hospital."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    group_comparable_rows,
    name_columns,
)
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.table_intervals import (
    BOUNDS,
    SPREAD,
    fill_missing_intervals,
    format_column,
    format_difference,
    format_done,
    format_mean,
    list_refusals,
    name_bounds,
    sort_complete_first,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.clinical import RANK_METRICS
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric
from benchmark.scoring.pooling import pool_test_sets, rank_within_test_set
from benchmark.scoring.predictions import PredictionReader, Predictions, read_cell_predictions
from benchmark.scoring.significance import ALPHA
from benchmark.scoring.subgroups import (
    MIN_UNITS,
    SubgroupResult,
    assign_subgroups,
    compare_subgroups,
    join_group_values,
)
from benchmark.study.axes import NONE
from benchmark.utils.status import Status

WORST = "worst subgroup"
LARGEST = "largest gap"
WORST_SUBGROUP = "worst by "  # begins the name of a column of the leaderboard
PREVALENCE = "(positive)"  # line above the configurations
Subgroups = dict[str, SubgroupResult]


class SubgroupTable:
    """View with one column per subgroup of an attribute.

    Parameters
    ----------
    view : ResultsView
    attribute : str
        Name of an attribute of the images; see ``benchmark.datasets.base.Dataset``.
    edges : sequence of float or None
        Edges between the bins of numbers; see ``assign_subgroups``.

    See Also
    --------
    benchmark.reporting.class_table.ClassTable : View with one column per class.
    """

    def __init__(
        self, view: ResultsView, attribute: str, edges: Sequence[float] | None = None
    ) -> None:
        self.view = view
        self.attribute = attribute
        self.edges = edges

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of comparable rows.

        Yields
        ------
        title : str
        table : DataFrame
            The columns are the labels of the configuration; for each subgroup the metric over the
            test images of all folds, the mean over the seeds, its interval (suffixes ``_lower``,
            ``_upper`` and ``_interval``), and the gap to all other images with its interval and
            adjusted p-value (``_gap``, ``_gap_lower``, ``_gap_upper``, ``_gap_p``); the worst
            subgroup; the largest gap; n_done and n_planned. The first line has the number of test
            images, the second, in a binary task, the share of the positive class.

        Raises
        ------
        UserError
            The metric or the attribute is unknown.
        """
        check_ranking_metric(metric)
        for title, group, subgroups in self._select_groups(rows):
            table = _make_table(group, metric, self.view, subgroups)
            yield f"{title} · {self.attribute}", table

    def describe_worst(self, rows: pd.DataFrame, metric: str) -> dict[tuple[str, ...], str]:
        """Describe the worst subgroup of each configuration.

        Returns
        -------
        dict of (title, labels of a configuration) to str
            Such as 'female 0.712 (0.65 to 0.77)'.
        """
        worst = {}
        for title, group, subgroups in self._select_groups(rows):
            table = _make_table(group, metric, self.view, subgroups)
            for _, line in table[table["n_planned"] > 0].iterrows():
                labels = (str(line[axis]) for axis in CONFIGURATION_AXES)
                worst[title, *labels] = _describe_worst(line)
        return worst

    def _select_groups(self, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.Series]]:
        """Yield title, rows and subgroups of all images, where the dataset has the attribute."""
        self._check_attribute(rows)
        for title, group in group_comparable_rows(rows):
            (record,) = self.view.records(group).values()
            if self.attribute in record.attributes and (group["status"] == Status.OK).any():
                subgroups = assign_subgroups(record.attributes[self.attribute], self.edges)
                if self.view.unit == "group":
                    subgroups = join_group_values(subgroups, record.images["group"])
                yield title, group, _quote_ambiguous_names(subgroups)

    def _check_attribute(self, rows: pd.DataFrame) -> None:
        records = self.view.records(rows).values()
        known = list(dict.fromkeys(name for record in records for name in record.attributes))
        if not known:
            raise UserError(
                f"the images have no attribute '{self.attribute}', nor any other: add "
                f'attributes=("{self.attribute}",) to a dataset csv: in the study, and run it '
                "again: completed cells are kept"
            )
        if self.attribute not in known:
            raise unknown_name_error("attribute", self.attribute, known)

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format values with three decimals; the worst subgroup and the largest gap in words."""
        text = name_columns(table.astype(object)[[*CONFIGURATION_AXES]])
        names = _subgroup_columns(table)
        n_above = int((table["n_planned"] == 0).sum())
        for name in names:
            above = [f"{table[name].iloc[0]:.0f}"]
            above += [f"{share:.1%}" for share in table[name].iloc[1:n_above]]
            text[name] = [*above, *format_column(table[n_above:], name, with_intervals)]
        lines = [line for _, line in table[n_above:].iterrows()]
        text[WORST] = [*[""] * n_above, *(_describe_worst(line) for line in lines)]
        text[LARGEST] = [*[""] * n_above, *(_describe_gap(line) for line in lines)]
        return text.assign(done=[*[""] * n_above, *format_done(table[n_above:])])

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, and one line per reason for missing intervals."""
        return [
            f"{metric_label_for_rows(metric, rows)} of the test {self.view.unit}s of each subgroup "
            f"by {self.attribute}, all folds together; 95% confidence intervals are in "
            f"parentheses{SPREAD}. {LARGEST}: the metric of a subgroup minus that of all other "
            "test images, with its interval, and the p-value of a t-test, corrected for the number "
            f"of subgroups of a configuration (Holm 1979); '*' marks p < {ALPHA}. A subgroup of "
            f"fewer than {MIN_UNITS} images or groups has no value. Configurations are sorted by "
            "their worst subgroup, those that lack cells last.",
            *_explain_ranks(rows, metric),
            *list_refusals([table for _, table in tables], lambda name: f"'{name}'"),
        ]


def worst_column(attribute: str) -> str:
    """Name of the column of the leaderboard with the worst subgroup of an attribute."""
    return f"{WORST_SUBGROUP}{attribute}"


def _explain_ranks(rows: pd.DataFrame, metric: str) -> list[str]:
    """Say how a metric of ranks compares images of different folds, whose models differ."""
    if rows["fold"].nunique() < 2 or not _compares_images(metric):
        return []
    return [
        f"{metric} compares images of different folds by the ranks of their probabilities within "
        "their folds; with more than two classes, by the probabilities, so that even a constant "
        "model may have another value than 0.5"
    ]


def parse_edges(text: str | None) -> tuple[float, ...] | None:
    """Read edges of bins that a user writes.

    Examples
    --------
    >>> parse_edges("40,60, 80")
    (40.0, 60.0, 80.0)
    """
    if text is None:
        return None
    try:
        edges = tuple(float(edge) for edge in text.split(","))
    except ValueError:
        edges = ()
    if not edges or not np.isfinite(edges).all():
        raise UserError(f"--bins {text}: write numbers separated by commas, as 40,60")
    return edges


def _quote_ambiguous_names(subgroups: pd.Series) -> pd.Series:
    """Quote all names of subgroups if one may be that of another column of the table."""
    names = [str(name) for name in subgroups.cat.categories]
    suffixes = (*BOUNDS, "_interval", "_gap", "_gap_lower", "_gap_upper", "_gap_p")
    columns = [name + suffix for name in names for suffix in suffixes]
    columns += [*CONFIGURATION_AXES, WORST, LARGEST, "worst_value", "n_done", "n_planned", "done"]
    if len({*columns}) == len(columns):
        return subgroups
    return subgroups.cat.rename_categories([f"'{name}'" for name in names])


def _make_table(
    rows: pd.DataFrame, metric: str, view: ResultsView, subgroups: pd.Series
) -> pd.DataFrame:
    lines: list[dict[str, object]] = []
    first: Subgroups = {}
    for labels, cells in rows.groupby(CONFIGURATION_AXES, sort=False):
        done = cells[cells["status"] == Status.OK]
        results = _compare(done, metric, view, subgroups) if len(done) == len(cells) else {}
        first = first or results
        line = dict(zip(CONFIGURATION_AXES, labels, strict=True))
        for name, result in results.items():
            line |= _describe_subgroup(name, result)
        line |= _find_extremes(results, metric)
        lines.append(line | {"n_done": len(done), "n_planned": len(cells)})
    table = fill_missing_intervals(lines)
    sign = 1 if find_metric(metric).greater_is_better else -1
    worst = pd.to_numeric(table["worst_value"]) * -sign
    table = sort_complete_first(table, worst).drop(columns="worst_value")
    order = [column for column in table if column not in (WORST, LARGEST, "n_done", "n_planned")]
    table = table[[*order, WORST, LARGEST, "n_done", "n_planned"]]
    head = pd.DataFrame(_head_lines(first, table, view.unit)).reindex(columns=table.columns)
    return pd.concat([head, table], ignore_index=True)


def _compare(done: pd.DataFrame, metric: str, view: ResultsView, subgroups: pd.Series) -> Subgroups:
    seeds: list[Predictions] = []
    for _, cells in done.groupby("seed", sort=True):
        folds = read_cell_predictions(view.read_predictions, cells.sort_values("fold"))
        if len(folds) > 1 and _compares_images(metric):
            folds = [rank_within_test_set(fold) for fold in folds]
        seeds += pool_test_sets(folds)
    return compare_subgroups(metric, seeds, subgroups)


def _compares_images(metric: str) -> bool:
    """Whether a metric compares the probabilities of images with each other."""
    return metric.partition("(")[0] in RANK_METRICS


def _describe_subgroup(name: str, result: SubgroupResult) -> dict[str, object]:
    gap = result.gap
    return name_bounds(name, result.value.effect, result.value) | {
        f"{name}_gap": gap.effect,
        f"{name}_gap_lower": gap.lower,
        f"{name}_gap_upper": gap.upper,
        f"{name}_gap_p": gap.adjusted,
    }


def _find_extremes(results: Subgroups, metric: str) -> dict[str, object]:
    """Names of the worst subgroup and of that with the largest gap; empty without values."""
    values = pd.Series({name: result.value.effect for name, result in results.items()}, dtype=float)
    gaps = pd.Series({name: result.gap.effect for name, result in results.items()}, dtype=float)
    p_values = pd.Series({name: r.gap.p_value for name, r in results.items()}, dtype=float)
    gaps = gaps[p_values.notna()] if p_values.notna().any() else gaps
    sign = 1 if find_metric(metric).greater_is_better else -1
    values, gaps = values.dropna(), gaps.dropna()
    worst = str((sign * values).idxmin()) if len(values) else ""
    return {
        WORST: worst,
        "worst_value": values[worst] if worst else np.nan,
        LARGEST: str(gaps.abs().idxmax()) if len(gaps) else "",
    }


def _head_lines(results: Subgroups, table: pd.DataFrame, unit: str) -> list[dict[str, object]]:
    """Lines with the number of test images or groups, and the share of the positive class."""
    empty: dict[str, object] = {column: "" for column in table if str(column).endswith("_interval")}
    empty |= {**dict.fromkeys(CONFIGURATION_AXES, ""), "tuning": NONE, WORST: "", LARGEST: ""}
    empty |= {"n_done": 0, "n_planned": 0}
    numbers: dict[str, dict[str, float]] = {
        f"(test {unit}s)": {name: result.n for name, result in results.items()}
    }
    shares = {name: result.prevalence for name, result in results.items()}
    if any(np.isfinite(share) for share in shares.values()):
        numbers[PREVALENCE] = shares
    return [{**empty, CONFIGURATION_AXES[0]: head, **line} for head, line in numbers.items()]


def _subgroup_columns(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table if f"{name}_interval" in table]


def _describe_worst(line: pd.Series) -> str:
    name = line[WORST]
    return f"{name} {format_mean(*(line[name + bound] for bound in BOUNDS))}" if name else "-"


def _describe_gap(line: pd.Series) -> str:
    name = line[LARGEST]
    if not name:
        return "-"
    gap, p_value = f"{name}_gap", line[f"{name}_gap_p"]
    text = format_difference(line[gap], line[f"{gap}_lower"], line[f"{gap}_upper"])
    if pd.isna(p_value):
        return f"{name} {text}, not tested"
    return f"{name} {text}, p = {p_value:.2g}{'*' * (p_value < ALPHA)}"
