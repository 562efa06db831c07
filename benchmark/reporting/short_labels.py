"""Labels without the parameters that are equal wherever a component is named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from benchmark.plugins.spec import Spec, join_labels, parse_sum


def shorten_labels(labels: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Shorten the labels of one column of a table, so that they still differ.

    Parameters
    ----------
    labels : iterable of str
        Labels of extractors, strategies or models.

    Returns
    -------
    short : label to str
    left_out : list of str
        For each component whose parameters were left out, its name with these parameters.

    Examples
    --------
    >>> labels = ["knn", "rbf_svm(C=1, gamma=2.0)", "rbf_svm(C=10, gamma=2.0)"]
    >>> shorten_labels(labels)
    ({'knn': 'knn', 'rbf_svm(C=1, gamma=2.0)': 'rbf_svm(C=1)', \
'rbf_svm(C=10, gamma=2.0)': 'rbf_svm(C=10)'}, ['rbf_svm(gamma=2.0)'])
    """
    parsed = {label: parse_sum(label) for label in labels}
    common: dict[str, dict[str, tuple[str, Any]]] = {}  # by component, by the text of a parameter
    for spec in (spec for specs in parsed.values() for spec in specs):
        params = {repr(param): param for param in spec.params}
        shared = common.get(spec.name, params)
        common[spec.name] = {text: param for text, param in shared.items() if text in params}

    def shorten_spec(spec: Spec) -> Spec:
        kept = (param for param in spec.params if repr(param) not in common[spec.name])
        return Spec(spec.name, tuple(kept))

    short = {label: join_labels(tuple(map(shorten_spec, specs))) for label, specs in parsed.items()}
    return short, [
        Spec(name, tuple(params.values())).label for name, params in common.items() if params
    ]


def shorten_dataset_name(label: str) -> str:
    """Name of a dataset without path and parameters.

    Examples
    --------
    >>> shorten_dataset_name("csv:data/ham10000/metadata.csv(label='dx')")
    'ham10000_metadata'
    """
    name = Spec.parse(label).name
    kind, _, path = name.rpartition(":")
    if not kind:
        return name
    file = PurePath(path.replace("\\", "/"))
    parts = file.with_suffix("").parts[-2:] if kind == "csv" else file.parts[-1:]
    return "_".join(parts) or kind


def shorten_dataset_names(labels: Iterable[str]) -> dict[str, str]:
    """Short names of datasets by label; those that would be equal are not shortened.

    Examples
    --------
    >>> shorten_dataset_names(["digits", "folder:a/scans", "folder:b/scans"])
    {'digits': 'digits', 'folder:a/scans': 'folder:a/scans', 'folder:b/scans': 'folder:b/scans'}
    """
    short = {label: shorten_dataset_name(label) for label in labels}
    names = list(short.values())
    return {label: name if names.count(name) == 1 else label for label, name in short.items()}
