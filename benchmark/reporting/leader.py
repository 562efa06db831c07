"""What the first place of a leaderboard means: who shares it, and how much the choice flatters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import COMPARABLE, CONFIGURATION_AXES
from benchmark.reporting.pair_comparison import REPLICATES, try_comparison
from benchmark.reporting.table_intervals import read_each_once
from benchmark.scoring.averages import rows_for_mean
from benchmark.scoring.metric_lookup import find_metric, is_metric
from benchmark.scoring.predictions import PredictionReader, read_cell_predictions
from benchmark.scoring.selection import correct_for_selection
from benchmark.scoring.significance import ALPHA
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

# columns that a comparison of two configurations needs, besides the metric
COMPARED = (
    *(*COMPARABLE, *CONFIGURATION_AXES, *REPLICATES),
    *("status", "key", "predictions", "n_images", "n_test", "per_class"),
)
SHARES_FIRST_PLACE = "="  # marks configurations that cannot be told apart from the leader
# test images, for auc times classes, up to which the leader is corrected: it takes seconds then
MOST_IMAGES = 20_000
# keys of ``DataFrame.attrs``
NOT_COMPARED = "not_compared"  # numbers of configurations by reason
NOT_CORRECTED = "not_corrected"  # why the leader is not corrected


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
        (multiple comparisons with the best: Hsu 1981, by Bonferroni's inequality). It is missing
        for a configuration that cannot be compared with the leader, and
        ``table.attrs["not_compared"]`` counts these by reason. The other column
        has, in the line of the leader, its value corrected for choosing it on the test images
        (``correct_for_selection``), a point estimate.
    rows : DataFrame
        The rows that the table was made of.
    metric : str
    read_predictions : callable or None
        Without it only differences over several folds are tested, and nothing is corrected.
    """
    ranked = table[table["rank"].notna() & (table["model"] != BASELINE)]
    table["with_leader"] = pd.array([False] * len(table), dtype="boolean")
    table.attrs[NOT_COMPARED] = Counter[str]()
    table[f"{metric}_corrected"] = np.nan
    if len(ranked) < 2:
        return
    read = read_each_once(read_predictions)
    labels = list(ranked[CONFIGURATION_AXES].itertuples(index=False, name=None))
    done = rows.loc[rows["status"] == Status.OK, rows.columns.isin([*COMPARED, metric])]
    for index, other in zip(ranked.index[1:], labels[1:], strict=True):
        is_worse, why = _is_worse(done, labels[0], other, metric, read, len(labels) - 1)
        table.loc[index, "with_leader"] = pd.NA if is_worse is None else not is_worse
        table.attrs[NOT_COMPARED].update([why] if is_worse is None else [])
    if table.loc[ranked.index[1:], "with_leader"].notna().any():
        table.loc[ranked.index[0], "with_leader"] = True
    corrected, why = _correct_leader(rows_for_mean(rows, metric), labels, metric, read)
    table.loc[ranked.index[0], f"{metric}_corrected"] = corrected
    table.attrs[NOT_CORRECTED] = why


def _is_worse(
    rows: pd.DataFrame,
    leader: tuple[str, ...],
    other: tuple[str, ...],
    metric: str,
    read: PredictionReader,
    n_comparisons: int,
) -> tuple[bool | None, str]:
    """Whether a one-sided test finds a configuration worse than the leader.

    Returns
    -------
    is_worse : bool or None
        None if they cannot be compared.
    why : str
        The reason; empty if they can.
    """
    comparison = try_comparison(rows, leader, other, metric, read, ALPHA)
    if isinstance(comparison, str):
        return None, comparison
    result = comparison.result
    if result.refusal and result.effect != 0:
        return None, result.refusal
    sign = 1 if find_metric(metric).greater_is_better else -1
    return bool(sign * result.effect > 0 and result.p_value / 2 * n_comparisons < ALPHA), ""


def _correct_leader(
    rows: pd.DataFrame, labels: Sequence[tuple[str, ...]], metric: str, read: PredictionReader
) -> tuple[float, str]:
    """Value of the leader, corrected for its choice; NaN and the reason where that is not done."""
    too_many = f"it takes long with more than {MOST_IMAGES:,} test images"
    if not rows["n_test"].max() <= MOST_IMAGES:
        return np.nan, too_many
    configurations = []
    for configuration in labels:
        own = rows[(rows[CONFIGURATION_AXES] == list(configuration)).all(axis=1)]
        own = own[own[metric].notna()]
        try:
            configurations.append(read_cell_predictions(read, own.sort_values(REPLICATES)))
        except UserError as error:
            return np.nan, str(error)
    first = configurations[0]
    comparable = all(
        len(cells) == len(first)
        and all(
            np.array_equal(a.test_index, b.test_index) for a, b in zip(cells, first, strict=True)
        )
        for cells in configurations
    )
    n_areas = len(first[0].classes) * max(len(p.y_true) for p in first) if first else 0
    if not (first and comparable):
        return np.nan, "the configurations were not tested on the same images"
    if metric == "auc" and n_areas > MOST_IMAGES:
        return np.nan, f"{too_many} times classes"
    corrected = correct_for_selection(metric, configurations)
    return corrected, "" if np.isfinite(corrected) else f"{metric} is undefined on some samples"


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
        why = table.attrs.get(NOT_CORRECTED, "")
        return f"{chosen}, so that its value is too optimistic; it is not corrected here" + (
            f": {why}." if why else "."
        )
    value = table.loc[corrected.index[0], metric]
    return (
        f"{chosen}, so that its value is too optimistic: {metric} {value:.3f}, corrected for the "
        f"choice {corrected.iloc[0]:.3f} (a point estimate, pessimistic where one configuration is "
        "clearly the best)."
    )


def shares_first_place(table: pd.DataFrame) -> pd.Series:
    """Whether a configuration other than the leader shares its place, for each line of a table."""
    with_leader = table["with_leader"].fillna(False).astype(bool)
    leader = table["rank"].where(with_leader).min()
    return (with_leader & (table["rank"] > leader)).fillna(False).astype(bool)


def describe_not_compared(table: pd.DataFrame) -> list[str]:
    """List why configurations cannot be compared with the leader, with their numbers."""
    return [
        f"{format_count(n, 'configuration')} cannot be compared with the best one: {why}"
        for why, n in table.attrs.get(NOT_COMPARED, {}).items()
    ]


def find_best_cells(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Find the best value of each metric, as it is shown, among the ranked configurations.

    The baseline is not counted. Of the metric that configurations are ranked by, those that cannot
    be told apart from the best are found as well.

    Returns
    -------
    DataFrame of bool
        One column per metric of the formatted table.
    """
    counted = table["rank"].notna() & (table["model"] != BASELINE)
    best = pd.DataFrame(index=table.index)
    for name in [name for name in table.columns if is_metric(name)]:
        values = table[name].where(counted).round(3)
        target = find_metric(name).target
        if target is not None:
            continue
        extreme = values.max() if find_metric(name).greater_is_better else values.min()
        header = (
            f"{name} of '{table[f'{name}_class'].iloc[0]}'" if f"{name}_class" in table else name
        )
        best[header] = values == extreme
        if name == metric:
            best[header] |= shares_first_place(table)
    return best
