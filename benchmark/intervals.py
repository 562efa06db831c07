"""How sure the mean of an entry is: a 95% interval by whatever its cells allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.metrics import METRICS
from benchmark.predictions import Predictions, read
from benchmark.stats import Result, bootstrap, corrected_t

RESAMPLES = 1000  # of the bootstrap: the AUC of ten classes on 10,000 images takes some 20 s


def interval(folder: Path, cells: pd.DataFrame, metric: str) -> Result:
    """Mean of one entry's metric, with its interval.

    Over folds by the corrected variance of Nadeau & Bengio (2003), seeds averaged within a fold first, as they share its test part;
    on a single split by the bootstrap of its test images.

    Parameters
    ----------
    folder : Path
        Holds the predictions.
    cells : DataFrame
        Rows of the entry that are done.
    metric : str
    """
    scores = cells.groupby("fold")[metric].agg(lambda values: values.astype(float).mean(skipna=False))
    if len(scores) > 1:
        return over_folds(scores, cells["n_images"], cells["n_test"])
    return over_images(metric, [[read(folder, key) for key in cells["key"]]])


def over_folds(scores: pd.Series, n_images: pd.Series, n_test: pd.Series) -> Result:
    """Corrected resampled t-test of scores, one a fold.

    The correction is for the overlap of training parts, which n_test / n_train of the fold stands for; of a part of the fold's training
    images, as a training size or an imbalance takes, the overlap is no larger, so that the fold's own sizes are used.

    Parameters
    ----------
    scores : Series
        Or differences of scores.
    n_images, n_test : Series
        Images of the data set and of the test part, of each cell.
    """
    return corrected_t(scores, (n_images - n_test).mean(), n_test.mean())


def over_images(metric: str, entries: Sequence[Sequence[Predictions]], n_resamples: int = RESAMPLES) -> Result:
    """Bootstrap interval of an entry's metric on one test part, or of the first's less the second's; by group where there are groups.

    Parameters
    ----------
    metric : str
    entries : one or two sequences of Predictions
        Of each seed; their mean is taken on the same resampled images.
    n_resamples : int
    """
    first = entries[0][0]

    def of(images: NDArray[np.int64]) -> float:
        means = [float(np.mean([METRICS[metric](seed.take(images)) for seed in entry])) for entry in entries]
        return means[0] - sum(means[1:])

    return bootstrap(of, len(first.y_true), first.groups, n_resamples=n_resamples)
