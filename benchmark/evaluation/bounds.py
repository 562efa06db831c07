"""Limits on the texts of an outcome, since a plug-in may raise, warn or record 20 MB."""

from __future__ import annotations

import json
from typing import Any

from benchmark.utils.notes import Note
from benchmark.utils.text import escape_controls

MAX_CHARACTERS = {"reason": 1_000, "traceback": 20_000}
MAX_NOTES, MAX_NOTE_CHARACTERS = 50, 500
MAX_HISTORY_CHARACTERS = 1_000_000  # of JSON


def truncate_outcome(outcome: dict[str, Any]) -> dict[str, Any]:
    """Truncate the texts of an outcome, and escape characters that control a terminal.

    Parameters
    ----------
    outcome : dict
        Outcome of a cell, with any of 'reason', 'traceback', 'notes' and 'history'.

    Returns
    -------
    dict
        The outcome with truncated texts; a history that is too long is None, and a note says so.
    """
    truncated = outcome | {
        name: truncate_middle(escape_controls(outcome[name]), max_characters)
        for name, max_characters in MAX_CHARACTERS.items()
        if name in outcome
    }
    notes = [
        Note.from_text(note).with_text(truncate_middle(escape_controls(note), MAX_NOTE_CHARACTERS))
        for note in outcome.get("notes", ())[:MAX_NOTES]
    ]
    if len(outcome.get("notes", ())) > MAX_NOTES:
        notes.append(Note(f"{len(outcome['notes']) - MAX_NOTES} more notes are not stored"))
    size = len(json.dumps(outcome["history"])) if outcome.get("history") else 0
    if size > MAX_HISTORY_CHARACTERS:
        truncated["history"] = None
        notes.append(
            Note(f"the history of the training is not stored, since it has {size / 1e6:.0f} MB")
        )
    return truncated | ({"notes": notes} if notes or "notes" in outcome else {})


def truncate_middle(text: str, max_characters: int) -> str:
    """Remove the middle of a text that is too long, and say how much was removed.

    Examples
    --------
    >>> truncate_middle("the first words and the last ones", 12)
    'the fi [21 characters left out] t ones'
    """
    half = max_characters // 2
    left_out = f" [{len(text) - 2 * half} characters left out] "
    return text if len(text) <= max_characters else text[:half] + left_out + text[-half:]
