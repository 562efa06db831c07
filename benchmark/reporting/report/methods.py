"""The methods paragraph of a paper, computed from the rows of a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmark.plugins.spec import Spec
from benchmark.reporting.results_view import ResultsView
from benchmark.study.axes import NONE, describe_train_size, describe_tuning
from benchmark.utils.status import Status
from benchmark.utils.text import format_count, join_names

_NUMBERS = dict(
    enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
)


def describe_methods(view: ResultsView, rows: pd.DataFrame) -> list[str]:
    """Describe what was done, one paragraph per topic.

    Parameters
    ----------
    view : ResultsView
    rows : DataFrame
        As ``view.load_rows`` returns them, with all columns.
    """
    done = rows[rows["status"] == Status.OK]
    paragraphs = [
        " ".join(_describe_data(view, done)),
        " ".join(_describe_split(done)),
        " ".join(_describe_models(done)),
        " ".join(_describe_tuning(done)),
        " ".join(_describe_evaluation(view, done)),
        " ".join(_describe_software(done)),
    ]
    return [text for text in paragraphs if text]


def _describe_data(view: ResultsView, rows: pd.DataFrame) -> Iterator[str]:
    for name, record in view.records(rows).items():
        own = rows[rows["dataset"] == name]
        classes = record.images["class"].value_counts()
        counts = [f"{n:,} {label}" for label, n in classes.items()]
        kind = "labels" if record.multilabel else "classes"
        text = f"The dataset '{name}' has {len(record.images):,} images"
        if "group" in record.images:
            n_groups = record.images["group"].nunique()
            source = f" (made of {record.group_source})" if record.group_source else ""
            text += f" of {n_groups:,} groups{source}"
        if not record.multilabel:
            text += f" in {len(classes)} {kind} ({join_names(counts, most=12)})"
        if record.positive:
            text += f"; the positive class is '{record.positive}'"
        yield f"{text}."
        shapes = ", ".join(sorted(own["shape"].dropna().unique()))
        resized = own["size"].notna().any()
        yield (
            f"Images were {'resized to' if resized else 'used at'} {shapes} (height, width, "
            "channels)."
        )


def _describe_split(rows: pd.DataFrame) -> Iterator[str]:
    by_split = rows.groupby("split", sort=False)["dataset"].unique()
    for label, datasets in by_split.items():
        where = f" ({', '.join(datasets)})" if len(by_split) > 1 else ""
        yield f"{_describe_one_split(Spec.parse(str(label)))}{where}."
    if any("group" in str(note.kind) for notes in rows["notes"] if isinstance(notes, list)
           for note in notes):  # fmt: skip
        yield "Images of a group were never on both sides of a split, inner folds included."
    seeds = rows["seed"].nunique()
    if seeds > 1:
        yield f"Everything was repeated with {_spell(seeds)} seeds."
    sizes = [size for size in rows["train_size"].unique() if size != 1]
    if sizes:
        texts = join_names([describe_train_size(size) for size in sizes])
        yield f"Training sets were also reduced to {texts}."
    for axis, what in (("imbalance", "made imbalanced"), ("occlusion", "occluded")):
        labels = [label for label in rows[axis].unique() if label != NONE]
        if labels:
            images = "Training sets were" if axis == "imbalance" else "Images were"
            yield f"{images} also {what} by {join_names(labels)}."


def _describe_one_split(split: Spec) -> str:
    params = dict(split.params)
    if split.name == "stratified_kfold":
        folds, repeats = params.get("folds", 3), params.get("repeats", 1)
        repeated = f", repeated {_spell(repeats)} times" if repeats > 1 else ""
        return f"{_spell(folds).capitalize()}-fold stratified cross-validation was used{repeated}"
    if split.name == "holdout":
        share = params.get("test_size", 0.2)
        return f"One stratified split held {share:.0%} of the images out as the test set"
    if split.name == "leave_one_group_out":
        return f"Each value of '{params.get('attribute')}' in turn was the test set"
    if split.name == "predefined":
        return f"The folds were those of the column '{params.get('column')}'"
    if split.name == "validation":
        return "Models were trained on the official training set and tested on the validation set"
    return "Models were trained on the official training set and tested on the official test set"


def _describe_models(rows: pd.DataFrame) -> Iterator[str]:
    extractors = [label for label in rows["extractor"].unique() if label != "images"]
    if extractors:
        yield f"Features: {join_names(extractors, '; ', 20)}."
    yield f"Models: {join_names(list(rows['model'].unique()), '; ', 20)}."
    strategies = [label for label in rows["strategy"].unique() if label != NONE]
    if strategies:
        yield (
            f"Strategies against class imbalance, applied to training images only: "
            f"{join_names(strategies, '; ', 20)}."
        )
    held_out = [text for text in rows["validation"].dropna().unique() if text != "none"]
    if held_out:
        yield f"Images held out of the training set: {join_names(held_out, '; ', 6)}."


def _describe_tuning(rows: pd.DataFrame) -> Iterator[str]:
    tuned = rows[rows["tuning"] != NONE]
    if tuned.empty:
        yield "Parameters were not tuned: those of the study, or the defaults, were used."
        return
    for label, cells in tuned.groupby("tuning", sort=False):
        metrics = ", ".join(cells["tuned_by"].dropna().unique())
        where = join_names(list(cells["tuned_on"].dropna().unique()), "; ", 3)
        yield (
            f"Parameters were {describe_tuning(str(label))}, by {metrics} on {where}, anew in "
            "every fold."
        )


def _describe_evaluation(view: ResultsView, rows: pd.DataFrame) -> Iterator[str]:
    yield (
        "Every metric was computed from the stored probabilities of the test images. Intervals are "
        "95% confidence intervals: over several folds with the corrected variance of Nadeau and "
        "Bengio (2003), on a single test set from its images or groups; where the number of "
        "observations does not support one, none is given."
    )
    unit = view.describe_unit()
    if unit:
        yield f"{unit[0].upper()}{unit[1:]}."
    sites = _list_sites(view, rows)
    if sites:
        yield f"Every trained model was also tested on {join_names(sites)}."


def _list_sites(view: ResultsView, rows: pd.DataFrame) -> list[str]:
    if "external" not in rows:
        return []
    names: dict[str, None] = {}
    for fingerprint in rows["external"].dropna().unique():
        external = view.read_record(fingerprint).images["external"]
        counts = external[external != ""].value_counts(sort=False)
        names |= dict.fromkeys(
            f"'{name}' ({format_count(int(n), 'image')})" for name, n in counts.items()
        )
    return list(names)


def _describe_software(rows: pd.DataFrame) -> Iterator[str]:
    environments = [value for value in rows["environment"] if isinstance(value, dict)]
    if not environments:
        return
    first: dict[str, Any] = environments[-1]
    libraries = first.get("libraries", {})
    shown = [
        f"{name} {libraries[name]}"
        for name in ("scikit-learn", "torch", "imbalanced-learn", "numpy")
        if libraries.get(name, "not installed") != "not installed"
    ]
    commit = f", commit {first['git_commit'][:12]}" if first.get("git_commit") else ""
    yield (
        f"Software: classical-vs-deep {first.get('benchmark', '')}{commit}, Python "
        f"{first.get('python', '')}, {', '.join(shown)}. Hardware: {first['processor']}, "
        f"{first['cores']} cores."
    )


def _spell(n: int) -> str:
    return _NUMBERS.get(n, f"{n:,}")


def list_components(rows: pd.DataFrame) -> list[str]:
    """Names of all extractors, strategies, models and searches of some rows."""
    names: dict[str, None] = {}
    for params in rows["params"]:
        if isinstance(params, dict):
            for kind in ("extractor", "strategy", "model", "tuning"):
                value = params.get(kind) or []
                entries = value if isinstance(value, list) else [value]
                names |= dict.fromkeys(entry["name"] for entry in entries)
    return list(names)
