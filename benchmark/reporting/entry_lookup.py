"""Entries of a leaderboard by the names that people type."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting.comparison import Entry, is_baseline
from benchmark.reporting.leaderboard import ENTRY
from benchmark.utils.text import normalize_unicode

STRATEGY = ENTRY.index("strategy")


def find_configuration(name: str, rows: pd.DataFrame, folder: Path) -> Entry:
    """Find the one entry that a name means.

    Parameters
    ----------
    name : str
        ``extractor / strategy / model``; what only one entry has may stand alone, and a piece of a
        part for the part: ``hog / smote``, ``rbf_svm``, ``hog / rbf``. What equals a part goes
        before what is a piece of one, and the baseline is only meant where nothing else is.
    rows : DataFrame
        As ``load_results`` gives them.
    folder : Path
        Named in the error.

    Raises
    ------
    UserError
        No entry has this name, or several have; the message lists the nearest.
    """
    found = find_configurations(name, rows, folder)
    if len(found) == 1:
        return found[0]
    raise UserError(
        f"'{name}' names {len(found)} entries of {folder}: {_format_configurations(found)}; write more of the one "
        "you mean"
    )


def find_configurations(name: str, rows: pd.DataFrame, folder: Path) -> list[Entry]:
    """Find the entries that a name may mean, at least one; see ``find_configuration``.

    Of several baselines only one is given, without a strategy where there is such: they look at no
    image, so that they predict alike.
    """
    known = unique_configurations(rows)
    found: list[Entry] = []
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
        baselines = sorted(found, key=lambda entry: entry[STRATEGY] != "none")[:1]
        found = [entry for entry in found if not is_baseline(entry)] or baselines
    if found:
        return found
    nearest = sorted(known, key=lambda entry: -_name_similarity(name, entry))[:3]
    raise UserError(
        f"no entry '{name}' in {folder}; nearest: {_format_configurations(nearest)}; all of them: python -m "
        f"benchmark table {folder}"
    )


def unique_configurations(rows: pd.DataFrame) -> list[Entry]:
    """Entries in the order of their rows."""
    return list(dict.fromkeys(rows[ENTRY].itertuples(index=False, name=None)))


def find_comparison_pairs(
    against: str, rows: pd.DataFrame, folder: Path
) -> list[tuple[Entry, Entry]]:
    """Pair each entry, the baseline aside, with the one that it is compared with.

    Parameters
    ----------
    against : str
        As for ``find_configuration``; where it is a strategy that several entries have, each is paired with
        that of its own extractor and model.
    rows : DataFrame
    folder : Path

    Raises
    ------
    UserError
        As for ``find_configuration``.
    """
    others = [entry for entry in unique_configurations(rows) if not is_baseline(entry)]
    found = find_configurations(against, rows, folder)
    if len(found) > 1 and all(entry[STRATEGY] == against.strip() for entry in found):
        own = {_drop_strategy(entry): entry for entry in found}
        return [
            (entry, own[_drop_strategy(entry)])
            for entry in others
            if entry not in found and _drop_strategy(entry) in own
        ]
    two = find_configuration(against, rows, folder)
    return [(entry, two) for entry in others if entry != two]


def _drop_strategy(entry: Entry) -> Entry:
    return entry[:STRATEGY] + entry[STRATEGY + 1 :]


def _match_configurations(
    parts: list[str], known: list[Entry], matches: Callable[[str, str], bool]
) -> list[Entry]:
    return [
        entry
        for entry in known
        if any(
            all(matches(field, part) for field, part in zip(chosen, parts, strict=True))
            for chosen in combinations(entry, len(parts))
        )
    ]


def _name_similarity(name: str, entry: Entry) -> float:
    written = [
        " / ".join(chosen) for n in range(1, len(entry) + 1) for chosen in combinations(entry, n)
    ]
    return max(SequenceMatcher(None, name, text).ratio() for text in written)


def _format_configurations(entries: list[Entry]) -> str:
    shown = [f"'{' / '.join(entry)}'" for entry in entries[:5]]
    return ", ".join([*shown, "..."] if len(entries) > len(shown) else shown)
