"""Splits by an attribute of the images, such as the hospital or a fold that was assigned before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import PredefinedSplit

from benchmark.datasets.attributes import is_missing
from benchmark.datasets.base import Dataset
from benchmark.errors import UserError, unknown_name_error
from benchmark.sampling.splits import Fold
from benchmark.utils.text import format_count, format_exactly

MOST_FOLDS = 100
NEVER_TESTED = "-1"


def leave_one_group_out(dataset: Dataset, attribute: str) -> list[Fold]:
    """Test on the images with each value of an attribute, such as each hospital, in turn.

    Every fold trains on the images with all other values, so that it shows how a model does where
    it was not trained.

    Parameters
    ----------
    dataset : Dataset
    attribute : str
        Of text, or of few different numbers. No value may be missing.

    Returns
    -------
    folds : list of (train, test)
        One per value, in increasing or alphabetical order.

    Raises
    ------
    UserError
        The dataset has no such attribute; it has missing values, one value, or more than 100; a
        group (patient) has several; or a training set is of one class.

    See Also
    --------
    predefined : Folds that an attribute numbers.

    Examples
    --------
    >>> images, targets = np.zeros((6, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1, 0, 1])
    >>> site = np.array(["north", "north", "south", "south", "south", "south"])
    >>> dataset = Dataset("d", images, targets, ("a", "b"), attributes={"site": site})
    >>> [test.tolist() for _, test in leave_one_group_out(dataset, "site")]
    [[0, 1], [2, 3, 4, 5]]
    """
    where = f"leave_one_group_out(attribute='{attribute}')"
    return _split_by(dataset, attribute, where, frozenset())


def predefined(dataset: Dataset, column: str) -> list[Fold]:
    """Test on the images of each fold that an attribute assigns them to.

    Parameters
    ----------
    dataset : Dataset
    column : str
        Name of the attribute: each value is the test set of one fold. Images with -1 are in every
        training set and in no test set, as in scikit-learn's ``PredefinedSplit``.

    Returns
    -------
    folds : list of (train, test)

    Raises
    ------
    UserError
        As for ``leave_one_group_out``.

    See Also
    --------
    leave_one_group_out : Folds by hospital or scanner.

    Examples
    --------
    >>> images, targets = np.zeros((6, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1, 0, 1])
    >>> fold = np.array([-1.0, -1, 0, 0, 1, 1])
    >>> dataset = Dataset("d", images, targets, ("a", "b"), attributes={"fold": fold})
    >>> [(train.tolist(), test.tolist()) for train, test in predefined(dataset, "fold")]
    [([0, 1, 4, 5], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    return _split_by(dataset, column, f"predefined(column='{column}')", frozenset({NEVER_TESTED}))


def _split_by(
    dataset: Dataset, attribute: str, where: str, never_tested: frozenset[str]
) -> list[Fold]:
    where = f"dataset '{dataset.name}': {where}"
    if attribute not in dataset.attributes:
        if dataset.attributes:
            error = unknown_name_error("attribute", attribute, dataset.attributes)
            raise UserError(f"{where}: {error}")
        raise UserError(
            f'{where}: the images have no attributes; add attributes=("{attribute}",) to the '
            "dataset csv: in the study"
        )
    values = dataset.attributes[attribute]
    missing = int(is_missing(values).sum())
    if missing:
        raise UserError(
            f"{where}: {format_count(missing, 'image has', 'images have')} no {attribute}; fill in "
            "the empty cells, or leave out the rows"
        )
    is_number = values.dtype.kind == "f"
    names = np.array([format_exactly(v) if is_number else str(v) for v in values.tolist()])
    tested = sorted(set(names.tolist()) - never_tested, key=float if is_number else None)
    if not (2 - len(never_tested) <= len(tested) <= MOST_FOLDS) or not tested:
        raise UserError(
            f"{where}: {attribute} has {format_count(len(tested), 'value')}; at least 2 and at "
            f"most {MOST_FOLDS} are possible, one per fold"
        )
    _refuse_divided_groups(dataset, names, where)
    fold_of = {name: k for k, name in enumerate(tested)}
    numbers = np.array([fold_of.get(name, -1) for name in names.tolist()])
    folds = [(train, test) for train, test in PredefinedSplit(numbers).split()]
    for (train, _), name in zip(folds, tested, strict=True):
        _refuse_single_class(dataset, train, f"{where}: without {attribute} '{name}'")
    return folds


def _refuse_divided_groups(dataset: Dataset, names: NDArray[np.str_], where: str) -> None:
    if dataset.groups is None:
        return
    pairs = np.unique(np.column_stack([dataset.groups.astype(str), names]), axis=0)
    groups, counts = np.unique(pairs[:, 0], return_counts=True)
    if (counts > 1).any():
        first = groups[counts > 1][0]
        values = ", ".join(f"'{value}'" for value in pairs[pairs[:, 0] == first, 1])
        raise UserError(
            f"{where}: {format_count(int((counts > 1).sum()), 'group')} (patient, lesion), such as "
            f"'{first}', have images with several values ({values}), and would be on both sides of "
            "a split; correct the attribute, or leave out these rows"
        )


def _refuse_single_class(dataset: Dataset, train: NDArray[np.int64], where: str) -> None:
    targets = dataset.targets[train]
    present = targets.any(axis=0) if dataset.multilabel else np.bincount(targets) > 0
    if present.sum() < 2:
        raise UserError(f"{where}, the training images are of fewer than two classes")
