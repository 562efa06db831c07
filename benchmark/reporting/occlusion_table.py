"""Table of a metric by occlusion: the loss of each configuration when image regions are covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONFIGURATION_AXES,
    make_group_title,
    name_columns,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import rows_for_group_means
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import PredictionReader

WHOLE = "none"  # label of the occlusion that covers nothing


class OcclusionTable:
    """View with one column per occlusion instead of one per metric.

    See Also
    --------
    benchmark.reporting.leaderboard.Leaderboard : View with one column per metric.
    """

    shows_intervals = False

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of rows that differ only in the share covered.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str

        Yields
        ------
        title : str
        table : DataFrame
            The columns are extractor, strategy, model, one per occlusion with the mean of the
            metric over folds and seeds, and ``loss at ...``: by how much it is worse than with
            whole images. Rows are sorted by the last occlusion, the best first. Configurations
            without results for whole images are left out.

        Raises
        ------
        UserError
            The metric is unknown, or the rows do not have both whole and covered images.
        """
        if metric not in METRICS:
            raise unknown_name_error("metric", metric, METRICS)
        covered = set(rows["occlusion"]) - {WHOLE}
        if not covered or WHOLE not in set(rows["occlusion"]):
            raise UserError(
                "this table needs rows with occlusion 'none' and with another one; put "
                "'occlusions: [none, boxes(share=0.25)]' into the study"
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
        """Format the mean for whole images, and mean and change for each occlusion."""
        text = name_columns(table[CONFIGURATION_AXES])
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
        """Caption of the tables."""
        better = "higher" if METRICS[metric].greater_is_better else "lower"
        return [
            f"Mean {metric} ({better} is better) over folds and seeds, with its change from whole "
            "images in brackets. Configurations are sorted by the last occlusion, the best first."
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
