"""The methods paragraph of a paper, computed from the rows of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmark.plugins.spec import Spec
from benchmark.reporting.leaderboard import select_table_metrics
from benchmark.reporting.results_view import ResultsView
from benchmark.results.dataset_record import DatasetRecord
from benchmark.study.axes import NONE, describe_train_size
from benchmark.utils.notes import NoteKind
from benchmark.utils.status import Status
from benchmark.utils.text import format_count, join_names

_SEARCHES = {
    "random": "random search",
    "halving": "successive halving",
    "grid": "grid search",
    "optuna": "Optuna",
}
_NUMBERS = dict(
    enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
)


def describe_methods(view: ResultsView, rows: pd.DataFrame, metric: str) -> list[str]:
    """Describe what was done, one paragraph per topic.

    Parameters
    ----------
    view : ResultsView
    rows : DataFrame
        As ``view.load_rows`` returns them, with all columns.
    metric : str
        Metric that configurations are ranked by.
    """
    done = rows[rows["status"] == Status.OK]
    paragraphs = [
        *(
            " ".join([*_describe_data(record, own), *_describe_split(own)])
            for name, record in view.records(done).items()
            for own in [done[done["dataset"] == name]]
        ),
        " ".join(_describe_conditions(done)),
        " ".join(_describe_models(done)),
        " ".join(_describe_tuning(done)),
        " ".join(_describe_evaluation(view, done, metric)),
        " ".join(_describe_software(done)),
    ]
    missing = len(rows) - len(done)
    if missing:
        paragraphs.insert(0, f"{missing:,} of {len(rows):,} planned evaluations have no result.")
    return [text for text in paragraphs if text]


def _describe_data(record: DatasetRecord, rows: pd.DataFrame) -> Iterator[str]:
    text = f"The dataset '{record.name}' has {len(record.images):,} images"
    if "group" in record.images:
        source = f" (made of {record.group_source})" if record.group_source else ""
        text += f" of {record.images['group'].nunique():,} groups{source}"
    if record.multilabel:
        text += f", each with any of {len(record.classes)} labels"
    else:
        counts = record.images["class"].value_counts()
        classes = [f"'{label}': {n:,}" for label, n in counts.items()]
        text += f" in {len(counts)} classes ({join_names(classes, most=12)})"
    if record.positive:
        text += f"; the positive class is '{record.positive}'"
    yield f"{text}."
    shapes = ", ".join(sorted(rows["shape"].dropna().unique()))
    how = "resized to" if rows["size"].notna().any() else "used at"
    yield f"Images were {how} {shapes} (height, width, channels)."


def _describe_split(rows: pd.DataFrame) -> Iterator[str]:
    """Describe the splits of one dataset."""
    for label in rows["split"].unique():
        yield f"{_describe_one_split(Spec.parse(str(label)))}."
    kinds = {note.kind for notes in rows["notes"] if isinstance(notes, list) for note in notes}
    named = {str(n) for notes in rows["notes"] if isinstance(notes, list) for n in notes}
    if NoteKind.GROUPS in kinds and any(text.startswith("groups: ") for text in named):
        yield "Images of a group were never on both sides of a split, inner folds included."


def _describe_conditions(rows: pd.DataFrame) -> Iterator[str]:
    seeds = rows["seed"].nunique()
    if seeds > 1:
        yield f"Everything was repeated with {_spell(seeds)} seeds."
    sizes = [describe_train_size(size) for size in rows["train_size"].unique()]
    if rows["train_size"].ne(1).any():
        yield f"Training sets: {join_names(sizes, '; ')}."
    for axis, what in (("imbalance", "Imbalance of the training set"), ("occlusion", "Occlusion")):
        if rows[axis].ne(NONE).any():
            yield f"{what}: {join_names(list(rows[axis].unique()), '; ', 12)}."


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
            f"Strategies, all of which learn from training images only: "
            f"{join_names(strategies, '; ', 20)}."
        )
    else:
        yield "Nothing was done about class imbalance."
    known = rows["validation"].dropna().unique() if "validation" in rows else ()
    held_out = [text for text in known if text != "none"]
    if held_out:
        yield f"Images held out of the training set: {join_names(held_out, '; ', 6)}."


def _describe_tuning(rows: pd.DataFrame) -> Iterator[str]:
    tuned = rows[rows["tuning"] != NONE]
    if tuned.empty:
        yield "Nothing was tuned: parameters had the values in the table below."
        return
    for label, cells in tuned.groupby("tuning", sort=False):
        metrics = ", ".join(cells["tuned_by"].dropna().unique())
        where = join_names(list(cells["tuned_on"].dropna().unique()), "; ", 3)
        spec = Spec.parse(str(label))
        search = _SEARCHES.get(spec.name, spec.name)
        n = f" of {int(cells['n_candidates'].max())} candidates" if "n_candidates" in cells else ""
        again = ", anew in every fold" if cells["fold"].nunique() > 1 else ""
        yield (
            f"Parameters were tuned by {search}{n} (at most), compared by {metrics} on "
            f"{where}{again}."
        )


def _describe_evaluation(view: ResultsView, rows: pd.DataFrame, metric: str) -> Iterator[str]:
    several = rows.groupby(["dataset", "split"])["fold"].nunique().gt(1)
    ways = ["over folds, with the corrected variance of Nadeau and Bengio (2003)"] * bool(
        several.any()
    )
    ways += ["from the images, or groups, of the test set"] * bool((~several).any())
    names = join_names(select_table_metrics(rows), most=8)
    yield (
        f"Metrics ({names}; means over classes are macro averages) were computed from the stored "
        f"probabilities of the test images; configurations were ranked by {metric}. Intervals are "
        f"95% confidence intervals {' and '.join(ways)}; where the number of observations does not "
        "support one, none is given."
    )
    unit = view.describe_unit()
    if unit:
        yield f"{unit[0].upper()}{unit[1:]}."
    sites = _list_sites(view, rows)
    if sites:
        yield f"Trained models were also tested on {join_names(sites)}."


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
    described = dict.fromkeys(map(_describe_environment, environments))
    if described:
        yield f"Software and hardware: {'; '.join(described)}."


def _describe_environment(environment: dict[str, Any]) -> str:
    libraries = environment.get("libraries", {})
    shown = [
        f"{name} {libraries[name]}"
        for name in ("scikit-learn", "torch", "imbalanced-learn", "numpy")
        if libraries.get(name, "not installed") != "not installed"
    ]
    commit = environment.get("git_commit")
    version = f", commit {commit[:12]}" if commit else ""
    version += " with changes" if environment.get("git_dirty") else ""
    return (
        f"classical-vs-deep {environment.get('benchmark', '')}{version}, Python "
        f"{environment.get('python', '')}, {', '.join(shown)}, {environment['processor']} with "
        f"{environment['cores']} cores"
    )


def _spell(n: int) -> str:
    return _NUMBERS.get(n, f"{n:,}")


def list_components(rows: pd.DataFrame) -> list[str]:
    """Names of all extractors, strategies, models and searches of some rows."""
    return list(dict.fromkeys(entry["name"] for _, entry in _stored_components(rows)))


def tabulate_parameters(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the values of all parameters of every component, before tuning changed any.

    Returns
    -------
    DataFrame
        With the columns kind, component and parameters; one line per component and set of values.
    """
    lines = (
        (kind, entry["name"], format_parameters(entry["params"]))
        for kind, entry in _stored_components(rows)
        if entry["params"]
    )
    return pd.DataFrame(list(dict.fromkeys(lines)), columns=["kind", "component", "parameters"])


def format_parameters(values: Mapping[str, Any]) -> str:
    """Format parameters as in a study, with the components inside them.

    Examples
    --------
    >>> format_parameters({"bins": 8, "grid": [2, 2], "extractor": {"name": "hog", "params": {}}})
    'bins=8, grid=(2, 2), extractor=hog'
    """
    return ", ".join(f"{name}={_format_value(value)}" for name, value in values.items())


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return repr(tuple(value))
    if isinstance(value, dict) and "name" in value:
        inner = format_parameters(value.get("params") or {})
        return f"{value['name']}({inner})" if inner else str(value["name"])
    return repr(value)


def _stored_components(rows: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kind and the entry of each component in the column ``params``."""
    for params in rows["params"]:
        for kind in ("extractor", "strategy", "model", "tuning"):
            value = params.get(kind, []) if isinstance(params, dict) else []
            for entry in value if isinstance(value, list) else [value]:
                yield kind, entry
