"""Find the configurations of a leaderboard by abbreviated names."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    Configuration,
    configuration_name,
    name_parts,
    without_tuning,
)
from benchmark.reporting.comparison import ConfigurationPair, is_baseline
from benchmark.utils.text import normalize_unicode

STRATEGY = CONFIGURATION_AXES.index("strategy")


def find_configuration(name: str, rows: pd.DataFrame, folder: Path) -> Configuration:
    """Find the configuration with a name.

    Parameters
    ----------
    name : str
        ``extractor / strategy / model``, abbreviated as long as it is unique: parts may be left
        out or shortened to a piece, as in ``hog / smote``, ``rbf_svm (tuned 25)`` and
        ``hog / rbf``. Complete parts take precedence over pieces, untuned configurations over the
        same ones tuned, and other configurations over the baseline.
    rows : DataFrame
        As returned by ``load_results``.
    folder : Path
        Results folder, for the error message.

    Raises
    ------
    UserError
        No configuration has this name, or several have; the message lists the nearest.

    Examples
    --------
    >>> names = [("hog", "none", "rbf_svm"), ("hog", "smote", "rbf_svm"), ("hog", "none", "knn")]
    >>> rows = pd.DataFrame([(*name, "none") for name in names], columns=CONFIGURATION_AXES)
    >>> find_configuration("knn", rows, Path("results"))
    ('hog', 'none', 'knn', 'none')
    >>> find_configuration("none / rbf", rows, Path("results"))
    ('hog', 'none', 'rbf_svm', 'none')
    """
    matches = find_configurations(name, rows, folder)
    if len(matches) == 1:
        return matches[0]
    raise UserError(
        f"'{name}' matches {len(matches)} configurations of {folder}: "
        f"{_format_configurations(matches)}; give more of the name"
    )


def find_configurations(name: str, rows: pd.DataFrame, folder: Path) -> list[Configuration]:
    """Find the configurations that match a name, at least one; see ``find_configuration``.

    At most one baseline is returned, preferably the one without a strategy: baselines ignore the
    images, so that all predict the same.
    """
    known = unique_configurations(rows)
    matches: list[Configuration] = []
    # the name of a plug-in is a path, so that slashes without spaces around them are tried last
    for separator in (r"\s+/\s+", r"\s*/\s*"):
        labels = re.split(separator, normalize_unicode(name).strip())
        matches = (
            matches
            or _match_configurations(labels, known, operator.eq)
            or _drop_tuned_twins(_match_configurations(labels, known, operator.contains))
        )
    if len(matches) > 1:
        # the name of a strategy stands for configurations that use the images
        baselines = sorted(matches, key=lambda match: match[STRATEGY] != "none")[:1]
        matches = [match for match in matches if not is_baseline(match)] or baselines
    if matches:
        return matches
    nearest = sorted(known, key=lambda configuration: -_name_similarity(name, configuration))[:3]
    raise UserError(
        f"no configuration '{name}' in {folder}; nearest: {_format_configurations(nearest)}; to "
        f"list all: python -m benchmark table {folder}"
    )


def unique_configurations(rows: pd.DataFrame) -> list[Configuration]:
    """Distinct configurations, in the order of their rows."""
    return list(dict.fromkeys(rows[CONFIGURATION_AXES].itertuples(index=False, name=None)))


def pair_with_counterparts(label: str, rows: pd.DataFrame) -> list[ConfigurationPair]:
    """Pair configurations with those that differ from them in the strategy, or tuning, only.

    Parameters
    ----------
    label : str
        Complete label of a strategy, such as 'none', or of another axis that is neither extractor
        nor model.
    rows : DataFrame
        As returned by ``load_results``.

    Returns
    -------
    list of pairs
        Each configuration, except the baseline, with the one that has this label and is equal to it
        otherwise, whether or not that is among the rows. Empty unless several configurations have
        the label and others do not; the first such axis counts.

    Examples
    --------
    >>> names = [("hog", "none", "knn"), ("hog", "smote", "knn"), ("pixels", "none", "knn")]
    >>> rows = pd.DataFrame([(*name, "none") for name in names], columns=CONFIGURATION_AXES)
    >>> pair_with_counterparts("none", rows)
    [(('hog', 'smote', 'knn', 'none'), ('hog', 'none', 'knn', 'none'))]
    """
    known = [names for names in unique_configurations(rows) if not is_baseline(names)]
    wanted = normalize_unicode(label).strip()
    for k, axis in enumerate(CONFIGURATION_AXES):
        others = [names for names in known if names[k] != wanted]
        if axis not in ("extractor", "model") and len(known) - len(others) > 1 and others:
            return [(names, (*names[:k], wanted, *names[k + 1 :])) for names in others]
    return []


def pair_with_reference(reference: Configuration, rows: pd.DataFrame) -> list[ConfigurationPair]:
    """Pair each configuration, except the baseline, with one reference."""
    return [
        (names, reference)
        for names in unique_configurations(rows)
        if names != reference and not is_baseline(names)
    ]


def _drop_tuned_twins(configurations: list[Configuration]) -> list[Configuration]:
    """Leave out tuned configurations whose untuned twin is among them."""
    return [
        each
        for each in configurations
        if without_tuning(each) == each or without_tuning(each) not in configurations
    ]


def _match_configurations(
    labels: list[str], known: list[Configuration], matches: Callable[[str, str], bool]
) -> list[Configuration]:
    """Configurations whose names have parts that match the labels, in order."""
    return [
        configuration
        for configuration in known
        if any(
            all(matches(part, label) for part, label in zip(chosen, labels, strict=True))
            for chosen in combinations(name_parts(configuration), len(labels))
        )
    ]


def _name_similarity(name: str, configuration: Configuration) -> float:
    """Similarity of a name to the most similar abbreviation of a configuration."""
    parts = name_parts(configuration)
    abbreviations = [
        " / ".join(chosen) for n in range(1, len(parts) + 1) for chosen in combinations(parts, n)
    ]
    return max(SequenceMatcher(None, name, text).ratio() for text in abbreviations)


def _format_configurations(configurations: list[Configuration]) -> str:
    shown = [f"'{configuration_name(configuration)}'" for configuration in configurations[:5]]
    return ", ".join([*shown, "..."] if len(configurations) > len(shown) else shown)
