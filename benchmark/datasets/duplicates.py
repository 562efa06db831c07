"""Find leaks from training to test set: copies of images, and groups in several subsets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.groups import describe_groups
from benchmark.datasets.image_array import iterate_chunks
from benchmark.datasets.near_duplicates import CRITERION, find_near_duplicates
from benchmark.errors import UserError
from benchmark.utils.notes import Note, NoteKind, leak_note
from benchmark.utils.text import escape_controls, format_count

_SHOWN = 3

Pairs = list[tuple[int, int]]
NameOf = Callable[[int], str]  # name of an image by its index


def check_duplicates(dataset: Dataset, drop: bool = False) -> Dataset:
    """Add notes on copies and shared groups to a dataset; drop exact copies if asked to.

    Parameters
    ----------
    dataset : Dataset
    drop : bool
        Whether to drop exact copies; see `drop_copies`.

    Returns
    -------
    Dataset

    See Also
    --------
    drop_copies : Drop exact copies.

    Examples
    --------
    >>> images = np.zeros((3, 8, 8, 1), np.uint8)
    >>> images[0] = np.arange(64).reshape(8, 8, 1)
    >>> dataset = Dataset("demo", images, np.array([0, 1, 1]), ("cat", "dog"))
    >>> print(*check_duplicates(dataset, drop=True).notes)
    drop_duplicates: 1 of 3 images left out, one of each set of exact copies kept
    """
    if drop:
        dataset = drop_copies(dataset)
    dataset = replace(dataset, loader_notes=dataset.notes)
    digests = image_digests(dataset.images)
    describe = cache(partial(_split_notes, dataset, digests, partial(_name_image, dataset.ids)))
    if dataset.subset is None:
        return replace(dataset, notes=(*dataset.notes, *describe("stratified_kfold")))
    return replace(dataset, notes=(*dataset.notes, *describe("official")), split_notes=describe)


def _name_image(ids: NDArray[np.str_] | None, index: int) -> str:
    return f"image {index}" if ids is None else escape_controls(str(ids[index]))


def _split_notes(
    dataset: Dataset, digests: NDArray[np.uint64], name_of: NameOf, split: str
) -> tuple[str, ...]:
    """Return the notes on copies and shared groups for the split with this name."""
    tested = {"official": "test", "validation": "val"}.get(split)
    if tested is None:
        notes = [
            _describe_fold_copies(dataset, digests, name_of),
            _describe_fold_near_duplicates(dataset, digests, name_of),
        ]
    else:
        notes = [
            _describe_subset_copies(dataset, digests, name_of, tested),
            _describe_subset_near_duplicates(dataset, digests, name_of, tested),
        ]
    if split == "official":
        notes.insert(0, _describe_shared_groups(dataset))
    notes.append(describe_groups(dataset, by_subset=tested is not None))
    return tuple(note for note in notes if note)


def image_digests(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return one digest per image; images with the same pixels have the same digest.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array

    Returns
    -------
    (n,) uint64 array
    """
    digests = bytearray()
    for chunk in iterate_chunks(images):
        for image in np.ascontiguousarray(images[chunk]):
            digests += hashlib.blake2b(image.data, digest_size=8).digest()
    return np.frombuffer(bytes(digests), dtype=np.uint64)


def drop_copies(dataset: Dataset) -> Dataset:
    """Keep one of each set of images that have equal pixels after resizing to a common size.

    If copies are in several subsets, the one in the test set is kept, else the one in the
    validation set: the test set stays as published, and the training set loses the copy. If copies
    have different labels, the right label is unknown, and none is kept.

    Returns
    -------
    Dataset
        The remaining images, with a note on what was dropped.

    Raises
    ------
    UserError
        A class or a subset has no image left.

    See Also
    --------
    check_duplicates : Add notes on copies and shared groups.
    """
    order = np.arange(len(dataset.images))
    if dataset.subset is not None:
        rank = {"test": 0, "val": 1, "train": 2}
        order = np.argsort([rank[name] for name in dataset.subset], kind="stable")
    _, first, inverse = np.unique(
        image_digests(dataset.images)[order], return_index=True, return_inverse=True
    )
    members = np.empty(len(order), np.int64)
    members[order] = inverse
    conflicting = _find_label_conflicts(dataset.targets, members)
    kept = np.sort(
        np.array([order[i] for i in first if not conflicting[members[order[i]]]], np.int64)
    )
    n_dropped = len(order) - len(kept)
    if not n_dropped:
        return replace(
            dataset, notes=(*dataset.notes, "drop_duplicates: there are no exact copies")
        )
    n_conflicting = int(conflicting[members].sum())
    note = (
        f"drop_duplicates: {n_dropped} of {len(order)} images left out, one of each set of exact "
        "copies kept"
    )
    if n_conflicting:
        note += f", none if their labels differ ({format_count(n_conflicting, 'image')})"
    _refuse_emptied_classes(dataset, kept)
    return replace(dataset.select(kept), notes=(*dataset.notes, note))


