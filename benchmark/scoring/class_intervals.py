"""Confidence intervals of a metric of one class, such as its recall.

Each is a metric of other predictions, to which ``benchmark.scoring.intervals`` applies: the recall
of a class is the accuracy on its images; precision, F1 and average precision are those of a
multi-label task with one label; all others those of a binary task, the class against the rest.
The simulation of their coverage is ``tests/benchmarks/class_coverage.py``. With 50 test images it
is below 93 % for some classes that nearly all of the images belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.member_shares import take_members
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.metrics import class_membership
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Result

COMPUTED = ("specificity", "npv", "auc")  # from predictions
ALIASES = MappingProxyType({"sensitivity": "recall", "ppv": "precision"})
STORED = ("recall", "precision", "f1", "average_precision")  # in the rows
CLASS_METRICS = (*STORED, *COMPUTED, *ALIASES)
REST = "other classes"


def class_interval_over_images(metric: str, seeds: Sequence[Predictions], name: str) -> Result:
    """Confidence interval of a metric of one class, on one test set.

    Parameters
    ----------
    metric : str
        One of ``CLASS_METRICS``.
    seeds : sequence of Predictions
        One per seed; the interval is that of the mean over the seeds.
    name : str
        Name of a class that has test images.

    Returns
    -------
    Result
        Refused, with the reason, where there are fewer images or groups than the simulation of
        the coverage found to be needed.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(200) % 2
    >>> labels = np.where(np.arange(200) < 20, 0, y)
    >>> predictions = Predictions(y, np.eye(2)[labels], ("a", "b"), np.arange(200))
    >>> result = class_interval_over_images("recall", [predictions], "b")
    >>> print(f"{result.effect:.3f}, {result.lower:.3f} to {result.upper:.3f}")
    0.900, 0.826 to 0.945
    """
    cls = seeds[0].classes.index(name)
    metric = ALIASES.get(metric, metric)
    if metric in COMPUTED:
        return interval_over_images(metric, [_take_class(metric, p, cls) for p in seeds])
    if metric == "recall":
        taken = [take_members(p, class_membership(p)[:, cls], _is_predicted(p, cls)) for p in seeds]
        result = interval_over_images("accuracy", taken)
        refusal = result.refusal.replace("; accuracy requires", f" of '{name}'; recall requires")
        return replace(result, refusal=refusal)
    return interval_over_images(
        metric, [_as_single_label(p, cls, metric == "average_precision") for p in seeds]
    )


def compute_class_value(metric: str, p: Predictions, name: str) -> float:
    """Compute one of ``COMPUTED`` for a class against the rest; NaN where it is undefined."""
    return find_metric(metric)(_take_class(metric, p, p.classes.index(name)))


def _take_class(metric: str, p: Predictions, cls: int) -> Predictions:
    """Predictions of one class against the rest, as a binary task; the class is the second."""
    shown = p.proba[:, cls].clip(0, 1) if metric == "auc" else _is_predicted(p, cls).astype(float)
    return replace(
        p,
        y_true=class_membership(p)[:, cls].astype(np.int64),
        proba=np.column_stack([1 - shown, shown]),
        classes=(REST, p.classes[cls]),
        ordinal=False,
    )


def _as_single_label(p: Predictions, cls: int, ranked: bool) -> Predictions:
    """Predictions of one class against all others, as a multi-label task with one label."""
    proba = p.proba[:, cls] if ranked else _is_predicted(p, cls).astype(float)
    return replace(
        p,
        y_true=class_membership(p)[:, [cls]].astype(np.int64),
        proba=proba[:, None],
        classes=(p.classes[cls],),
        ordinal=False,
    )


def _is_predicted(p: Predictions, cls: int) -> NDArray[np.bool_]:
    return p.labels[:, cls] == 1 if p.multilabel else p.labels == cls
