"""Configurations of a leaderboard by the names that people type."""

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
    """Find the one configuration that a name means.

    Parameters
    ----------
    name : str
        ``extractor / strategy / model``; what only one configuration has may stand alone, and a piece of a
        part for the part: ``hog / smote``, ``rbf_svm``, ``hog / rbf``. What equals a part goes
        before what is a piece of one, and the baseline is only meant where nothing else is.
    rows : DataFrame
        As ``load_results`` gives them.
    folder : Path
        Named in the error.

    Raises
    ------
    UserError
        No configuration has this name, or several have; the message lists the nearest.
    """
    found = find_configurations(name, rows, folder)
    if len(found) == 1:
        return found[0]
    raise UserError(
        f"'{name}' names {len(found)} configurations of {folder}: {_format_configurations(found)}; write more of the one "
        "you mean"
    )


def find_configurations(name: str, rows: pd.DataFrame, folder: Path) -> list[Configuration]:
    """Find the configurations that a name may mean, at least one; see ``find_configuration``.

    Of several baselines only one is given, without a strategy where there is such: they look at no
    image, so that they predict alike.
    """
    known = unique_configurations(rows)
    found: list[Configuration] = []
    for separator in (
        r"\s+/\s+",
        r"\s*/\s*",
    ):  # a plug-in's name is a path, so that a bare slash comes second
        parts = re.split(separator, normalize_unicode(name).strip())
        found = (
            found
            or _match_configurations(parts, known, operator.eq)
            or _match_configurations(parts, known, operator.contains)
        )
    if len(found) > 1:  # whoever compares strategies by name means models that look at the images
        baselines = sorted(found, key=lambda configuration: configuration[STRATEGY] != "none")[:1]
        found = [
            configuration for configuration in found if not is_baseline(configuration)
        ] or baselines
    if found:
        return found
    nearest = sorted(known, key=lambda configuration: -_name_similarity(name, configuration))[:3]
    raise UserError(
        f"no configuration '{name}' in {folder}; nearest: {_format_configurations(nearest)}; all of them: python -m "
        f"benchmark table {folder}"
    )


def unique_configurations(rows: pd.DataFrame) -> list[Configuration]:
    """Configurations in the order of their rows."""
    return list(dict.fromkeys(rows[CONFIGURATION_AXES].itertuples(index=False, name=None)))


def find_comparison_pairs(
    against: str, rows: pd.DataFrame, folder: Path
) -> list[tuple[Configuration, Configuration]]:
    """Pair each configuration, the baseline aside, with the one that it is compared with.

    Parameters
    ----------
    against : str
        As for ``find_configuration``; where it is a strategy that several configurations have, each is paired with
        that of its own extractor and model.
    rows : DataFrame
    folder : Path

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
    found = find_configurations(against, rows, folder)
    if len(found) > 1 and all(
        configuration[STRATEGY] == against.strip() for configuration in found
    ):
        own = {_drop_strategy(configuration): configuration for configuration in found}
        return [
            (configuration, own[_drop_strategy(configuration)])
            for configuration in others
            if configuration not in found and _drop_strategy(configuration) in own
        ]
    two = find_configuration(against, rows, folder)
    return [(configuration, two) for configuration in others if configuration != two]


def _drop_strategy(configuration: Configuration) -> Configuration:
    return configuration[:STRATEGY] + configuration[STRATEGY + 1 :]


def _match_configurations(
    parts: list[str], known: list[Configuration], matches: Callable[[str, str], bool]
) -> list[Configuration]:
    return [
        configuration
        for configuration in known
        if any(
            all(matches(field, part) for field, part in zip(chosen, parts, strict=True))
            for chosen in combinations(configuration, len(parts))
        )
    ]


def _name_similarity(name: str, configuration: Configuration) -> float:
    written = [
        " / ".join(chosen)
        for n in range(1, len(configuration) + 1)
        for chosen in combinations(configuration, n)
    ]
    return max(SequenceMatcher(None, name, text).ratio() for text in written)


def _format_configurations(configurations: list[Configuration]) -> str:
    shown = [f"'{' / '.join(configuration)}'" for configuration in configurations[:5]]
    return ", ".join([*shown, "..."] if len(configurations) > len(shown) else shown)
