"""What a reader must know of metrics of a positive class, as lines below a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.scoring.averages import find_shared_classes
from benchmark.scoring.clinical import CURVE_METRICS
from benchmark.scoring.metric_lookup import find_metric
from benchmark.utils.status import Status


def describe_positive_class(rows: pd.DataFrame, metrics: Sequence[str]) -> Iterator[str]:
    """Yield the positive class of each dataset, and which metrics are optimistic.

    Parameters
    ----------
    rows : DataFrame
        The rows that a table is made of.
    metrics : sequence of str
        Those in its columns. Nothing is yielded if none is about a positive class.
    """
    binary = [name for name in metrics if find_metric(name).binary]
    if not binary:
        return
    for dataset, own in rows[rows["status"] == Status.OK].groupby("dataset", sort=False):
        classes = find_shared_classes(own)
        if len(classes) == 2:
            share = _share_of_second(own, classes[1])
            yield f"{dataset}: the positive class is '{classes[1]}', {share:.1%} of the test set"
    of_curve = [name for name in binary if name.partition("(")[0] in CURVE_METRICS]
    if of_curve:
        yield (
            f"{' and '.join(of_curve)}: the threshold is chosen on the test set, so that the "
            "value is optimistic; the strategy operating_point chooses it on training images"
        )


def _share_of_second(rows: pd.DataFrame, positive: str) -> float:
    """Share of the test images of all cells that are of a class."""
    supports = pd.DataFrame(
        [
            {name: values["support"] for name, values in per_class.items()}
            for per_class in rows["per_class"]
        ]
    )
    return float(supports[positive].sum() / supports.to_numpy().sum())
