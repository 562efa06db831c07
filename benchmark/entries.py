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
from benchmark.leaderboard import ENTRY
from benchmark.study import FLOOR

Entry = tuple[str, str, str]  # extractor, strategy, model


def find_entry(name: str, rows: pd.DataFrame, folder: Path) -> Entry:
    """Find the one entry that a name means.

    Parameters
    ----------
    name : str
        ``extractor / strategy / model``; what only one entry has may stand alone, and a piece of a part for the part:
        ``hog / smote``, ``rbf_svm``, ``hog / rbf``. What equals a part goes before what is a piece of one, and the floor is only
        meant where nothing else is.
    rows : DataFrame
        As ``load_results`` gives them.
    folder : Path
        Named in the error.

    Raises
    ------
    UserError
        No entry has this name, or several have; the message lists the nearest.
    """
    known = list(dict.fromkeys(rows[ENTRY].itertuples(index=False, name=None)))
    found: list[Entry] = []
    for separator in (r"\s+/\s+", r"\s*/\s*"):  # a plug-in's name is a path, so that a bare slash comes second
        parts = re.split(separator, name.strip())
        found = found or _matching(parts, known, operator.eq) or _matching(parts, known, operator.contains)
    if len(found) > 1:  # whoever compares strategies by name means models that look at the images
        found = [entry for entry in found if entry[2] != FLOOR]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"'{name}' names {len(found)} entries of {folder}: {_listed(found)}; write more of the one you mean")
    nearest = sorted(known, key=lambda entry: -_likeness(name, entry))[:3]
    raise UserError(f"no entry '{name}' in {folder}; nearest: {_listed(nearest)}; all of them: python -m benchmark table {folder}")


def _matching(parts: list[str], known: list[Entry], matches: Callable[[str, str], bool]) -> list[Entry]:
    return [
        entry
        for entry in known
        if any(all(matches(field, part) for field, part in zip(chosen, parts, strict=True)) for chosen in combinations(entry, len(parts)))
    ]


def _likeness(name: str, entry: Entry) -> float:
    written = [" / ".join(chosen) for n in (1, 2, 3) for chosen in combinations(entry, n)]
    return max(SequenceMatcher(None, name, text).ratio() for text in written)


def _listed(entries: list[Entry]) -> str:
    shown = [f"'{' / '.join(entry)}'" for entry in entries[:5]]
    return ", ".join([*shown, "..."] if len(entries) > len(shown) else shown)
