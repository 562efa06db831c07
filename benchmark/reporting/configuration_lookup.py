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
from benchmark.reporting.comparison import Configuration, is_baseline
from benchmark.reporting.leaderboard import CONFIGURATION_AXES
from benchmark.utils.text import normalize_unicode

STRATEGY = CONFIGURATION_AXES.index("strategy")


def find_configuration(name: str, rows: pd.DataFrame, folder: Path) -> Configuration:
    """Find the configuration with a name.

    Parameters
    ----------
    name : str
        ``extractor / strategy / model``, abbreviated as long as it is unique: labels may be left
        out or shortened to a piece, as in ``hog / smote``, ``rbf_svm`` and ``hog / rbf``. Complete
        labels take precedence over pieces, and other configurations over the baseline.
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
    >>> rows = pd.DataFrame(names, columns=CONFIGURATION_AXES)
    >>> find_configuration("knn", rows, Path("results"))
    ('hog', 'none', 'knn')
    >>> find_configuration("none / rbf", rows, Path("results"))
    ('hog', 'none', 'rbf_svm')
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
            or _match_configurations(labels, known, operator.contains)
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


def find_comparison_pairs(
    against: str, rows: pd.DataFrame, folder: Path
) -> list[tuple[Configuration, Configuration]]:
    """Pair each configuration except the baseline with the one that it is compared with.

    Parameters
    ----------
    against : str
        Name as for ``find_configuration``. If it is a strategy that several configurations have,
        each configuration is paired with the one of the same extractor and model that has it.
    rows : DataFrame
        As returned by ``load_results``.
    folder : Path
        Results folder, for the error message.

    Raises
    ------
    UserError
        As for ``find_configuration``.
    """
    others = [
        configuration
        for configuration in unique_configurations(rows)
        if not is_baseline(configuration)
    ]
    matches = find_configurations(against, rows, folder)
    if len(matches) > 1 and all(match[STRATEGY] == against.strip() for match in matches):
        references = {_drop_strategy(match): match for match in matches}
        return [
            (configuration, references[_drop_strategy(configuration)])
            for configuration in others
            if configuration not in matches and _drop_strategy(configuration) in references
        ]
    reference = find_configuration(against, rows, folder)
    return [(configuration, reference) for configuration in others if configuration != reference]


def _drop_strategy(configuration: Configuration) -> Configuration:
    return configuration[:STRATEGY] + configuration[STRATEGY + 1 :]


def _match_configurations(
    labels: list[str], known: list[Configuration], matches: Callable[[str, str], bool]
) -> list[Configuration]:
    """Configurations whose labels match the given ones, in order; some may be left out."""
    return [
        configuration
        for configuration in known
        if any(
            all(
                matches(known_label, label)
                for known_label, label in zip(chosen, labels, strict=True)
            )
            for chosen in combinations(configuration, len(labels))
        )
    ]


def _name_similarity(name: str, configuration: Configuration) -> float:
    """Similarity of a name to the most similar abbreviation of a configuration."""
    abbreviations = [
        " / ".join(labels)
        for n in range(1, len(configuration) + 1)
        for labels in combinations(configuration, n)
    ]
    return max(SequenceMatcher(None, name, text).ratio() for text in abbreviations)


def _format_configurations(configurations: list[Configuration]) -> str:
    shown = [f"'{' / '.join(configuration)}'" for configuration in configurations[:5]]
    return ", ".join([*shown, "..."] if len(configurations) > len(shown) else shown)
