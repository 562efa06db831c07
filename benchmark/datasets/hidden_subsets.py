"""Refuse folders that are parts of a split, folds or sites, and would be taken for classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmark.datasets.subsets import guess_subset_name, parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.text import normalize_unicode

_CSV = "if they are classes, list the images in a CSV with the columns image and label"
_RENAME = "if they are the parts of a split, call them train, val and test, with the same class folders in each"


@dataclass(frozen=True)
class _Folder:
    """A class folder: the names of its sub-folders that hold images, at any depth."""

    name: str
    own: frozenset[str]  # right inside it
    last: frozenset[str]  # with images right inside them
    every: frozenset[str]


def refuse_hidden_subsets(name: str, folders: Sequence[tuple[Path, Sequence[Path]]]) -> None:
    """Refuse class folders of one level that may be something else.

    Parameters
    ----------
    name : str
        Of the data set, for the message.
    folders : sequence of (Path, sequence of Path)
        Each class folder, and the images below it.

    Raises
    ------
    UserError
        Parts of a split lie inside classes; two folders hold the same sub-folders; one holds those
        that stand beside it; folders have the names of parts, and either sub-folders of images or
        one another.
    """
    tops = [_collect_subfolders(folder, images) for folder, images in folders]
    _refuse_subsets_inside(name, tops)
    _refuse_shared_subfolders(name, tops)
    _refuse_nested_copy(name, tops)
    _refuse_subset_names(name, tops)


def _collect_subfolders(folder: Path, images: Sequence[Path]) -> _Folder:
    steps = [path.relative_to(folder).parts for path in {image.parent for image in images}]
    spelled = [[normalize_unicode(step).casefold() for step in parts] for parts in steps if parts]
    own, last = ({parts[i] for parts in spelled} for i in (0, -1))
    every = {step for parts in spelled for step in parts}
    return _Folder(folder.name, frozenset(own), frozenset(last), frozenset(every))


def _refuse_subsets_inside(name: str, tops: Sequence[_Folder]) -> None:
    classes = [top for top in tops if not guess_subset_name(top.name)]
    inside = {
        step: part for top in classes for step in top.every if (part := guess_subset_name(step))
    }
    only = [top for top in classes if top.own and all(parse_subset_name(step) for step in top.own)]
    if not only and len(set(inside.values())) < 2:
        return
    holder = only[0] if only else next(top for top in classes if inside.keys() & top.every)
    raise UserError(
        f"dataset '{name}': '{holder.name}' holds the sub-folders "
        f"{_format_names(sorted(holder.every & inside.keys()))}, which "
        "read like parts of a split; put the parts above the classes, as in PATH/train/CLASS/, or "
        "list "
        "the images in a CSV with the columns image, label and split"
    )


def _refuse_shared_subfolders(name: str, tops: Sequence[_Folder]) -> None:
    shared = (max(a.own & b.own, a.last & b.last, key=len) for a, b in combinations(tops, 2))
    pair = next((names for names in shared if len(names) > 1), None)
    if pair is None:
        return
    sharing = _format_names([top.name for top in tops if pair <= top.own or pair <= top.last])
    raise UserError(
        f"dataset '{name}': {sharing} all hold the sub-folders {_format_names(sorted(pair))}, so they "
        "may not be the "
        f"classes; {_RENAME}{_advise_moving_folders(tops)}; {_CSV}"
    )


def _refuse_nested_copy(name: str, tops: Sequence[_Folder]) -> None:
    names = {normalize_unicode(top.name).casefold() for top in tops}
    for top in tops:
        if len(again := top.own & names) > 1:
            raise UserError(
                f"dataset '{name}': '{top.name}' holds {_format_names(sorted(again))}, which stand "
                "beside it too, so it may be the "
                f"data set once more and no class; move it away; {_CSV}"
            )


def _refuse_subset_names(name: str, tops: Sequence[_Folder]) -> None:
    parts = {top.name: part for top in tops if (part := guess_subset_name(top.name))}
    whole = [top for top in tops if len(top.last) > 1 and _is_surely_subset(top.name)]
    if not whole and len(set(parts.values())) < 2:
        return
    held = (
        f" ({whole[0].name} holds the sub-folders {_format_names(sorted(whole[0].last))})"
        if whole
        else ""
    )
    raise UserError(
        f"dataset '{name}': the names {_format_names(list(parts))} are read like those of parts of a "
        f"split{held}, "
        f"so they may not be the classes; {_RENAME}{_advise_moving_folders(tops)}; {_CSV}"
    )


def _is_surely_subset(name: str) -> bool:
    return parse_subset_name(name) is not None or guess_subset_name(name) == "train"


def _advise_moving_folders(tops: Sequence[_Folder]) -> str:
    """Advise on folders without classes beside others that have some."""
    flat = [top.name for top in tops if not top.own]
    if not flat or len(flat) == len(tops):
        return ""
    return f", and move {_format_names(flat)} away, where no class folders are"


def _format_names(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
