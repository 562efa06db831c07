"""Table of a metric on the test images and on every external dataset, such as other hospitals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    configuration_name,
    group_comparable_rows,
    name_columns,
)
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.row_problems import list_problems
from benchmark.reporting.site_values import INTERNAL, estimate_external, explain_undefined
from benchmark.reporting.table_intervals import (
    BOUNDS,
    estimate_interval,
    fill_missing_intervals,
    format_column,
    format_difference,
    format_done,
    list_refusals,
    name_bounds,
    refuse_interval,
    sort_complete_first,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import metric_label_for_rows, rows_for_mean
from benchmark.scoring.class_order import ask_about_class_names
from benchmark.scoring.external_loss import estimate_loss
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader, Predictions
from benchmark.scoring.significance import Result
from benchmark.study.axes import NONE
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

LOSS = " (loss)"  # ends the name of a column
COUNTS = ("n_done", "n_planned")
SUFFIXES = (*BOUNDS, "_interval")
SHARE = "(share of "  # begins the line above the configurations
SAME_SHARE = 0.02
# metrics that do not depend on the shares of the classes
SHARE_FREE = (
    *("auc", "sensitivity", "specificity", "recall", "balanced_accuracy", "youden"),
    *("lr_positive", "lr_negative", "geometric_mean", "minimum_recall"),
    *("sensitivity_at_specificity", "specificity_at_sensitivity"),
)
Sites = dict[str, list[Predictions]]  # by name of the external dataset, one per fold and seed


class SiteTable:
    """View with one column for the test images, and two for each external dataset.

    Parameters
    ----------
    view : ResultsView

    See Also
    --------
    benchmark.reporting.subgroup_table.SubgroupTable : View with one column per subgroup of the
        test images, such as those of one hospital.
    """

    def __init__(self, view: ResultsView) -> None:
        self.view = view

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of comparable rows.

        Yields
        ------
        title : str
        table : DataFrame
            The columns are the labels of the configuration; the metric on the test images; for each
            external dataset the mean of the metric over the models of all folds and seeds, and the
            loss, if the metric ranks configurations; each with its interval (suffixes ``_lower``
            and ``_upper``, and but for the loss ``_interval``); n_done and n_planned. The first
            line has the number of images or groups, the second, in a binary task, the share of the
            second class.

        Raises
        ------
        UserError
            The metric is unknown, or no cell was tested on an external dataset.
        """
        find_metric(metric)
        for title, group in _select_groups(rows):
            yield title, self._make_table(group, metric)

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format values with three decimals, and losses with their signs."""
        text = name_columns(table.astype(object)[[*CONFIGURATION_AXES]])
        n_above = int((table["n_planned"] == 0).sum())
        for name in [name for name in table if f"{name}_interval" in table]:
            above = [_format_count(value) for value in table[name].iloc[:1]]
            above += [f"{share:.1%}" for share in table[name].iloc[1:n_above]]
            text[name] = [*above, *format_column(table[n_above:], name, with_intervals)]
            if (loss := name + LOSS) in table:
                losses = format_column(table[n_above:], loss, with_intervals, format_difference)
                text[loss] = [*[""] * n_above, *losses]
        return text.assign(done=[*[""] * n_above, *format_done(table[n_above:])])

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, what must be asked, and reasons for missing intervals."""
        label = metric_label_for_rows(metric, rows)
        return [
            f"{label} on the test {self.view.unit}s ({INTERNAL}) and on external datasets, from "
            "which nothing was learned. An external value is the mean over all trained models "
            "(folds and seeds); its interval does not include how other training sets would change "
            "them. The loss is the difference, positive if a configuration is worse there. 95% "
            "confidence intervals are in parentheses; that of a loss follows from those of its two "
            "values (Zou & Donner 2008), and is not corrected for the number of losses. "
            f"Configurations are sorted by their {INTERNAL} value, those that lack cells last: the "
            f"first one was chosen on the test images, so that its {INTERNAL} value and its loss "
            "are too high.",
            *_explain_shares(tables, metric),
            *self._ask_about_class_names(rows),
            *list_refusals([table for _, table in tables], lambda name: f"'{name}'"),
            *list_problems(rows),
        ]

    def _make_table(self, rows: pd.DataFrame, metric: str) -> pd.DataFrame:
        lines: list[dict[str, object]] = []
        first: Sites = {}
        for labels, cells in rows.groupby(CONFIGURATION_AXES, sort=False):
            done = cells[cells["status"] == Status.OK]
            counts = dict(zip(COUNTS, (len(done), len(cells)), strict=True))
            line: dict[str, object] = dict(zip(CONFIGURATION_AXES, labels, strict=True))
            if len(done) == len(cells):
                sites = self._read_sites(done)
                first = sites | first
                line |= self._compare(done, sites, metric)
            lines.append(line | counts)
        _fill_untested(lines, first)
        table = fill_missing_intervals(lines)
        table = sort_complete_first(table, _order_by(table[INTERNAL], metric))
        order = [name + end for name in first for end in _list_suffixes(metric)]
        shown = [*CONFIGURATION_AXES, *(INTERNAL + end for end in SUFFIXES), *order, *COUNTS]
        head = pd.DataFrame(_head_lines(rows, first, table, self.view.unit))
        return pd.concat([head, table], ignore_index=True)[shown]

    def _read_sites(self, cells: pd.DataFrame) -> Sites:
        """Read the predictions of the external datasets that all of these cells predicted."""
        sites: Sites = {}
        for key, digest, external in cells[["key", "predictions", "external"]].to_numpy():
            own = self.view.read_sites(key, digest, external) if pd.notna(external) else {}
            for name, predictions in own.items():
                sites.setdefault(name, []).append(predictions)
        return {
            _column_name(name): predictions
            for name, predictions in sites.items()
            if len(predictions) == len(cells)
        }

    def _compare(self, cells: pd.DataFrame, sites: Sites, metric: str) -> dict[str, object]:
        """Value on the test images and on every external dataset, and the losses."""
        internal = self._estimate_internal(cells, metric)
        line = name_bounds(INTERNAL, internal.effect, internal)
        for name, predictions in sites.items():
            external = estimate_external(metric, predictions)
            line |= name_bounds(name, external.effect, external)
            if find_metric(metric).target is None:
                loss = estimate_loss(metric, internal, external)
                values = (loss.value, loss.lower, loss.upper)
                ends = zip(BOUNDS, values, strict=True)
                line |= {name + LOSS + end: value for end, value in ends}
        return line

    def _estimate_internal(self, cells: pd.DataFrame, metric: str) -> Result:
        """Mean over the cells, as in a leaderboard, if it is defined on all of them."""
        values = rows_for_mean(cells, metric)[metric].astype(float)
        if why := explain_undefined(values, metric, "cell"):
            return refuse_interval(why)
        result = estimate_interval(self.view.read_predictions, cells, metric)
        return replace(result, effect=values.mean())

    def _ask_about_class_names(self, rows: pd.DataFrame) -> Iterator[str]:
        questions: dict[str, list[tuple[str, str]]] = {}
        for _, group in _select_groups(rows):
            done = group[(group["status"] == Status.OK) & (group["model"] != BASELINE)]
            for labels, cells in done.groupby(CONFIGURATION_AXES, sort=False):
                for site, predictions in self._read_sites(cells).items():
                    for question in ask_about_class_names(predictions):
                        asked = configuration_name(labels), question
                        questions.setdefault(site, []).append(asked)
        for site, pairs in questions.items():
            (first, question), n_others = pairs[0], len(pairs) - 1
            others = f" (and {format_count(n_others, 'other')} like it)" if n_others else ""
            yield f"{site}: {first}{others}: {question}"


