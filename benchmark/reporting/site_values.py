"""The value of a metric on an external dataset, over all models that predicted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from benchmark.reporting.table_intervals import MOST_SEEDS, refuse_interval
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Result
from benchmark.utils.text import format_count

INTERNAL = "internal"


def estimate_external(metric: str, predictions: Sequence[Predictions]) -> Result:
    """Mean over the models that predicted an external dataset, with its interval."""
    declared = find_metric(metric)
    if declared.macro and (absent := predictions[0].absent_classes):
        return refuse_interval(
            f"no images of {', '.join(absent)}; a mean over the other classes cannot be compared "
            f"with the {INTERNAL} one"
        )
    values = pd.Series([declared(p) for p in predictions], dtype=float)
    if why := explain_undefined(values, metric, "model"):
        return refuse_interval(why)
    if len(predictions) > MOST_SEEDS:
        why = f"{len(predictions)} models predicted it; at most {MOST_SEEDS} are read"
        return replace(refuse_interval(why), effect=values.mean())
    return replace(interval_over_images(metric, predictions), effect=values.mean())


def explain_undefined(values: pd.Series, metric: str, what: str) -> str:
    """Say on how many cells or models a metric is undefined; empty if on none."""
    n = int(values.isna().sum())
    if len(values) and not n:
        return ""
    return f"{metric} is undefined for {n} of {format_count(len(values), what)}"
