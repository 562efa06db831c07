"""The table of missing regions: what each configuration loses when parts of the images are covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.leaderboard import COMPARABLE, CONFIGURATION_AXES, make_group_title
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import rows_for_group_means
from benchmark.scoring.metrics import METRICS

WHOLE = "none"


class OcclusionTable:
    """A column for each occlusion instead of one for each metric."""

    def make_tables(self, rows: pd.DataFrame, metric: str) -> Iterator[Table]:
        """Yield a title and a table for each group of rows that differ in the share that is covered alone.

        Parameters
        ----------
        rows : DataFrame
            As ``load_results`` gives them.
        metric : str

        Yields
        ------
        title : str
        table : DataFrame
            extractor, strategy, model, then a column for each occlusion with the mean of the metric
            over folds and seeds, and ``loss`` at each but none: by how much it is worse than with whole
            images. Configurations that are best at the last occlusion come first; one that is not done with
            whole images is left out.

        Raises
        ------
        UserError
            No such metric, or nothing was covered, or nothing was not.
        """
        if metric not in METRICS:
            raise unknown_name_error("metric", metric, METRICS)
        covered = set(rows["occlusion"]) - {WHOLE}
        if not covered or WHOLE not in set(rows["occlusion"]):
            raise UserError(
                "this table needs rows with occlusion 'none' and with another: occlusions: [none, "
                "boxes(share=0.25)] in the study"
            )
        shared = [name for name in COMPARABLE if name != "occlusion"]
        done = rows_for_group_means(rows, metric, COMPARABLE)
        kinds = done["occlusion"].map(partial(label_without, "share"))
        for labels, group in done.groupby(shared, sort=False, dropna=False):
            for kind in dict.fromkeys(kinds[group.index]):
                alike = group[kinds[group.index].isin([WHOLE, kind])]
                if kind != WHOLE and WHOLE in set(alike["occlusion"]):
                    title = make_group_title(dict(zip(shared, labels, strict=True)), rows)
                    yield (
                        f"{title} · {kind}" if kinds.nunique() > 2 else title,
                        _make_occlusion_table(alike, metric),
                    )

    def format_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Render a table for people: the mean with whole images, then mean and loss at each occlusion."""
        text = table[CONFIGURATION_AXES].copy()
        for level in (
            name
            for name in table.columns.drop(CONFIGURATION_AXES)
            if not name.startswith("loss at ")
        ):
            loss = table.get(f"loss at {level}", pd.Series(np.nan, table.index))
            text[level] = [
                _format_mean_and_loss(mean, lost)
                for mean, lost in zip(table[level], loss, strict=True)
            ]
        return text

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """What the reader of the tables must know."""
        way = "higher" if METRICS[metric].greater_is_better else "lower"
        return [
            f"Mean {metric} ({way} is better) over folds and seeds, in brackets its change against "
            "whole images; the best at the last "
            "occlusion come first."
        ]


def _make_occlusion_table(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    levels = sorted(rows["occlusion"].unique(), key=partial(number_in_label, "share"))
    means = rows.pivot_table(metric, CONFIGURATION_AXES, "occlusion", aggfunc="mean", sort=False)
    means = means.reindex(columns=levels).dropna(subset=[WHOLE])
    sign = 1 if METRICS[metric].greater_is_better else -1
    for level in levels[1:]:
        means[f"loss at {level}"] = sign * (means[WHOLE] - means[level])
    return means.sort_values(levels[-1], ascending=sign < 0, kind="stable").reset_index()


def _format_mean_and_loss(mean: float, loss: float) -> str:
    if not np.isfinite(mean):
        return "-"
    return f"{mean:.3f} ({0 - loss:+.3f})" if np.isfinite(loss) else f"{mean:.3f}"  # not -0
