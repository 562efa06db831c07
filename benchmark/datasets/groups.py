"""Groups of images, such as patients: found in the names of files, and described."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmark.datasets.base import SUBSETS, Dataset
from benchmark.errors import UserError
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import escape_controls, normalize_unicode, short_repr


def compile_group_pattern(where: str, pattern: str) -> re.Pattern[str]:
    """Compile a regular expression with one pair of capturing parentheses.

    Raises
    ------
    UserError
        It is not such an expression.
    """
    if not isinstance(pattern, str):
        raise UserError(f"{where}: group: {short_repr(pattern)} is not a regular expression")
    try:
        compiled = re.compile(normalize_unicode(pattern))
    except re.error as error:
        raise UserError(
            f"{where}: group: {short_repr(pattern)} is not a regular expression: {error}"
        ) from None
    if compiled.groups != 1:
        raise UserError(
            f"{where}: group: {short_repr(pattern)} has {compiled.groups} pairs of parentheses; "
            r"write one, around what names the patient, as in '(person\d+)_'"
        )
    return compiled


def find_groups(where: str, pattern: re.Pattern[str], names: Sequence[str]) -> list[str]:
    r"""Find the group in every name.

    Raises
    ------
    UserError
        A name does not match, or all images have the same group, or each its own.

    Examples
    --------
    >>> names = ["p1_left.png", "p1_right.png", "p2_left.png"]
    >>> find_groups("dataset", re.compile(r"(p\d+)_"), names)
    ['p1', 'p1', 'p2']
    """
    matches = [pattern.search(normalize_unicode(name)) for name in names]
    groups = [match[1] if match else None for match in matches]
    unmatched = [name for name, group in zip(names, groups, strict=True) if not group]
    if unmatched:
        raise UserError(
            f"{where}: group: {short_repr(pattern.pattern)} finds no patient in {len(unmatched)} "
            f"of {len(names)} file names, such as '{escape_controls(unmatched[0])}'"
        )
    found = [str(group) for group in groups]
    n_groups = len(set(found))
    if n_groups == 1 or n_groups == len(found) > 1:
        what = "the same patient" if n_groups == 1 else "a patient of its own"
        raise UserError(
            f"{where}: group: {short_repr(pattern.pattern)} finds {what} in all {len(found)} file "
            f"names, such as '{escape_controls(found[0])}' in '{escape_controls(names[0])}'; write "
            "an expression that finds what images of one patient share"
        )
    return found


def describe_groups(dataset: Dataset, by_subset: bool) -> Note | None:
    """Note how many groups there are, in all or in each subset, and what they were made of.

    Examples
    --------
    >>> images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([0, 1, 1])
    >>> groups = np.array(["p1", "p1", "p2"])
    >>> dataset = Dataset("demo", images, targets, ("cat", "dog"), groups=groups)
    >>> print(describe_groups(dataset, False))
    groups: 2 in 3 images
    """
    if dataset.groups is None:
        return None
    source = f", made of {dataset.group_source}" if dataset.group_source else ""
    where = f" in {len(dataset.groups):,} images"
    if by_subset and dataset.subset is not None:
        counts = {
            subset: len(np.unique(dataset.groups[dataset.subset == subset])) for subset in SUBSETS
        }
        where = " (" + ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) + ")"
    n_groups = len(np.unique(dataset.groups))
    return Note(f"groups: {n_groups:,}{where}{source}", NoteKind.GROUPS)


def with_group_prefix(dataset: Dataset, prefix: str) -> Dataset:
    """Put a text before the name of every group, as two hospitals may use the same numbers.

    Raises
    ------
    UserError
        The dataset has no groups, or the prefix is no text.

    Examples
    --------
    >>> images, targets = np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 1])
    >>> dataset = Dataset("demo", images, targets, ("a", "b"), groups=np.array(["1", "2"]))
    >>> with_group_prefix(dataset, "B-").groups.tolist()
    ['B-1', 'B-2']
    """
    where = f"dataset '{dataset.name}': group_prefix"
    if not isinstance(prefix, str) or not prefix:
        raise UserError(f"{where}: {short_repr(prefix)} is no text")
    if dataset.groups is None:
        raise UserError(f"{where}: the images have no groups")
    return replace(dataset, groups=np.char.add(prefix, dataset.groups.astype(np.str_)))
