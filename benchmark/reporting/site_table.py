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
from benchmark.reporting.table_intervals import (
    BOUNDS,
    MOST_SEEDS,
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
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric
from benchmark.scoring.predictions import PredictionReader, Predictions
from benchmark.scoring.significance import Result
from benchmark.study.axes import NONE
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

INTERNAL = "internal"
LOSS = " (loss)"  # ends the name of a column
COUNTS = ("n_done", "n_planned")
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
            loss; each with its interval (suffixes ``_lower`` and ``_upper``, and but for the loss
            ``_interval``); n_done and n_planned. The first line has the number of images or groups,
            the second, in a binary task, the share of the positive class.

        Raises
        ------
        UserError
            The metric is unknown, or no cell was tested on an external dataset.
        """
        check_ranking_metric(metric)
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
            f"{label} on the test {self.view.unit}s ({INTERNAL}) and on external datasets, whose "
            "images were neither trained on nor used for any choice; there it is the mean over the "
            "models of all folds and seeds, and its interval is that of these models. Loss: the "
            "difference, positive if a configuration is worse there. 95% confidence intervals "
            "are in parentheses, that of a loss follows from those of its two values (Zou & Donner "
            f"2008). Configurations are sorted by their {INTERNAL} value, those that "
            "lack cells last.",
            *self._ask_about_class_names(rows),
            *list_refusals([table for _, table in tables], lambda name: f"'{name}'"),
            *list_problems(rows),
        ]

    def _make_table(self, rows: pd.DataFrame, metric: str) -> pd.DataFrame:
        lines: list[dict[str, object]] = []
        first: Sites = {}
        for labels, cells in rows.groupby(CONFIGURATION_AXES, sort=False):
            done = cells[cells["status"] == Status.OK]
            sites = self._read_sites(done) if len(done) == len(cells) else {}
            first = first or sites
            counts = dict(zip(COUNTS, (len(done), len(cells)), strict=True))
            line = dict(zip(CONFIGURATION_AXES, labels, strict=True))
            compared = self._compare(done, sites, metric) if sites else {}
            lines.append(line | compared | counts)
        table = fill_missing_intervals(lines)
        sign = -1 if find_metric(metric).greater_is_better else 1
        table = sort_complete_first(table, sign * pd.to_numeric(table[INTERNAL]))
        table = table[[*table.columns.drop([*COUNTS]), *COUNTS]]
        head = pd.DataFrame(_head_lines(rows, first, table, self.view.unit))
        return pd.concat([head.reindex(columns=table.columns), table], ignore_index=True)

    def _read_sites(self, cells: pd.DataFrame) -> Sites:
        """Read the predictions of the external images of the cells of one configuration."""
        sites: Sites = {}
        for key, digest, external in cells[["key", "predictions", "external"]].to_numpy():
            for name, predictions in self.view.read_sites(key, digest, external).items():
                sites.setdefault(name, []).append(predictions)
        return {_column_name(name): predictions for name, predictions in sites.items()}

    def _compare(self, cells: pd.DataFrame, sites: Sites, metric: str) -> dict[str, object]:
        """Value on the test images and on every external dataset, and the losses."""
        internal = estimate_interval(self.view.read_predictions, cells, metric)
        mean = rows_for_mean(cells, metric)[metric].astype(float).mean()
        line = name_bounds(INTERNAL, mean, internal)
        for name, predictions in sites.items():
            external = _estimate_external(metric, predictions)
            loss = estimate_loss(metric, replace(internal, effect=mean), external)
            line |= name_bounds(name, external.effect, external)
            values = (loss.value, loss.lower, loss.upper)
            line |= {name + LOSS + end: value for end, value in zip(BOUNDS, values, strict=True)}
        return line

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
            "the study, and run it again"
        )
    for title, group in group_comparable_rows(rows):
        if group["external"].notna().any():
            yield title, group


def _column_name(site: str) -> str:
    """Name of the column of an external dataset, in quotes if another column may have it."""
    others = (*CONFIGURATION_AXES, *COUNTS, INTERNAL, "done", "table")
    ambiguous = site in others or site.endswith((*BOUNDS[1:], "_interval", LOSS))
    return f"'{site}'" if ambiguous else site


def _estimate_external(metric: str, predictions: Sequence[Predictions]) -> Result:
    """Mean over the models that predicted an external dataset, with its interval."""
    if len(predictions) > MOST_SEEDS:
        many = format_count(len(predictions), "model")
        return refuse_interval(f"{many} predicted it; at most {MOST_SEEDS} are read")
    if find_metric(metric).macro and (absent := predictions[0].absent_classes):
        return refuse_interval(
            f"no images of {', '.join(absent)}; a mean over the other classes cannot be compared "
            "with the internal one"
        )
    return interval_over_images(metric, predictions)


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
        numbers["(positive)"] = {
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
