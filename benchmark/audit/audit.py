"""Audit a dataset: copies, contradicting labels, blank images, shortcuts, doubtful labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmark.audit.facts import collect_facts
from benchmark.audit.frequent_classes import select_frequent_classes
from benchmark.audit.labels import find_label_errors
from benchmark.audit.shortcuts import STRONG, Probe, explain_no_probes, probe_facts
from benchmark.audit.similar_images import ORIENTATIONS, Neighbours, find_neighbours
from benchmark.datasets.base import Dataset
from benchmark.datasets.duplicates import image_digests
from benchmark.datasets.image_array import iterate_chunks
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import format_count

BLANK = 2.0  # standard deviation, in gray levels
SATURATED = 0.5  # share of white pixels
Pair = tuple[int, int]


@dataclass(frozen=True)
class Finding:
    """One thing that a person should look at.

    Parameters
    ----------
    kind : str
        What it is about, in two or three words.
    is_leak : bool
        Whether it makes results too good if nothing is done.
    text : str
    images : tuple of int
        Indices of the images it is about.
    pairs : tuple of (int, int)
        Pairs of images it is about.
    """

    kind: str
    is_leak: bool
    text: str
    images: tuple[int, ...] = ()
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found in a dataset.

    Parameters
    ----------
    dataset : Dataset
    findings : list of Finding
    probes : list of Probe
        How well each fact alone predicts the class.
    copies : list of (int, int)
        Pairs of images that are equal pixel for pixel.
    similar : list of (int, int)
        Pairs of images that are almost equal.
    doubtful : (n,) int64
        Images whose label may be wrong.
    suggested : (n,) int64
        Class that is suggested for each of these.
    not_examined : list of str
        What could not be looked at, and why.
    """

    dataset: Dataset
    findings: Sequence[Finding]
    probes: Sequence[Probe]
    copies: Sequence[Pair]
    similar: Sequence[Pair]
    doubtful: NDArray[np.int64]
    suggested: NDArray[np.int64]
    not_examined: Sequence[str] = ()

    def suggest_groups(self) -> NDArray[np.str_]:
        """Suggest a group for every image, (n,): images that are almost equal share one.

        Images of one group of the dataset stay together.
        """
        groups = self.dataset.groups
        of_groups = [] if groups is None else _link_equal(groups)
        pairs = [*self.copies, *self.similar, *of_groups]
        return np.array([f"group {k}" for k in _join_pairs(pairs, len(self.dataset.images))])

    def suggest_drops(self) -> NDArray[np.int64]:
        """Suggest images to leave out: all but one of each set of copies.

        The copy in the test set is kept. Of copies with different labels, none is kept.
        """
        member_of = _join_pairs(self.copies, len(self.dataset.images))
        subset = self.dataset.subset
        rank = np.zeros(len(member_of), int)
        if subset is not None:
            rank = np.array([_RANKS[name] for name in subset])
        drops: list[int] = []
        for k in np.flatnonzero(np.bincount(member_of) > 1):
            members = np.flatnonzero(member_of == k)
            labels = np.unique(self.dataset.targets[members], axis=0)
            kept = members[rank[members].argmin()] if len(labels) == 1 else -1
            drops += [int(i) for i in members if i != kept]
        return np.array(sorted(drops), int)


def _join_pairs(pairs: Sequence[Pair], n: int) -> NDArray[np.int64]:
    """Number of the set that each of n images is in, where pairs are in the same set."""
    first, second = (np.array([pair[k] for pair in pairs], int) for k in (0, 1))
    links = coo_array((np.ones(len(pairs)), (first, second)), shape=(n, n))
    sets: NDArray[np.int64] = connected_components(links, directed=False)[1]
    return sets


_RANKS = {"test": 0, "val": 1, "train": 2}


def audit_dataset(dataset: Dataset) -> Audit:
    """Look for what makes results wrong, before anything is trained.

    Parameters
    ----------
    dataset : Dataset
        With at least 2 images.
    """
    digests = image_digests(dataset.images)
    copies = _link_equal(digests)
    neighbours = find_neighbours(dataset.images)
    similar = [(i, j) for i, j in neighbours.pairs if digests[i] != digests[j]]
    frequent, images, classes, rare = select_frequent_classes(dataset)
    facts = collect_facts(frequent)
    probes = probe_facts(frequent, facts)
    doubtful, suggested, accuracy, refusal = find_label_errors(frequent)
    doubtful, suggested = images[doubtful], classes[suggested]
    not_examined = [rare, explain_no_probes(frequent, facts), refusal]
    findings = [
        *_describe_leaks_of_groups(dataset),
        *_describe_pairs(dataset, copies, "exact copies", "equal pixel for pixel"),
        *_describe_similar(dataset, similar, neighbours),
        *_describe_contradictions(dataset, [*copies, *similar]),
        *_describe_poor_images(dataset),
        *_describe_shortcuts(probes),
        *_describe_doubtful(doubtful, accuracy),
    ]
    skipped = list(filter(None, not_examined))
    return Audit(dataset, findings, probes, copies, similar, doubtful, suggested, skipped)


