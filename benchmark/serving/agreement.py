"""Whether pipelines that have the same classes predict the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from benchmark.pipelines.card import Card
from benchmark.pipelines.pipeline import Pipeline
from benchmark.utils.text import join_names


def group_by_classes(pipelines: Mapping[str, Pipeline]) -> list[list[str]]:
    """Group the names of pipelines that have the same classes, in any order."""
    groups: dict[frozenset[str], list[str]] = {}
    for name, pipeline in pipelines.items():
        groups.setdefault(frozenset(pipeline.card.classes), []).append(name)
    return list(groups.values())


def describe_classes(card: Card) -> str:
    """Describe the classes of a pipeline, such as '2 classes: benign | malignant'."""
    return f"{len(card.classes)} classes: {join_names(card.classes, ' | ')}"


def describe_agreement(labels: Mapping[str, str]) -> str:
    """Describe in a sentence whether pipelines predict the same; empty for one pipeline.

    Parameters
    ----------
    labels : mapping of str to str
        Text of the prediction, by the name of the pipeline.

    Examples
    --------
    >>> describe_agreement({"a": "benign", "b": "benign", "c": "malignant"})
    '2 of 3 pipelines predict benign, 1 predicts malignant.'
    >>> describe_agreement({"a": "benign", "b": "benign"})
    'Both pipelines predict benign.'
    """
    counts = Counter(labels.values()).most_common()
    if len(labels) < 2:
        return ""
    if len(counts) == 1:
        each = "Both" if len(labels) == 2 else f"All {len(labels)}"
        return f"{each} pipelines predict {counts[0][0]}."
    shares = [f"{n} {'predicts' if n == 1 else 'predict'} {label}" for label, n in counts]
    first = shares[0].replace(" ", f" of {len(labels)} pipelines ", 1)
    return f"{', '.join([first, *shares[1:]])}."


def find_dissenters(labels: Mapping[str, str]) -> set[str]:
    """Names of the pipelines that do not predict what most do; all of them if no label has most.

    Parameters
    ----------
    labels : mapping of str to str
        Text of the prediction, by the name of the pipeline.

    Examples
    --------
    >>> find_dissenters({"a": "benign", "b": "benign", "c": "malignant"})
    {'c'}
    """
    (most, n), *others = Counter(labels.values()).most_common()
    if others and others[0][1] == n:
        return set(labels)
    return {name for name, label in labels.items() if label != most}
