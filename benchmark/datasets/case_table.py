"""The first table of a paper: numbers of patients and images, classes and attributes by subset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.datasets.attributes import is_missing
from benchmark.datasets.base import SUBSETS, Dataset

MOST_VALUES = 15  # of an attribute of text that are listed
Members = NDArray[np.int64]


def make_case_table(dataset: Dataset) -> pd.DataFrame:
    """Describe the images of a dataset, in all and in each subset of its official split.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    DataFrame
        Formatted texts. The columns are ``characteristic``, ``all``, and the subsets if there is an
        official split. Numbers of images are followed by their share of the column; attributes of
        numbers have mean and standard deviation, then median and quartiles. Missing values are
        counted apart, and shares are of the known values.

    Examples
    --------
    >>> images, targets = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 1, 1])
    >>> attributes = {"age": np.array([40, 50, 60, np.nan])}
    >>> dataset = Dataset("demo", images, targets, ("benign", "malignant"), attributes=attributes)
    >>> print(make_case_table(dataset).to_string(index=False))
             characteristic           all
                     images             4
              class: benign       1 (25%)
           class: malignant       3 (75%)
             age, mean (SD)   50.0 (10.0)
    age, median (quartiles) 50 (45 to 55)
               age, missing       1 (25%)
    """
    columns = {"all": np.arange(len(dataset.images))}
    if dataset.subset is not None:
        members = {name: np.flatnonzero(dataset.subset == name) for name in SUBSETS}
        columns |= {name: indices for name, indices in members.items() if len(indices)}
    described = {name: _describe(dataset, indices) for name, indices in columns.items()}
    keys = list(described["all"])
    table = {name: [lines.get(key, "-") for key in keys] for name, lines in described.items()}
    return pd.DataFrame({"characteristic": [line for _, line in keys], **table})


def _describe(dataset: Dataset, members: Members) -> dict[tuple[str, str], str]:
    """Describe images: (attribute or '', name of the line) -> text."""
    lines = {("", line): text for line, text in _describe_images(dataset, members)}
    for name, values in dataset.attributes.items():
        lines |= {(name, line): text for line, text in _describe_attribute(name, values, members)}
    return lines


def _describe_images(dataset: Dataset, members: Members) -> Iterator[tuple[str, str]]:
    """Yield the lines on groups, images and classes."""
    if dataset.groups is not None:
        sizes = np.unique(dataset.groups[members], return_counts=True)[1]
        yield "groups", f"{len(sizes):,}"
        yield "images per group, median (range)", _format_range(sizes)
    yield "images", f"{len(members):,}"
    targets = dataset.targets[members]
    for k, name in enumerate(dataset.classes):
        n = int(targets[:, k].sum() if dataset.multilabel else (targets == k).sum())
        yield f"class: {name}", _format_share(n, len(members))


def _describe_attribute(name: str, values: NDArray, members: Members) -> Iterator[tuple[str, str]]:
    chosen = values[members]
    missing = is_missing(chosen)
    known = chosen[~missing]
    if values.dtype.kind == "f":
        yield f"{name}, mean (SD)", _format_mean(known)
        yield f"{name}, median (quartiles)", _format_quartiles(known)
    else:
        everywhere = pd.Series(values[~is_missing(values)]).value_counts()
        for value in everywhere.index[:MOST_VALUES]:
            yield f"{name}: {value}", _format_share(int((known == value).sum()), len(known))
        if rest := everywhere.index[MOST_VALUES:].tolist():
            n = int(np.isin(known, rest).sum())
            yield f"{name}: {len(rest)} other values", _format_share(n, len(known))
    if is_missing(values).any():
        yield f"{name}, missing", _format_share(int(missing.sum()), len(members))


def _format_share(n: int, total: int) -> str:
    if not total:
        return "-"
    return f"{n:,} ({n / total:.{int(0 < n < total / 100)}%})"


def _format_range(sizes: NDArray[np.int64]) -> str:
    return f"{np.median(sizes):g} ({sizes.min()} to {sizes.max()})" if len(sizes) else "-"


def _format_mean(known: NDArray) -> str:
    if len(known) < 2:
        return "-"
    return f"{known.mean():.1f} ({known.std(ddof=1):.1f})"


def _format_quartiles(known: NDArray) -> str:
    if not len(known):
        return "-"
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    return f"{middle:g} ({low:g} to {high:g})"
