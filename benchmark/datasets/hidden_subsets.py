"""Refuse subset, fold or site folders that would otherwise be taken for classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmark.datasets.subsets import guess_subset_name, parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.text import join_names, normalize_unicode

_CSV = "if they are classes, list the images in a CSV with the columns image and label"
_RENAME = (
    "if they are the subsets of a split, call them train, val and test, with the same class "
    "folders in each"
)


@dataclass(frozen=True)
class _Folder:
    """A class folder and the names of its sub-folders with images, in lower case.

    Parameters
    ----------
    name : str
    direct : frozenset of str
        Sub-folders directly inside it.
    last : frozenset of str
        Sub-folders at any depth with images directly inside them.
    every : frozenset of str
        Sub-folders at any depth.
    """

    name: str
    direct: frozenset[str]
    last: frozenset[str]
    every: frozenset[str]


def refuse_hidden_subsets(name: str, folders: Sequence[tuple[Path, Sequence[Path]]]) -> None:
    """Refuse class folders of one level that may be something else.

    Parameters
    ----------
    name : str
        Name of the dataset, for the message.
    folders : sequence of (Path, sequence of Path)
        Each class folder with the images below it.

    Raises
    ------
    UserError
        Subset folders lie inside class folders; two folders hold the same sub-folders; one folder
        holds sub-folders with the names of its siblings; or a folder is named like a subset and
        either has sub-folders of images or stands beside the folder of another subset.
    """
    tops = [_collect_subfolders(folder, images) for folder, images in folders]
    _refuse_subsets_inside(name, tops)
    _refuse_shared_subfolders(name, tops)
    _refuse_nested_copy(name, tops)
    _refuse_subset_names(name, tops)


def _collect_subfolders(folder: Path, images: Sequence[Path]) -> _Folder:
    paths = [path.relative_to(folder).parts for path in {image.parent for image in images}]
    folders = [[normalize_unicode(name).casefold() for name in path] for path in paths if path]
    direct, last = ({names[i] for names in folders} for i in (0, -1))
    every = {name for names in folders for name in names}
    return _Folder(folder.name, frozenset(direct), frozenset(last), frozenset(every))


def _refuse_subsets_inside(name: str, tops: Sequence[_Folder]) -> None:
    classes = [top for top in tops if not guess_subset_name(top.name)]
    inside = {
        step: subset for top in classes for step in top.every if (subset := guess_subset_name(step))
    }
    only = [
        top for top in classes if top.direct and all(parse_subset_name(step) for step in top.direct)
    ]
    if not only and len(set(inside.values())) < 2:
        return
    holder = only[0] if only else next(top for top in classes if inside.keys() & top.every)
    raise UserError(
        f"dataset '{name}': '{holder.name}' holds the sub-folders "
        f"{join_names(sorted(holder.every & inside.keys()))}, which are named like the subsets "
        "of a split; put the subsets above the classes, as in PATH/train/CLASS/, or list the "
        "images in a CSV with the columns image, label and split"
    )


def _refuse_shared_subfolders(name: str, tops: Sequence[_Folder]) -> None:
    shared = (max(a.direct & b.direct, a.last & b.last, key=len) for a, b in combinations(tops, 2))
    pair = next((names for names in shared if len(names) > 1), None)
    if pair is None:
        return
    sharing = join_names([top.name for top in tops if pair <= top.direct or pair <= top.last])
    raise UserError(
        f"dataset '{name}': {sharing} all hold the sub-folders {join_names(sorted(pair))}, so "
        f"they may not be the classes; {_RENAME}{_advise_moving_folders(tops)}; {_CSV}"
    )


def _refuse_nested_copy(name: str, tops: Sequence[_Folder]) -> None:
    names = {normalize_unicode(top.name).casefold() for top in tops}
    for top in tops:
        if len(shared := top.direct & names) > 1:
            raise UserError(
                f"dataset '{name}': '{top.name}' holds {join_names(sorted(shared))}, which are "
                "beside it too, so it may be a copy of the dataset and not a class; move it away; "
                f"{_CSV}"
            )


def _refuse_subset_names(name: str, tops: Sequence[_Folder]) -> None:
    guesses = {top.name: subset for top in tops if (subset := guess_subset_name(top.name))}
    whole = [top for top in tops if len(top.last) > 1 and _is_surely_subset(top.name)]
    if not whole and len(set(guesses.values())) < 2:
        return
    content = (
        f" ({whole[0].name} holds the sub-folders {join_names(sorted(whole[0].last))})"
        if whole
        else ""
    )
    raise UserError(
        f"dataset '{name}': {join_names(list(guesses))} are named like the subsets of a "
        f"split{content}, so they may not be the classes; "
        f"{_RENAME}{_advise_moving_folders(tops)}; {_CSV}"
    )


def _is_surely_subset(name: str) -> bool:
    return parse_subset_name(name) is not None or guess_subset_name(name) == "train"


def _advise_moving_folders(tops: Sequence[_Folder]) -> str:
    """Advise to move folders without class folders, if others have some."""
    flat = [top.name for top in tops if not top.direct]
    if not flat or len(flat) == len(tops):
        return ""
    return f", and move {join_names(flat)} away, as no class folders are inside"