def _find_label_conflicts(
    targets: NDArray[np.int64], members: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Find the sets of copies with different labels.

    Parameters
    ----------
    targets : (n,) or (n, n_classes) int64 array
    members : (n,) int64 array
        The set that each image is in.

    Returns
    -------
    (n_sets,) bool array
    """
    labels = targets.reshape(len(targets), -1)
    _, label = np.unique(labels, axis=0, return_inverse=True)
    pairs = np.unique(np.stack([members, label.ravel()], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=members.max(initial=-1) + 1) > 1


def _refuse_emptied_classes(dataset: Dataset, kept: NDArray[np.int64]) -> None:
    targets = dataset.targets[kept]
    counts = (
        targets.sum(axis=0)
        if dataset.multilabel
        else np.bincount(targets, minlength=len(dataset.classes))
    )
    lost = [name for name, count in zip(dataset.classes, counts.tolist(), strict=True) if not count]
    if dataset.subset is not None:
        empty = sorted({*dataset.subset} - {*dataset.subset[kept]})
        lost += [f"the subset {name}" for name in empty]
    if lost:
        raise UserError(
            f"dataset '{dataset.name}': drop_duplicates leaves no image of {', '.join(lost)}; "
            "remove the copies by hand"
        )


def _describe_shared_groups(dataset: Dataset) -> str | None:
    if dataset.groups is None or dataset.subset is None:
        return None
    train, test = (dataset.groups[dataset.subset == name] for name in ("train", "test"))
    n_test = int(np.isin(test, train).sum())
    unique, group = np.unique(dataset.groups, return_inverse=True)
    subset = np.unique(dataset.subset, return_inverse=True)[1]
    pairs = np.unique(np.stack([group, subset], axis=1), axis=0)
    n_shared = int((np.bincount(pairs[:, 0]) > 1).sum())
    if not n_shared:
        return None
    return leak_note(
        f"{n_shared:,} of {len(unique):,} groups are in more than one subset of the official "
        f"split: the groups of {n_test:,} of {len(test):,} test images are also in the training "
        "set; stratified_kfold keeps groups together"
    )


def _describe_subset_copies(
    dataset: Dataset, digests: NDArray[np.uint64], name_of: NameOf, tested: str
) -> str | None:
    test, train = (np.flatnonzero(dataset.subset == name) for name in (tested, "train"))
    pairs = _find_copies(digests, test, train)
    n_repeated = len(digests) - len(np.unique(digests))
    if not n_repeated:
        return None
    remedy = _describe_remedy(dataset, digests)
    overall = (
        f"{n_repeated:,} of all {len(digests):,} images {_repeats_or_repeat(n_repeated)} another"
    )
    if not pairs:
        return (
            f"{overall} pixel for pixel{_format_copy_examples(digests, name_of)}, none of them "
            f"across training and test set; {remedy}"
        )
    return _leak_of_copies(
        f"{len(pairs):,} of {len(test):,} test images {_is_or_are(len(pairs))} also in the "
        f"training set (equal pixel for pixel: {_format_pairs(pairs, name_of, '=')})"
        f"{_describe_other_labels(dataset, pairs)}; {overall}; {remedy}"
    )


def _describe_fold_copies(
    dataset: Dataset, digests: NDArray[np.uint64], name_of: NameOf
) -> str | None:
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    pairs = [(int(first[k]), i) for i, k in enumerate(inverse) if first[k] != i]
    if not pairs:
        return None
    copies = (
        f"{len(pairs):,} of {len(digests):,} images {_repeats_or_repeat(len(pairs))} another "
        f"pixel for pixel ({_format_pairs(pairs, name_of, '=')})"
        f"{_describe_other_labels(dataset, pairs)}"
    )
    groups, remedy = dataset.groups, _describe_remedy(dataset, digests)
    if groups is None:
        return _leak_of_copies(
            f"{copies}, so a fold may train on one and test on the other; {remedy}"
        )
    n_apart = sum(groups[i] != groups[j] for i, j in pairs)
    if not n_apart:
        return f"{copies}, always one of the same group; {remedy}"
    return _leak_of_copies(
        f"{copies}, {n_apart:,} of them one of another group, so a fold may train on one and "
        f"test on the other; {remedy}"
    )


def _describe_subset_near_duplicates(
    dataset: Dataset, digests: NDArray[np.uint64], name_of: NameOf, tested: str
) -> str | None:
    train, test = (np.flatnonzero(dataset.subset == name) for name in ("train", tested))
    without_copies = test[~np.isin(digests[test], digests[train])]
    pairs = find_near_duplicates(
        dataset.images, without_copies, _find_distinct_images(digests, train), None
    )
    if not pairs:
        return None
    return _leak_of_copies(
        f"{len(pairs):,} of {len(test):,} test images {_looks_or_look(len(pairs))} almost like a "
        f"training image, exact copies not counted ({_format_pairs(pairs, name_of, '~')}): "
        f"{CRITERION}"
    )


def _describe_fold_near_duplicates(
    dataset: Dataset, digests: NDArray[np.uint64], name_of: NameOf
) -> str | None:
    distinct = _find_distinct_images(digests, np.arange(len(digests)))
    pairs = find_near_duplicates(dataset.images, distinct, distinct, dataset.groups)
    if not pairs:
        return None
    of_group = "" if dataset.groups is None else " of another group"
    return _leak_of_copies(
        f"{len(pairs):,} images {_looks_or_look(len(pairs))} almost like another{of_group}, exact "
        f"copies not counted ({_format_pairs(pairs, name_of, '~')}): {CRITERION}"
    )


def _leak_of_copies(text: str) -> Note:
    return leak_note(text, NoteKind.LEAKED_COPIES)


def _is_or_are(n: int) -> str:
    return "is" if n == 1 else "are"


def _repeats_or_repeat(n: int) -> str:
    return "repeats" if n == 1 else "repeat"


def _looks_or_look(n: int) -> str:
    return "looks" if n == 1 else "look"


def _find_distinct_images(
    digests: NDArray[np.uint64], indices: NDArray[np.int64]
) -> NDArray[np.int64]:
    return np.sort(indices[np.unique(digests[indices], return_index=True)[1]])


def _find_copies(
    digests: NDArray[np.uint64], these: NDArray[np.int64], among: NDArray[np.int64]
) -> Pairs:
    """Return the images in `these` that have a copy in `among`, each with its first copy."""
    first = {
        digest: int(i) for digest, i in zip(digests[among[::-1]].tolist(), among[::-1], strict=True)
    }
    return [
        (int(i), first[digest])
        for i, digest in zip(these, digests[these].tolist(), strict=True)
        if digest in first
    ]


def _describe_remedy(dataset: Dataset, digests: NDArray[np.uint64]) -> str:
    """Describe what drop_duplicates would do."""
    conflicting = _find_label_conflicts(dataset.targets, np.unique(digests, return_inverse=True)[1])
    return "drop_duplicates=True keeps one of each" + (
        ", and none if their labels differ" if conflicting.any() else ""
    )


def _describe_other_labels(dataset: Dataset, pairs: Pairs) -> str:
    n = sum(bool((dataset.targets[i] != dataset.targets[j]).any()) for i, j in pairs)
    return f", {n:,} of them with a different label" if n else ""


def _format_copy_examples(digests: NDArray[np.uint64], name_of: NameOf) -> str:
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    pairs = [(int(first[k]), i) for i, k in enumerate(inverse) if first[k] != i]
    return f" ({_format_pairs(pairs, name_of, '=')})"


def _format_pairs(pairs: Pairs, name_of: NameOf, sign: str) -> str:
    return ", ".join(
        [f"{name_of(i)} {sign} {name_of(j)}" for i, j in pairs[:_SHOWN]]
        + ["..."] * (len(pairs) > _SHOWN)
    )
