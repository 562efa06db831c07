"""Named sets of metrics, and lists of metrics that a user writes."""

from __future__ import annotations

from types import MappingProxyType

from benchmark.errors import UserError
from benchmark.scoring.metric_lookup import find_metric

METRIC_SETS = MappingProxyType(
    {
        "clinical": (
            *("sensitivity", "specificity", "ppv", "npv", "youden", "lr_positive", "lr_negative"),
            *("auc", "sensitivity_at_specificity(0.9)", "specificity_at_sensitivity(0.9)"),
        ),
        "calibration": (
            *("calibration_intercept", "calibration_slope", "observed_expected"),
            *("ece", "brier", "log_loss"),
        ),
    }
)


def parse_metrics(text: str, prevalence: float | None = None) -> tuple[str, ...]:
    """Read the metrics of a table: a name of ``METRIC_SETS``, or names separated by commas.

    Parameters
    ----------
    text : str
    prevalence : float or None
        Share of positive images for which ppv and npv are computed; None: that of the test set.

    Returns
    -------
    tuple of str
        Canonical names.

    Raises
    ------
    UserError
        A metric is unknown, or the prevalence is not a number between 0 and 1.

    Examples
    --------
    >>> parse_metrics("ppv, npv", prevalence=0.05)
    ('ppv(0.05)', 'npv(0.05)')
    """
    listed = [name.strip() for name in text.split(",")]
    names = METRIC_SETS.get(text.strip()) or [name for name in listed if name]
    if prevalence is not None and not 0 < prevalence < 1:
        raise UserError(f"--prevalence is a number between 0 and 1, not {prevalence:g}")
    at = "" if prevalence is None else f"({prevalence:g})"
    return tuple(find_metric(name + at if name in ("ppv", "npv") else name).name for name in names)