def _select_groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Select the groups of comparable rows that were tested on external datasets."""
    if "external" not in rows or rows["external"].isna().all():
        raise UserError(
            "no cell was tested on an external dataset: write external: [csv:hospital_b.csv] into "
            "the study, and run it again; for an attribute of the images, such as their hospital: "
            "--by subgroup --attribute NAME"
        )
    for title, group in group_comparable_rows(rows):
        if group["external"].notna().any():
            yield title, group


def _column_name(site: str) -> str:
    """Name of the column of an external dataset, in quotes if another column may have it."""
    others = (*CONFIGURATION_AXES, *COUNTS, INTERNAL, "done", "table")
    ambiguous = site in others or site.endswith((*BOUNDS[1:], "_interval", LOSS))
    return f"'{site}'" if ambiguous else site


def _order_by(values: pd.Series, metric: str) -> pd.Series:
    """Key by which lines are sorted, the lowest first: the best value."""
    declared, numbers = find_metric(metric), pd.to_numeric(values)
    if declared.target is not None:
        return (numbers - declared.target).abs()
    return -numbers if declared.greater_is_better else numbers


def _list_suffixes(metric: str) -> list[str]:
    """Ends of the names of the columns of an external dataset."""
    losses = [LOSS + end for end in BOUNDS]
    return [*SUFFIXES, *(losses if find_metric(metric).target is None else ())]


def _fill_untested(lines: Sequence[dict[str, object]], sites: Sites) -> None:
    """Say of complete configurations which external datasets they were not tested on."""
    why = refuse_interval("not all cells of the configuration were tested on it")
    for line in lines:
        for name in sites:
            if line["n_done"] == line["n_planned"] and name not in line:
                line |= name_bounds(name, np.nan, why)


def _explain_shares(tables: Sequence[Table], metric: str) -> list[str]:
    """Say that a metric depends on the shares of the classes, where these differ."""
    if metric.partition("(")[0] in SHARE_FREE:
        return []
    for _, table in tables:
        shares = table[table["extractor"].str.startswith(SHARE)]
        values = shares[[name for name in table if f"{name}_interval" in table]].to_numpy(float)
        if len(shares) and np.nanmax(values) - np.nanmin(values) > SAME_SHARE:
            return [
                f"{metric} depends on the shares of the classes, which differ between the "
                "datasets: a part of a loss may be due to that"
            ]
    return []


def _head_lines(
    rows: pd.DataFrame, sites: Sites, table: pd.DataFrame, unit: str
) -> list[dict[str, object]]:
    """Lines with the numbers of images or groups, and the shares of the positive class."""
    empty: dict[str, object] = {name: "" for name in table if str(name).endswith("_interval")}
    empty |= {**dict.fromkeys(CONFIGURATION_AXES, ""), "tuning": NONE, **dict.fromkeys(COUNTS, 0)}
    firsts = {name: predictions[0] for name, predictions in sites.items()}
    folds = rows[rows["status"] == Status.OK].drop_duplicates("fold")
    n_test = min(folds["n_test"].sum(), folds["n_images"].max())  # less if folds are repeated
    numbers: dict[str, dict[str, float]] = {
        f"({unit}s)": {INTERNAL: n_test, **{name: len(p.y_true) for name, p in firsts.items()}}
    }
    binary = {name: p for name, p in firsts.items() if len(p.classes) == 2 and not p.multilabel}
    if binary:
        name = next(iter(binary.values())).classes[1]
        numbers[f"{SHARE}{name})"] = {
            INTERNAL: _internal_prevalence(folds),
            **{name: float((p.y_true == 1).mean()) for name, p in binary.items()},
        }
    return [{**empty, CONFIGURATION_AXES[0]: head, **line} for head, line in numbers.items()]


def _internal_prevalence(folds: pd.DataFrame) -> float:
    counts = [[values["support"] for values in each.values()] for each in folds["per_class"]]
    totals = np.sum(counts, axis=0)
    return float(totals[1] / totals.sum())


def _format_count(value: float) -> str:
    return f"{value:.0f}" if pd.notna(value) else "-"
