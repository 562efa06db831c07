"""What the first place of a leaderboard means: who shares it, and how much the choice flatters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import COMPARABLE, CONFIGURATION_AXES
from benchmark.reporting.pair_comparison import REPLICATES, try_comparison
from benchmark.reporting.table_intervals import read_each_once
from benchmark.scoring.averages import rows_for_mean
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader, read_cell_predictions
from benchmark.scoring.selection import correct_for_selection
from benchmark.scoring.significance import ALPHA
from benchmark.utils.status import Status

# columns that a comparison of two configurations needs, besides the metric
COMPARED = (
    *(*COMPARABLE, *CONFIGURATION_AXES, *REPLICATES),
    *("status", "key", "predictions", "n_images", "n_test", "per_class"),
)
SHARES_FIRST_PLACE = "="  # marks configurations that cannot be told apart from the leader
# test images, for auc times classes, up to which the leader is corrected: it takes seconds then
MOST_IMAGES = 20_000


def mark_leaders(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    metric: str,
    read_predictions: PredictionReader | None,
) -> None:
    """Mark the configurations that share the first place, and add the corrected leader.

    Parameters
    ----------
    table : DataFrame
        Ranked. The columns ``with_leader`` and ``<metric>_corrected`` are added. The leader is the
        best configuration other than the baseline. ``with_leader`` is whether a configuration may
        be the best one: the set of these contains the best one with a probability of at least 95%
        (multiple comparisons with the best: Hsu 1981, by Bonferroni's inequality). The other column
        has, in the line of the leader, its value corrected for choosing it on the test images
        (``correct_for_selection``), a point estimate.
    rows : DataFrame
        The rows that the table was made of.
    metric : str
    read_predictions : callable or None
        Without it only differences over several folds are tested, and nothing is corrected.
    """
    ranked = table[table["rank"].notna() & (table["model"] != BASELINE)]
    table["with_leader"] = False
    table[f"{metric}_corrected"] = np.nan
    if len(ranked) < 2:
        return
    read = read_each_once(read_predictions)
    labels = list(ranked[CONFIGURATION_AXES].itertuples(index=False, name=None))
    done = rows.loc[rows["status"] == Status.OK, rows.columns.isin([*COMPARED, metric])]
    worse = [
        _is_worse(done, labels[0], other, metric, read, len(labels) - 1) for other in labels[1:]
    ]
    if any(is_worse is not None for is_worse in worse):
        table.loc[ranked.index, "with_leader"] = [True, *(not is_worse for is_worse in worse)]
    table.loc[ranked.index[0], f"{metric}_corrected"] = _correct_leader(
        rows_for_mean(rows, metric), labels, metric, read
    )


def _is_worse(
    rows: pd.DataFrame,
    leader: tuple[str, ...],
    other: tuple[str, ...],
    metric: str,
    read: PredictionReader,
    n_comparisons: int,
) -> bool | None:
    """Whether a one-sided test finds a configuration worse than the leader; None if untested."""
    comparison = try_comparison(rows, leader, other, metric, read, ALPHA)
    if comparison is None:
        return None
    result = comparison.result
    if result.refusal and result.effect != 0:
        return None
    sign = 1 if find_metric(metric).greater_is_better else -1
    return bool(sign * result.effect > 0 and result.p_value / 2 * n_comparisons < ALPHA)


def _correct_leader(
    rows: pd.DataFrame, labels: Sequence[tuple[str, ...]], metric: str, read: PredictionReader
) -> float:
    """Value of the leader, corrected for its choice; NaN where that cannot be computed."""
    if not rows["n_test"].max() <= MOST_IMAGES:
        return float("nan")
    configurations = []
    for configuration in labels:
        own = rows[(rows[CONFIGURATION_AXES] == list(configuration)).all(axis=1)]
        own = own[own[metric].notna()]
        try:
            configurations.append(read_cell_predictions(read, own.sort_values(REPLICATES)))
        except UserError:
            return float("nan")
    first = configurations[0]
    comparable = all(
        len(cells) == len(first)
        and all(
            np.array_equal(a.test_index, b.test_index) for a, b in zip(cells, first, strict=True)
        )
        for cells in configurations
    )
    n_areas = len(first[0].classes) * max(len(p.y_true) for p in first) if first else 0
    if not (first and comparable) or (metric == "auc" and n_areas > MOST_IMAGES):
        return float("nan")
    return correct_for_selection(metric, configurations)


def describe_leader(table: pd.DataFrame, metric: str) -> str:
    """State among how many configurations the leader was chosen, and its corrected value.

    Returns
    -------
    str
        Empty if there was no choice.
    """
    n = int((table["rank"].notna() & (table["model"] != BASELINE)).sum())
    if n < 2:
        return ""
    chosen = f"The best of {n} configurations was chosen on these test images"
    corrected = table[f"{metric}_corrected"].dropna()
    if corrected.empty:
        return f"{chosen}, so that its value is too optimistic; it is not corrected here."
    value = table.loc[corrected.index[0], metric]
    return (
        f"{chosen}, so that its value is too optimistic: {metric} {value:.3f}, corrected for the "
        f"choice {corrected.iloc[0]:.3f} (a point estimate, pessimistic where one configuration is "
        "clearly the best)."
    )


def shares_first_place(table: pd.DataFrame) -> pd.Series:
    """Whether a configuration other than the leader shares its place, for each line of a table."""
    leader = table["rank"].where(table["with_leader"]).min()
    shared = table["with_leader"] & (table["rank"] > leader)
    return shared.fillna(False).astype(bool)
