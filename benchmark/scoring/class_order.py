"""Whether the names of two classes may be swapped in an external dataset."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import mannwhitneyu

from benchmark.scoring.aggregation import aggregate_groups
from benchmark.scoring.label_errors import average_probabilities
from benchmark.scoring.predictions import Predictions

CHANCE = 0.025  # p-value of a one-sided test


def ask_about_class_names(predictions: Sequence[Predictions]) -> list[str]:
    """Ask whether names of classes are swapped, if the AUC is below 0.5 by more than chance.

    The test is that of Mann & Whitney (1947), of the mean probabilities over all models, with one
    value per group (patient, lesion) where there are groups.

    Parameters
    ----------
    predictions : sequence of Predictions
        Of the same images, one per model.

    Returns
    -------
    list of str
        One question, or none.
    """
    first = predictions[0]
    if first.multilabel or len(first.classes) != 2:
        return []
    mean = first.with_probabilities(average_probabilities(predictions))
    units = mean if mean.groups is None else aggregate_groups(mean)
    truth, score = units.y_true == 1, units.proba[:, 1]
    if not truth.any() or truth.all():
        return []
    test = mannwhitneyu(score[truth], score[~truth], alternative="less")
    if test.pvalue >= CHANCE:
        return []
    auc = test.statistic / truth.sum() / (~truth).sum()
    per = "" if mean.groups is None else ", with one value per group,"
    return [
        f"the AUC{per} is {auc:.3f}, below 0.5 by more than chance (Mann & Whitney 1947, p = "
        f"{test.pvalue:.1g}): do the names of the classes mean the same in both datasets?"
    ]
