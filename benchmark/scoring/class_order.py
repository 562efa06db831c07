"""Whether the names of two classes may be swapped in an external dataset."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import mannwhitneyu

from benchmark.scoring.predictions import Predictions

CHANCE = 0.025  # p-value of a one-sided test


def ask_about_class_names(predictions: Sequence[Predictions]) -> list[str]:
    """Ask whether names of classes are swapped, if the AUC is below 0.5 by more than chance.

    Parameters
    ----------
    predictions : sequence of Predictions
        Of the same images, one per model.

    Returns
    -------
    list of str
        One question, or none: every model must have such an AUC, by the test of Mann & Whitney
        (1947), and there are two classes, both with images.
    """
    found = [_find_low_auc(p) for p in predictions]
    if not found or None in found:
        return []
    auc, p_value = max(pair for pair in found if pair is not None)
    models = "" if len(found) == 1 else f" of all {len(found)} models"
    most = "" if len(found) == 1 else " or less"
    return [
        f"the AUC{models}, {auc:.3f}{most}, is below 0.5 by more than chance (Mann & Whitney 1947, "
        f"p = {p_value:.1g}): do the names of the classes mean the same in both datasets?"
    ]


def _find_low_auc(p: Predictions) -> tuple[float, float] | None:
    """AUC of two classes and its p-value; None if it is not below 0.5 by more than chance."""
    if p.multilabel or len(p.classes) != 2:
        return None
    truth, score = p.y_true == 1, p.proba[:, 1]
    if not truth.any() or truth.all():
        return None
    test = mannwhitneyu(score[truth], score[~truth], alternative="less")
    if test.pvalue >= CHANCE:
        return None
    return float(test.statistic / truth.sum() / (~truth).sum()), float(test.pvalue)
