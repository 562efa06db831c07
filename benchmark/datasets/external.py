"""External datasets, such as those of other hospitals, which a trained model is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.attributes import Attributes
from benchmark.datasets.base import NO_GROUP, Dataset, describe_dataset
from benchmark.datasets.duplicates import image_digests
from benchmark.datasets.image_array import allocate_images, iterate_chunks
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
        an external dataset lacks is missing there.

    Raises
    ------
    UserError
        The classes, the positive class, or the sizes of the images differ; an attribute is a number
        here and text there; or a group (patient, lesion) is in two of the datasets.

    Examples
    --------
    >>> images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([0, 1, 1])
    >>> here = Dataset("here", images, targets, ("cat", "dog"))
    >>> there = Dataset("there", images, targets, ("dog", "cat"))
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
        external=np.concatenate([np.full(len(dataset.targets), ""), *names]),
        notes=(*dataset.notes, *_list_notes(dataset, aligned)),
    )


def describe_with_external(dataset: Dataset) -> list[str]:
    """Describe a dataset in one line, and each of its external datasets in another.

    Examples
    --------
    >>> images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([0, 1, 1])
    >>> here = Dataset("here", images, targets, ("cat", "dog"))
    >>> there = Dataset("there", images, targets, ("cat", "dog"))
    >>> for line in describe_with_external(add_external(here, [there])):
    ...     print(line)
    here: 3 images 8x8x1, binary, 2 classes
    external: there: 3 images, 1 cat, 2 dog
    """
    lines = [describe_dataset(dataset.own)]
    names = () if dataset.external is None else dataset.external
    for name in dict.fromkeys(str(name) for name in names if name):
        targets = dataset.targets[names == name]
        counts = (
            targets.sum(axis=0)
            if dataset.multilabel
            else np.bincount(targets, minlength=len(dataset.classes))
        )
        classes = (f"{n:,} {label}" for n, label in zip(counts, dataset.classes, strict=True))
        images = format_count(len(targets), "image")
        lines.append(f"external: {name}: {', '.join([images, *classes])}")
    return lines


def _align(dataset: Dataset, other: Dataset) -> Dataset:
    """Give an external dataset the classes, channels and attributes of the dataset."""
    order = match_classes(other, dataset.classes, dataset.multilabel, f"'{dataset.name}'")
    if None not in (dataset.positive, other.positive) and dataset.positive != other.positive:
        raise UserError(
            f"dataset '{other.name}': its positive class is '{other.positive}', and that of "
            f"'{dataset.name}' is '{dataset.positive}'"
        )
    return replace(
        other,
        images=match_images(
            other,
            dataset.images.shape[1:],
            f"'{dataset.name}'",
            ": set the key size of the study, such as size: 64",
        ),
        targets=other.targets[:, np.argsort(order)] if other.multilabel else order[other.targets],
        classes=dataset.classes,
        positive=dataset.positive,
        attributes=_match_attributes(dataset, other),
    )


def match_classes(
    dataset: Dataset, classes: tuple[str, ...], multilabel: bool, trained: str
) -> NDArray[np.int64]:
    """Find the classes of a dataset among those that a model was trained on.

    Parameters
    ----------
    dataset : Dataset
    classes : tuple of str
        Classes of the model.
    multilabel : bool
        Whether the model was trained on images with several labels.
    trained : str
        Words for what the model was trained on, such as "'hospital_a'" or "the pipeline".

    Returns
    -------
    (n_classes,) int64
        Index among ``classes`` of each class of the dataset.

    Raises
    ------
    UserError
        The classes have other names, or only one side is multi-label.
    """
    lacking = [name for name in classes if name not in dataset.classes]
    unknown = [name for name in dataset.classes if name not in classes]
    if lacking or unknown:
        parts = [f"'{name}' is unknown to {trained}" for name in unknown]
        parts += [f"'{name}' has no images" for name in lacking]
        raise UserError(
            f"dataset '{dataset.name}' and {trained} have different classes: {', '.join(parts)}; "
            "give the classes the same names"
        )
    if dataset.multilabel != multilabel:
        raise UserError(f"dataset '{dataset.name}': only one of it and {trained} is multi-label")
    return np.array([classes.index(name) for name in dataset.classes])


def match_images(
    dataset: Dataset, shape: tuple[int, ...], trained: str, remedy: str = ""
) -> NDArray[np.uint8]:
    """Return the images of a dataset with the channels that a model was trained on.

    Parameters
    ----------
    dataset : Dataset
    shape : (height, width, channels)
        Of the images that the model was trained on.
    trained : str
        As for ``match_classes``.
    remedy : str
        What to do about another size.

    Raises
    ------
    UserError
        The images have another size, or they are coloured and the model knows gray ones.
    """
    height, width, channels = shape
    given = dataset.images.shape[1:]
    if given[:2] != (height, width):
        raise UserError(
            f"dataset '{dataset.name}': its images are {given[0]}x{given[1]}, and those of "
            f"{trained} {height}x{width}{remedy}"
        )
    if given[2] == channels:
        return dataset.images
    if channels == 1:
        raise UserError(
            f"dataset '{dataset.name}': its images are coloured, and those of {trained} gray"
        )
    return np.broadcast_to(dataset.images, (*dataset.images.shape[:3], channels))


def find_shared_groups(groups: NDArray | None, others: NDArray | None) -> list[str]:
    """Names of groups that are in both arrays, sorted; empty where there are no groups."""
    if groups is None or others is None:
        return []
    return sorted({str(name) for name in groups} & {str(name) for name in others})


def refuse_shared_groups(dataset: Dataset, shared: Sequence[str], where: str) -> None:
    """Refuse groups that a model was, or could have been, trained on.

    Parameters
    ----------
    dataset : Dataset
    shared : sequence of str
        Names of these groups.
    where : str
        Where else they are, such as "in 'hospital_a'".

    Raises
    ------
    UserError
        There are such groups.
    """
    if not shared:
        return
    assert dataset.groups is not None
    n_groups = len({str(group) for group in dataset.groups})
    verb = "is" if len(shared) == 1 else "are"
    raise UserError(
        f"dataset '{dataset.name}': {len(shared)} of its {format_count(n_groups, 'group')} "
        f"{verb} also {where} ({join_names(shared)}); leave them out, or rename them if they are "
        "other patients"
    )


def _check_groups(dataset: Dataset, external: Sequence[Dataset]) -> None:
    for k, other in enumerate(external):
        for earlier in (dataset, *external[:k]):
            shared = find_shared_groups(other.groups, earlier.groups)
            refuse_shared_groups(other, shared, f"in '{earlier.name}'")


def _match_attributes(dataset: Dataset, other: Dataset) -> Attributes:
    n = len(other.targets)
    matched = {}
    for name, values in dataset.attributes.items():
        numeric = values.dtype.kind == "f"
        missing = np.full(n, np.nan) if numeric else np.full(n, "")
        found = other.attributes.get(name, missing)
        if (found.dtype.kind == "f") != numeric:
            kinds = ("text", "numbers") if numeric else ("numbers", "text")
            raise UserError(
                f"dataset '{other.name}': attribute '{name}' is {kinds[0]}, and {kinds[1]} in "
                f"'{dataset.name}'"
            )
        matched[name] = found
    return matched


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
    notes = []
    known = image_digests(dataset.images)
    for other in external:
        if n := int(np.isin(image_digests(other.images), known).sum()):
            images = f"{n:,} of the images of '{other.name}' {'is' if n == 1 else 'are'}"
            notes.append(leak_note(f"{images} also in '{dataset.name}', pixel for pixel"))
        ungrouped = [f"'{each.name}'" for each in (dataset, other) if each.groups is None]
        if ungrouped:
            verb = "has" if len(ungrouped) == 1 else "have"
            text = f"patients of '{dataset.name}' in '{other.name}' would not be noticed"
            lacking = f"{' and '.join(ungrouped)} {verb} no groups"
            notes.append(Note(f"{text}: {lacking}", NoteKind.GROUPS))
        stored = map(Note.from_text, other.notes)
        notes += [
            note.with_text(f"{other.name}: {note}") for note in stored if note.kind != NoteKind.LEAK
        ]
    return notes
