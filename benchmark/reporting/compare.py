"""Statistical comparison of configurations, computed from the predictions in a results folder.

The test is chosen by what the data allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.comparison import (
    Comparison,
    Configuration,
    capitalize_first_letter,
    is_baseline,
)
from benchmark.reporting.configuration_lookup import (
    find_comparison_pairs,
    find_configuration,
    unique_configurations,
)
from benchmark.reporting.leaderboard import COMPARABLE, CONFIGURATION_AXES, make_group_title
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.scoring.averages import (
    describe_incomplete_folds,
    metric_label_for_rows,
    rows_for_group_means,
)
from benchmark.scoring.intervals import compare_predictions, corrected_t_over_folds
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import PredictionReader, Predictions, read_cell_predictions
from benchmark.scoring.rank_tests import adjust_by_holm, wilcoxon_test
from benchmark.scoring.significance import ALPHA, Result
from benchmark.study.axes import Role, axes_with_roles
from benchmark.utils.status import Status

ConfigurationPair = tuple[Configuration, Configuration]
# cells of two configurations are paired by these columns
REPLICATES = ["fold", *(axis.name for axis in axes_with_roles(Role.REPLICATE))]
UNPAIRED = f"no {' and '.join(REPLICATES)} is completed for both configurations"


def compare_configurations(
    folder: str | Path, a: str, b: str, metric: str = "f1"
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

    Parameters
    ----------
    folder : str or Path
        Results folder, as written by ``run``.
    a, b : str
        ``extractor / strategy / model``, or any part of it that identifies one configuration.
    metric : str

    Returns
    -------
    list of Comparison
        One per group of comparable rows (dataset, split), followed by one across datasets if
        there are several.

    Raises
    ------
    UserError
        The metric is unknown, a configuration is unknown or ambiguous, no cell is completed for
        both, or predictions are missing.

    See Also
    --------
    compare_all_configurations : Compare every configuration with one.
    """
    rows = _load_metric_rows(folder, metric)
    first, second = (
        find_configuration(a, rows, Path(folder)),
        find_configuration(b, rows, Path(folder)),
    )
    if first == second:
        raise UserError(
            f"'{a}' and '{b}' both name {' / '.join(first)}: give two different configurations"
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
    comparisons = list(_compare_families(Path(folder), rows, families, metric))
    if all(comparison.result.refusal == UNPAIRED for comparison in comparisons):
        raise UserError(
            f"no fold and seed in {folder} is completed for both {' / '.join(first)} and "
            f"{' / '.join(second)}; run both on the same split"
        )
    return comparisons


def compare_all_configurations(
    folder: str | Path, against: str, metric: str = "f1"
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
        configuration is then compared with the one of the same extractor and model that has it.
    metric : str

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
    benchmark.reporting.comparison.make_comparison_tables : Tables of these comparisons.
    """
    rows = _load_metric_rows(folder, metric)
    pairs = find_comparison_pairs(against, rows, Path(folder))
    comparisons = list(_compare_families(Path(folder), rows, [pairs], metric))
    if all(comparison.result.refusal == UNPAIRED for comparison in comparisons):
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


def _load_metric_rows(folder: str | Path, metric: str) -> pd.DataFrame:
    if metric not in METRICS:
        raise unknown_name_error("metric", metric, METRICS)
    rows = load_results(
        folder, [metric, "predictions", "n_images", "n_test", "per_class", "subset_accuracy"]
    )
    if metric not in rows:
        raise UserError(
            f"no row in {folder} has the metric {metric}; choose another one (python -m benchmark "
            "list metrics), or evaluate the cells again with run --force"
        )
    return rows


def _compare_families(
    folder: Path, rows: pd.DataFrame, families: list[list[ConfigurationPair]], metric: str
) -> Iterator[Comparison]:
    """Compare the pairs that are in all families, within each group of rows and across datasets.

    A family is a list of pairs that are compared together; p-values are adjusted for its size.
    """
    read_predictions = lru_cache(maxsize=64)(ResultsFolder(folder).read_predictions)
    requested = set(families[0]).intersection(*families)
    comparisons: list[tuple[ConfigurationPair, Comparison]] = []
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        title = make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows)
        pairs = dict.fromkeys(pair for family in families for pair in family)
        cells_by_pair = {pair: _pair_cells(group, *pair, metric) for pair in pairs}
        paired = {pair: cells for pair, cells in cells_by_pair.items() if cells is not None}

        def compare_at_level(
            pair: ConfigurationPair,
            alpha: float,
            paired: dict[ConfigurationPair, PairedCells] = paired,
            title: str = title,
        ) -> Comparison:
            return _compare_pair(title, paired[pair], *pair, metric, read_predictions, alpha)

        in_group = {pair: compare_at_level(pair, ALPHA) for pair in paired}
        for pair, (n, adjusted) in _adjust_p_values(in_group, families).items():
            if pair in requested:
                comparison = compare_at_level(pair, ALPHA / n)
                result = replace(comparison.result, family=n, adjusted=adjusted)
                in_group[pair] = replace(comparison, result=result)
        comparisons += in_group.items()
        configurations = set(unique_configurations(group))
        comparisons += [
            (pair, _refuse_comparison(title, group, *pair, metric))
            for pair in families[0]
            if pair in requested and pair not in paired and configurations.issuperset(pair)
        ]
    yield from (comparison for pair, comparison in comparisons if pair in requested)
    across = _compare_across_datasets(comparisons, families)
    yield from (comparison for pair, comparison in across if pair in requested)


def _adjust_p_values(
    comparisons: dict[ConfigurationPair, Comparison], families: list[list[ConfigurationPair]]
) -> dict[ConfigurationPair, tuple[int, float]]:
    """Number of comparisons and adjusted p-value (Holm 1979) of each pair.

    Both are the largest of those of its families. Families with a single tested pair are ignored.
    """
    largest: dict[ConfigurationPair, tuple[int, float]] = {}
    for family in families:
        tested = [
            pair
            for pair in family
            if pair in comparisons and not np.isnan(comparisons[pair].result.p_value)
        ]
        if len(tested) > 1:
            p_values = adjust_by_holm([comparisons[pair].result.p_value for pair in tested])
            for pair, p_value in zip(tested, p_values, strict=True):
                n, adjusted = largest.get(pair, (0, 0.0))
                largest[pair] = max(n, len(tested)), max(adjusted, float(p_value))
    return largest


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


def _pair_cells(
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
    if METRICS[metric].macro:
        remarks = describe_incomplete_folds(group)
        notes += [f"{capitalize_first_letter(remark)}." for remark in remarks]
    return PairedCells(
        done[done["fold"].isin(counted_folds)],
        str(done["dataset"].iloc[0]),
        metric_label_for_rows(metric, group),
        " ".join(notes),
    )


def _compare_pair(
    title: str,
    paired: PairedCells,
    first: Configuration,
    second: Configuration,
    metric: str,
    read_predictions: PredictionReader,
    alpha: float,
) -> Comparison:
    cells, names, note = paired.cells, [f"{metric}_a", f"{metric}_b"], paired.note
    means = cells.groupby("fold")[names].agg(lambda values: values.astype(float).mean(skipna=False))
    defined = means.dropna()
    if len(means) > 1 and len(defined) < len(means):
        folds = f"{len(defined)} of {len(means)} folds"
        note = f"{note} Over {folds}: {paired.label} is undefined on the others.".strip()
    cells = cells[cells["fold"].isin(defined.index)] if len(means) > 1 else cells
    if cells.empty:
        refusal = f"there is no fold on which {paired.label} is defined and can be compared"
        result = Result("the comparison", 0, np.nan, refusal=refusal)
    elif len(means) > 1:
        result = corrected_t_over_folds(
            defined[names[0]] - defined[names[1]], cells["n_images_a"], cells["n_test_a"], alpha
        )
    else:
        result = _compare_on_images(
            metric,
            read_cell_predictions(read_predictions, cells, "_a"),
            read_cell_predictions(read_predictions, cells, "_b"),
            alpha,
        )
    mean_a, mean_b = (float(defined[name].mean()) if len(defined) else np.nan for name in names)
    return Comparison(
        title, paired.dataset, first, second, metric, mean_a, mean_b, result, note, paired.label
    )


def _refuse_comparison(
    title: str, group: pd.DataFrame, first: Configuration, second: Configuration, metric: str
) -> Comparison:
    """Make the comparison of two planned configurations that have no completed cell in common."""
    return Comparison(
        title,
        str(group["dataset"].iloc[0]),
        first,
        second,
        metric,
        mean_a=np.nan,
        mean_b=np.nan,
        result=Result("the comparison", 0, np.nan, refusal=UNPAIRED),
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


def _compare_across_datasets(
    comparisons: list[tuple[ConfigurationPair, Comparison]],
    families: list[list[ConfigurationPair]],
) -> Iterator[tuple[ConfigurationPair, Comparison]]:
    """Compare pairs across datasets by Wilcoxon's test, adjusted by Holm.

    Each dataset contributes one pair of means. Pairs with a single dataset are left out.
    """
    first_of_pair = dict(reversed(comparisons))
    tested: dict[ConfigurationPair, Comparison] = {}
    for pair in dict.fromkeys(pair for pair, _ in comparisons):
        values = [
            (comparison.dataset, comparison.mean_a, comparison.mean_b)
            for candidate, comparison in comparisons
            if candidate == pair
        ]
        means = (
            pd.DataFrame(values, columns=["dataset", "a", "b"])
            .dropna()
            .groupby("dataset")[["a", "b"]]
            .mean()
        )
        if len(means) > 1:
            mean_a, mean_b = means.mean()
            tested[pair] = replace(
                first_of_pair[pair],
                title=f"across {len(means)} datasets, by the median of the differences",
                dataset="",
                note="",
                mean_a=float(mean_a),
                mean_b=float(mean_b),
                result=wilcoxon_test(means["a"], means["b"]),
            )
    for pair, (n, adjusted) in _adjust_p_values(tested, families).items():
        result = replace(tested[pair].result, family=n, adjusted=adjusted)
        tested[pair] = replace(tested[pair], result=result)
    yield from tested.items()
