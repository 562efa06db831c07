"""External datasets, such as those of other hospitals, which a trained model is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import NO_GROUP, Dataset, describe_dataset
from benchmark.datasets.duplicates import image_digests
from benchmark.datasets.image_array import allocate_images, iterate_chunks
from benchmark.datasets.matching import match_images, match_targets, refuse_shared_groups
from benchmark.errors import UserError
from benchmark.utils.notes import Note, NoteKind, leak_note
from benchmark.utils.text import format_count, join_names


def add_external(dataset: Dataset, external: Sequence[Dataset]) -> Dataset:
    """Add the images of external datasets behind those of a dataset.

    Parameters
    ----------
    dataset : Dataset
    external : sequence of Dataset
        Each with a name of its own. Their official splits are ignored: all images are predicted.

    Returns
    -------
    Dataset
        Its attribute ``external`` names the dataset of each image, and ``own`` is the dataset as it
        was given. The external images have its classes, its channels and its attributes; one that
        an external dataset lacks, or has as text instead of numbers, is missing there.

    Raises
    ------
    UserError
        A class is unknown to the dataset; the positive class, or the sizes of the images differ;
        most images are those of the dataset; or a group (patient, lesion) is in two of the
        datasets.

    Examples
    --------
    >>> images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([0, 1, 1])
    >>> here = Dataset("here", images, targets, ("cat", "dog"))
    >>> there = Dataset("there", images + 9, targets, ("dog", "cat"))
    >>> both = add_external(here, [there])
    >>> both.targets.tolist(), both.external.tolist()
    ([0, 1, 1, 1, 0, 0], ['', '', '', 'there', 'there', 'there'])
    """
    aligned = [_align(dataset, other) for other in external]
    _check_groups(dataset, aligned)
    every = [dataset, *aligned]
    names = [np.full(len(each.targets), each.name) for each in aligned]
    ids = [np.char.add(f"{each.name}: ", each.image_ids.astype(str)) for each in aligned]
    unknown = [np.full(len(each.targets), "") for each in aligned]
    return replace(
        dataset,
        images=_join_images([each.images for each in every]),
        targets=np.concatenate([each.targets for each in every]),
        groups=_join_groups(every),
        subset=None if dataset.subset is None else np.concatenate([dataset.subset, *unknown]),
        ids=np.concatenate([dataset.image_ids, *ids]),
        attributes={
            name: np.concatenate([each.attributes[name] for each in every])
            for name in dataset.attributes
        },
        paths=None,
        external=np.concatenate([np.full(len(dataset.targets), ""), *names]),
        notes=(*dataset.notes, *_list_notes(dataset, aligned)),
    )


def describe_with_external(dataset: Dataset) -> list[str]:
    """Describe a dataset in one line, and each of its external datasets in another.

    Examples
    --------
    >>> images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([0, 1, 1])
    >>> here = Dataset("here", images, targets, ("cat", "dog"))
    >>> there = Dataset("there", images + 9, targets, ("cat", "dog"))
    >>> for line in describe_with_external(add_external(here, [there])):
    ...     print(line)
    here: 3 images 8x8x1, binary, 2 classes
    external dataset there: 3 images (cat: 1, dog: 2)
    """
    lines = [describe_dataset(dataset.own)]
    if dataset.external is None:
        return lines
    for name in dict.fromkeys(dataset.external[dataset.external != ""].tolist()):
        members = dataset.external == name
        counts = _count_classes(dataset, members)
        classes = [f"{label}: {n:,}" for label, n in zip(dataset.classes, counts, strict=True)]
        images = format_count(int(members.sum()), "image")
        lines.append(f"external dataset {name}: {images} ({join_names(classes)})")
    return lines


def _count_classes(dataset: Dataset, members: NDArray[np.bool_]) -> list[int]:
    targets = dataset.targets[members]
    if dataset.multilabel:
        return [int(n) for n in targets.sum(axis=0)]
    return [int(n) for n in np.bincount(targets, minlength=len(dataset.classes))]


def _align(dataset: Dataset, other: Dataset) -> Dataset:
    """Give an external dataset the classes, channels and attributes of the dataset."""
    trained = f"'{dataset.name}'"
    if None not in (dataset.positive, other.positive) and dataset.positive != other.positive:
        raise UserError(
            f"dataset '{other.name}': its positive class is '{other.positive}', and that of "
            f"{trained} is '{dataset.positive}'"
        )
    return replace(
        other,
        images=match_images(
            other,
            dataset.images.shape[1:],
            trained,
            ": set the key size of the study, such as size: 64",
        ),
        targets=match_targets(other, dataset.classes, dataset.multilabel, trained),
        classes=dataset.classes,
        positive=dataset.positive,
        attributes={
            name: _match_attribute(other, name, values)
            for name, values in dataset.attributes.items()
        },
    )


def _check_groups(dataset: Dataset, external: Sequence[Dataset]) -> None:
    for k, other in enumerate(external):
        for earlier in (dataset, *external[:k]):
            if other.groups is not None and earlier.groups is not None:
                shared = {str(name) for name in other.groups} & {
                    str(name) for name in earlier.groups
                }
                refuse_shared_groups(other, sorted(shared), f"in '{earlier.name}'")


def _match_attribute(other: Dataset, name: str, values: NDArray) -> NDArray:
    """Values of an attribute of an external dataset; missing if they are of another type."""
    given = other.attributes.get(name)
    if given is not None and (given.dtype.kind == "f") == (values.dtype.kind == "f"):
        return given
    return np.full(len(other.targets), np.nan if values.dtype.kind == "f" else "")


def _join_images(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    joined = allocate_images((sum(map(len, parts)), *parts[0].shape[1:]))
    start = 0
    for images in parts:
        for chunk in iterate_chunks(images):
            joined[start + chunk.start : start + chunk.stop] = images[chunk]
        start += len(images)
    return joined


def _join_groups(parts: Sequence[Dataset]) -> NDArray | None:
    if all(part.groups is None for part in parts):
        return None
    return np.concatenate(
        [
            np.full(len(part.targets), NO_GROUP) if part.groups is None else part.groups.astype(str)
            for part in parts
        ]
    )


def _list_notes(dataset: Dataset, external: Sequence[Dataset]) -> list[Note]:
    """Notes of external datasets, except leaks between their own subsets, and on shared images."""
    known = image_digests(dataset.images)
    notes = []
    for other in external:
        name = f"external dataset '{other.name}'"
        copies = int(np.isin(image_digests(other.images), known).sum())
        _refuse_same_images(dataset, other, copies)
        if copies:
            are = "is" if copies == 1 else "are"
            text = f"{copies:,} of the images of {name} {are} also in '{dataset.name}'"
            notes.append(leak_note(f"{text}, pixel for pixel"))
        ungrouped = [f"'{each.name}'" for each in (dataset, other) if each.groups is None]
        if ungrouped:
            lacking = (
                f"{' and '.join(ungrouped)} {'has' if len(ungrouped) == 1 else 'have'} no groups"
            )
            text = f"patients of '{dataset.name}' in {name} would not be noticed: {lacking}"
            notes.append(Note(text, NoteKind.GROUPS))
        counts = _count_classes(other, np.ones(len(other.targets), bool))
        absent = [label for label, n in zip(dataset.classes, counts, strict=True) if not n]
        if absent:
            notes.append(Note(f"{name} has no images of {join_names(absent)}", NoteKind.CLASSES))
        stored = map(Note.from_text, other.notes)
        notes += [note.with_text(f"{name}: {note}") for note in stored if not note.is_leak]
    return notes


def _refuse_same_images(dataset: Dataset, other: Dataset, n_copies: int) -> None:
    """Refuse a dataset most of whose images a model could have been trained on."""
    if n_copies > len(other.targets) / 2:
        raise UserError(
            f"dataset '{other.name}': {n_copies:,} of its {len(other.targets):,} images are also "
            f"in '{dataset.name}', pixel for pixel: it is no external dataset"
        )
