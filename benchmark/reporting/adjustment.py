"""Adjustment of p-values for the comparisons among which a result was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from benchmark.reporting.comparable_rows import CONFIGURATION_AXES, Configuration
from benchmark.reporting.comparison import Comparison, ConfigurationPair
from benchmark.scoring.equivalence import MarginTest
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.utils.status import Status


@dataclass(frozen=True)
class Question:
    """What is asked about pairs of configurations.

    Parameters
    ----------
    metric : str
    margin : float or None
        Largest difference that does not matter; None if it is not asked for.
    pairs : list of pairs
        The pairs to compare. p-values are adjusted by Holm for their number.
    chosen_from : list of pairs
        If there is only one pair, the pairs that it may have been chosen from, itself included.
        Its p-value is then adjusted by Bonferroni for their number, which needs no other p-value.
    """

    metric: str
    margin: float | None
    pairs: list[ConfigurationPair]
    chosen_from: list[ConfigurationPair] = field(default_factory=list)

    @property
    def adjustment(self) -> str:
        """Name of the procedure by which p-values are adjusted."""
        return "Bonferroni" if self.chosen_from else "Holm"

    def count_choices(self, rows: pd.DataFrame, n_datasets: int = 1) -> int:
        """Count the pairs of ``chosen_from`` that could have been compared.

        Parameters
        ----------
        rows : DataFrame
            Rows of the comparison.
        n_datasets : int
            Number of datasets on which both members of a pair must have completed cells.
        """
        done = rows[rows["status"] == Status.OK]
        datasets: dict[Configuration, set[str]] = (
            done.groupby(CONFIGURATION_AXES)["dataset"].agg(set).to_dict()
        )
        return sum(
            len(datasets.get(first, set()) & datasets.get(second, set())) >= n_datasets
            for first, second in self.chosen_from
        )


def adjust_p_values(
    p_values: dict[ConfigurationPair, float], n_choices: int = 0
) -> dict[ConfigurationPair, tuple[int, float]]:
    """Number of comparisons and adjusted p-value of each pair.

    Parameters
    ----------
    p_values : dict of pair to float
        NaN for a pair that is not tested.
    n_choices : int
        Number of pairs that a single pair was chosen from; 0 for pairs that were not chosen.

    Returns
    -------
    dict of pair to (int, float)
        Adjusted by Bonferroni for ``n_choices``, or else by Holm (1979) for the tested pairs. Empty
        if there is one comparison only.

    Examples
    --------
    >>> a, b, c = (("hog", "none", model, "none") for model in ("knn", "rbf_svm", "majority"))
    >>> adjust_p_values({(a, b): 0.01}, n_choices=3)[a, b]
    (3, 0.03)
    >>> list(adjust_p_values({(a, c): 0.01, (b, c): 0.04}).values())
    [(2, 0.02), (2, 0.04)]
    """
    tested = {pair: p_value for pair, p_value in p_values.items() if not np.isnan(p_value)}
    n = n_choices or len(tested)
    if not tested or n < 2:
        return {}
    if n_choices:
        return {pair: (n, min(1.0, n * p_value)) for pair, p_value in tested.items()}
    adjusted = adjust_by_holm(list(tested.values()))
    return {pair: (n, float(p_value)) for pair, p_value in zip(tested, adjusted, strict=True)}


def add_margin_tests(
    comparisons: dict[ConfigurationPair, Comparison],
    margin: float | None,
    n_choices: int,
    test_margin: Callable[[ConfigurationPair, int, float], MarginTest],
) -> dict[ConfigurationPair, Comparison]:
    """Add the tests of the margin, if there is one, adjusted like those of the difference.

    ``test_margin`` takes a pair, the number of comparisons and the margin.
    """
    if margin is None:
        return comparisons
    tests = {pair: test_margin(pair, 1, margin) for pair in comparisons}
    noninferior = {pair: test.p_noninferior for pair, test in tests.items()}
    equivalent = {pair: test.p_equivalent for pair, test in tests.items()}
    adjusted_equivalent = adjust_p_values(equivalent, n_choices)
    for pair, (n, adjusted) in adjust_p_values(noninferior, n_choices).items():
        tests[pair] = replace(
            test_margin(pair, n, margin),
            p_noninferior=adjusted,
            p_equivalent=adjusted_equivalent[pair][1],
        )
    return {
        pair: replace(comparison, margin_test=tests[pair])
        for pair, comparison in comparisons.items()
    }
