"""Comparison of the stored cells of two configurations with each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting.comparable_rows import COMPARABLE, CONFIGURATION_AXES, Configuration
from benchmark.reporting.comparison import Comparison, capitalize_first_letter
from benchmark.scoring.averages import (
    describe_incomplete_folds,
    metric_label_for_rows,
    rows_for_group_means,
)
from benchmark.scoring.intervals import compare_predictions, corrected_t_over_folds
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader, Predictions, read_cell_predictions
from benchmark.scoring.significance import Result
from benchmark.study.axes import Role, axes_with_roles
from benchmark.utils.status import Status

# cells of two configurations are paired by these columns
REPLICATES = ["fold", *(axis.name for axis in axes_with_roles(Role.REPLICATE))]
UNPAIRED = f"no {' and '.join(REPLICATES)} is completed for both configurations"
NO_COUNTERPART = "the configuration to compare it with is not in these results"


@dataclass(frozen=True)
class PairedCells:
    """Completed cells of two configurations, paired by fold and seed.

    Parameters
    ----------
    cells : DataFrame
        One row per pair of cells that counts; the suffixes ``_a`` and ``_b`` mark the columns of
        the two configurations.
    dataset : str
    label : str
        Display name of the metric.
    note : str
        Which cells are left out.
    """

    cells: pd.DataFrame
    dataset: str
    label: str
    note: str


def pair_cells(
    group: pd.DataFrame, first: Configuration, second: Configuration, metric: str
) -> PairedCells | None:
    """Pair the cells of two configurations; None if no cell is completed for both."""
    halves = [
        group[(group[CONFIGURATION_AXES] == list(configuration)).all(axis=1)].drop(
            columns=CONFIGURATION_AXES
        )
        for configuration in (first, second)
    ]
    pairs = halves[0].merge(halves[1], on=[*COMPARABLE, *REPLICATES], suffixes=("_a", "_b"))
    done = pairs[(pairs["status_a"] == Status.OK) & (pairs["status_b"] == Status.OK)]
    if done.empty:
        return None
    counted_folds = rows_for_group_means(group, metric, COMPARABLE)["fold"].unique()
    notes = []
    if len(done) < len(pairs):
        notes.append(f"Only {len(done)} of {len(pairs)} pairs of cells are completed.")
    if find_metric(metric).macro:
        remarks = describe_incomplete_folds(group)
        notes += [f"{capitalize_first_letter(remark)}." for remark in remarks]
    return PairedCells(
        done[done["fold"].isin(counted_folds)],
        str(done["dataset"].iloc[0]),
        metric_label_for_rows(metric, group),
        " ".join(notes),
    )


def compare_pair(
    title: str,
    paired: PairedCells,
    first: Configuration,
    second: Configuration,
    metric: str,
    read_predictions: PredictionReader,
    alpha: float,
) -> Comparison:
    """Compare two configurations on their paired cells.

    Parameters
    ----------
    title : str
        Title of the comparison.
    paired : PairedCells
    first, second : tuple of str
    metric : str
    read_predictions : callable (key, digest) -> Predictions
    alpha : float
        One minus the level of the interval.
    """
    means, note = _average_folds(paired.cells, metric), paired.note
    defined = means.dropna()
    if len(means) > 1 and len(defined) < len(means):
        folds = f"{len(defined)} of {len(means)} folds"
        note = f"{note} Over {folds}: {paired.label} is undefined on the others.".strip()
    result = compare_cells(paired.cells, metric, read_predictions, alpha, paired.label)
    mean_a, mean_b = (float(defined[name].mean()) if len(defined) else np.nan for name in means)
    return Comparison(
        title, paired.dataset, first, second, metric, mean_a, mean_b, result, note, paired.label
    )


def compare_cells(
    pairs: pd.DataFrame,
    metric: str,
    read_predictions: PredictionReader,
    alpha: float,
    label: str = "the metric",
) -> Result:
    """Test the difference of a metric between two sets of cells, paired by fold and seed.

    Parameters
    ----------
    pairs : DataFrame
        One row per pair of completed cells; the suffixes ``_a`` and ``_b`` mark their columns.
    metric : str
    read_predictions : callable (key, digest) -> Predictions
    alpha : float
        One minus the level of the interval.
    label : str
        What the reason of a refusal calls the metric.

    Returns
    -------
    Result
        ``effect`` is the metric of the cells ``_a`` minus that of the cells ``_b``.

    Raises
    ------
    UserError
        The predictions of a single test set cannot be read, or are of different images.
    """
    means = _average_folds(pairs, metric)
    several_folds = len(means) > 1
    means = means.dropna() if several_folds else means
    cells = pairs[pairs["fold"].isin(means.index)]
    if cells.empty:
        refusal = f"there is no fold on which {label} is defined and can be compared"
        return Result("the comparison", 0, np.nan, refusal=refusal)
    if not several_folds:
        a, b = (read_cell_predictions(read_predictions, cells, suffix) for suffix in ("_a", "_b"))
        return _compare_on_images(metric, a, b, alpha)
    differences = means[f"{metric}_a"] - means[f"{metric}_b"]
    result = corrected_t_over_folds(differences, cells["n_images_a"], cells["n_test_a"], alpha)
    least, most = find_metric(metric).bounds
    widest = most - least
    return replace(result, lower=max(result.lower, -widest), upper=min(result.upper, widest))


def as_improvement(result: Result, metric: str) -> Result:
    """Turn the sign of a difference where lower values are better: positive means better."""
    if find_metric(metric).greater_is_better:
        return result
    return replace(result, effect=-result.effect, lower=-result.upper, upper=-result.lower)


def _average_folds(pairs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean of the metric of both halves of the pairs in each fold; NaN if any is undefined."""
    values = pairs.groupby("fold")[[f"{metric}_a", f"{metric}_b"]]
    return values.agg(lambda values: values.astype(float).mean(skipna=False))


def try_comparison(
    group: pd.DataFrame,
    first: Configuration,
    second: Configuration,
    metric: str,
    read_predictions: PredictionReader,
    alpha: float,
) -> Comparison | str:
    """Compare two configurations; or return the reason why they cannot be compared."""
    paired = pair_cells(group, first, second, metric)
    if paired is None:
        return UNPAIRED
    try:
        return compare_pair("", paired, first, second, metric, read_predictions, alpha)
    except UserError as error:  # predictions are missing, or of other images
        return str(error)


def refuse_comparison(
    title: str,
    group: pd.DataFrame,
    first: Configuration,
    second: Configuration,
    metric: str,
    refusal: str = UNPAIRED,
) -> Comparison:
    """Make the comparison of two configurations that have no completed cell in common."""
    return Comparison(
        title,
        str(group["dataset"].iloc[0]),
        first,
        second,
        metric,
        mean_a=np.nan,
        mean_b=np.nan,
        result=Result("the comparison", 0, np.nan, refusal=refusal),
        label=metric_label_for_rows(metric, group),
    )


def _compare_on_images(
    metric: str, a: list[Predictions], b: list[Predictions], alpha: float
) -> Result:
    """Compare the predictions, one per seed, of two configurations for one test set."""
    first = a[0]
    if not all(
        np.array_equal(first.test_index, predictions.test_index)
        and np.array_equal(first.y_true, predictions.y_true)
        for predictions in [*a, *b]
    ):
        raise UserError(
            "the two configurations were tested on different images: run them again in one study"
        )
    return compare_predictions(metric, a, b, alpha)