def _link_equal(values: NDArray) -> list[Pair]:
    """Pairs of the index of each value with that of the first equal one."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return [(int(first[k]), i) for i, k in enumerate(inverse) if first[k] != i]


def _describe_leaks_of_groups(dataset: Dataset) -> Iterator[Finding]:
    for note in map(Note.from_text, dataset.notes):
        if note.kind == NoteKind.LEAK:
            yield Finding("groups", True, note.removeprefix("leak: "))


def _describe_pairs(
    dataset: Dataset, pairs: Sequence[Pair], kind: str, what: str
) -> Iterator[Finding]:
    if pairs:
        images = len({i for pair in pairs for i in pair})
        text = f"{format_count(images, 'image is', 'images are')} {what} to another"
        apart = _count_apart(dataset, pairs)
        yield Finding(
            kind, apart > 0, text + _describe_apart(dataset, apart, len(pairs)), (), tuple(pairs)
        )


def _count_apart(dataset: Dataset, pairs: Sequence[Pair]) -> int:
    """Number of images that a split may test on, with another one trained on or chosen by."""
    if dataset.subset is not None:
        member_of = _join_pairs(pairs, len(dataset.images))
        tested = dataset.subset == "test"
        return int((tested & np.isin(member_of, member_of[~tested])).sum())
    groups = np.arange(len(dataset.images)) if dataset.groups is None else dataset.groups
    return len({i for pair in pairs for i in pair if groups[pair[0]] != groups[pair[1]]})


def _describe_apart(dataset: Dataset, n: int, n_pairs: int) -> str:
    pairs = format_count(n_pairs, "pair")
    if dataset.subset is not None:
        n_test = int((dataset.subset == "test").sum())
        others = "the training or validation set" if "val" in dataset.subset else "the training set"
        return f" ({pairs}); {n:,} of {n_test:,} test images to one of {others}"
    if dataset.groups is not None:
        return f" ({pairs}); {n:,} of them to one of another group"
    return f" ({pairs}); a fold may train on one and test on the other"


def _describe_similar(
    dataset: Dataset, pairs: Sequence[Pair], neighbours: Neighbours
) -> Iterator[Finding]:
    what = f"almost equal (distance of thumbnails at most {neighbours.threshold:.2f})"
    for finding in _describe_pairs(dataset, pairs, "near copies", what):
        turned = {neighbours.pairs[pair] for pair in pairs} - {0}
        names = sorted({ORIENTATIONS[k][0] for k in turned})
        also = f"; some are {', '.join(names)}" if names else ""
        yield Finding(finding.kind, finding.is_leak, finding.text + also, pairs=finding.pairs)


def _describe_contradictions(dataset: Dataset, pairs: Sequence[Pair]) -> Iterator[Finding]:
    wrong = [pair for pair in pairs if (dataset.targets[pair[0]] != dataset.targets[pair[1]]).any()]
    if wrong:
        n = format_count(len(wrong), "pair of copies has", "pairs of copies have")
        yield Finding("contradicting labels", False, f"{n} different labels", pairs=tuple(wrong))


def _describe_poor_images(dataset: Dataset) -> Iterator[Finding]:
    deviation, white = np.empty(len(dataset.images)), np.empty(len(dataset.images))
    for chunk in iterate_chunks(dataset.images):
        pixels = dataset.images[chunk].reshape(chunk.stop - chunk.start, -1)
        deviation[chunk], white[chunk] = pixels.std(axis=1), (pixels == 255).mean(axis=1)
    blank = np.flatnonzero(deviation < BLANK)
    saturated = np.flatnonzero((white > SATURATED) & (deviation >= BLANK))
    if len(blank):
        n = format_count(len(blank), "image is", "images are")
        yield Finding("blank images", False, f"{n} of nearly one gray level", tuple(blank.tolist()))
    if len(saturated):
        n = format_count(len(saturated), "image is", "images are")
        text = f"{n} white in more than half of the pixels"
        yield Finding("saturated images", False, text, tuple(saturated.tolist()))


def _describe_shortcuts(probes: Sequence[Probe]) -> Iterator[Finding]:
    for probe in probes:
        if probe.beats_chance:
            interval = (
                f" ({probe.lower:.2f} to {probe.upper:.2f})" if np.isfinite(probe.lower) else ""
            )
            text = f"the class can be predicted from {probe.fact} alone: AUC {probe.auc:.3f}"
            strong = probe.auc > STRONG
            text += f"{interval}{'; a model may learn this instead' if strong else ''}"
            yield Finding("shortcut", strong, text)


def _describe_doubtful(doubtful: NDArray[np.int64], accuracy: float) -> Iterator[Finding]:
    if len(doubtful):
        n = format_count(len(doubtful), "label is", "labels are")
        text = (
            f"{n} doubted by a quick model, which agrees with {accuracy:.0%} of the labels "
            "(confident learning, Northcutt et al. 2021)"
        )
        yield Finding("doubtful labels", False, text, tuple(doubtful.tolist()))
