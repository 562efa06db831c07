"""Statistical comparison of configurations, computed from the predictions in a results folder.

The test is chosen by what the data allow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.comparable_rows import Configuration, configuration_name
from benchmark.reporting.comparison import Comparison, is_baseline
from benchmark.reporting.configuration_lookup import (
    find_configuration,
    pair_with_counterparts,
    pair_with_reference,
    unique_configurations,
)
from benchmark.reporting.family_comparison import Question, compare_families
from benchmark.reporting.pair_comparison import NO_COUNTERPART, UNPAIRED
from benchmark.reporting.rank_lookup import find_ranked_configuration
from benchmark.results.store import load_results
from benchmark.scoring.metrics import METRICS


def compare_configurations(
    folder: str | Path, a: str, b: str, metric: str = "f1", margin: float | None = None
) -> list[Comparison]:
    """Compare two configurations on all datasets and splits of a results folder.

    On a single split, the images are the observations. The test is McNemar's for the accuracy and
    DeLong's for the AUC of two classes. For all other metrics, and whenever images have groups or
    the predictions of the seeds differ, it is a t-test of paired influences. With several folds,
    the corrected resampled t-test is used; seeds are averaged within a fold first, since they share
    its test set. With several datasets, Wilcoxon's test is computed as well.

    The pair is assumed to be selected from a table. If there are further configurations, the
    p-value is adjusted by Holm (1979) for the comparisons of all of them with ``b``, and for those
    with ``a``, not counting the baseline; the larger of the two p-values is reported, so that the
    order of the pair does not matter. The interval is Bonferroni's: at the level 1 - 0.05 / n, so
    that all n intervals hold simultaneously. Holm's procedure rejects slightly more often, so that
    a difference may be significant although its interval contains zero.

    With a margin, it is also tested whether ``a`` is non-inferior to ``b`` (no more than the margin
    worse, one-sided) and whether they are equivalent (two one-sided tests, Schuirmann 1987), each
    at the level 0.05. The p-values are adjusted in the same way.

    Parameters
    ----------
    folder : str or Path
        Results folder, as written by ``run``.
    a, b : str
        ``extractor / strategy / model``, or any part of it that identifies one configuration; or
        its rank in the leaderboard of the metric, such as '1'.
    metric : str
    margin : float or None
        Largest difference that does not matter, in the units of the metric.

    Returns
    -------
    list of Comparison
        One per group of comparable rows (dataset, split), followed by one across datasets if
        there are several.

    Raises
    ------
    UserError
        The metric is unknown, a configuration is unknown or ambiguous, the margin is not a
        difference of the metric, no cell is completed for both, or predictions are missing.

    See Also
    --------
    compare_all_configurations : Compare every configuration with one.
    """
    rows = _load_metric_rows(folder, metric, margin)
    first, second = (_find_configuration(name, rows, Path(folder), metric) for name in (a, b))
    if first == second:
        raise UserError(
            f"'{a}' and '{b}' both name {configuration_name(first)}: give two different "
            "configurations"
        )
    others = [
        configuration
        for configuration in unique_configurations(rows)
        if configuration not in (first, second) and not is_baseline(configuration)
    ]
    families = [
        [(first, second), *((other, second) for other in others)],
        [(first, second), *((first, other) for other in others)],
    ]
    comparisons = list(compare_families(Path(folder), rows, Question(metric, margin, families)))
    if all(comparison.result.refusal == UNPAIRED for comparison in comparisons):
        raise UserError(
            f"no fold and seed in {folder} is completed for both {configuration_name(first)} and "
            f"{configuration_name(second)}; run both on the same split"
        )
    return comparisons


def compare_all_configurations(
    folder: str | Path, against: str, metric: str = "f1", margin: float | None = None
) -> list[Comparison]:
    """Compare every configuration of a results folder with one.

    The tests are those of ``compare_configurations``, adjusted for the number of comparisons.

    Parameters
    ----------
    folder : str or Path
        Results folder, as written by ``run``.
    against : str
        The configuration that the others are compared with, named as for
        ``compare_configurations``. It may also be a strategy that several configurations have: each
        configuration is then compared with the one that has it and is equal otherwise.
    metric : str
    margin : float or None
        As for ``compare_configurations``.

    Returns
    -------
    list of Comparison
        Sorted by group of comparable rows, the best configuration of each group first.

    Raises
    ------
    UserError
        As for ``compare_configurations``.

    See Also
    --------
    compare_configurations : Compare two configurations.
    benchmark.reporting.comparison_table.make_comparison_tables : Tables of these comparisons.
    """
    rows = _load_metric_rows(folder, metric, margin)
    pairs = pair_with_counterparts(against, rows) or pair_with_reference(
        _find_configuration(against, rows, Path(folder), metric), rows
    )
    comparisons = list(compare_families(Path(folder), rows, Question(metric, margin, [pairs])))
    if all(c.result.refusal in (UNPAIRED, NO_COUNTERPART) for c in comparisons):
        raise UserError(
            f"no fold and seed in {folder} is completed for a configuration and the one to compare "
            f"it with ('{against}'); run them on the same split"
        )
    sign = -1 if METRICS[metric].greater_is_better else 1
    titles = list(dict.fromkeys(comparison.title for comparison in comparisons))

    def rank(comparison: Comparison) -> tuple[int, float]:
        effect = np.nan_to_num(sign * comparison.result.effect, nan=np.inf)
        return titles.index(comparison.title), float(effect)

    return sorted(comparisons, key=rank)


def _load_metric_rows(folder: str | Path, metric: str, margin: float | None) -> pd.DataFrame:
    if metric not in METRICS:
        raise unknown_name_error("metric", metric, METRICS)
    least, most = METRICS[metric].bounds
    if margin is not None and not 0 < margin < min(most - least, np.inf):
        largest = "" if np.isinf(most - least) else f" and below {most - least:g}"
        raise UserError(
            f"the margin is {margin:g}; a difference in {metric} that does not matter is above 0"
            f"{largest}, such as 0.02"
        )
    rows = load_results(
        folder, [metric, "predictions", "n_images", "n_test", "per_class", "subset_accuracy"]
    )
    if metric not in rows:
        raise UserError(
            f"no row in {folder} has the metric {metric}; choose another one (python -m benchmark "
            "list metrics), or evaluate the cells again with run --force"
        )
    return rows


def _find_configuration(name: str, rows: pd.DataFrame, folder: Path, metric: str) -> Configuration:
    """Find a configuration by its rank, if the name is a number, or else by its name."""
    if name.strip().isdecimal():
        return find_ranked_configuration(int(name), folder, metric)
    return find_configuration(name, rows, folder)
