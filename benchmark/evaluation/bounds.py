"""What of an outcome is stored: a plug-in may raise, warn or remember 20 MB."""

from __future__ import annotations

import json
from typing import Any

from benchmark.utils.notes import Note
from benchmark.utils.text import escape_controls

MOST = {"reason": 1_000, "traceback": 20_000}  # characters
MOST_NOTES, NOTE = 50, 500  # notes, and characters of one
HISTORY = 1_000_000  # characters of JSON


def truncate_outcome(outcome: dict[str, Any]) -> dict[str, Any]:
    """Outcome of a cell with its texts cut to what a reader can use, and no character that commands a terminal."""
    kept = outcome | {
        name: truncate_middle(escape_controls(outcome[name]), most)
        for name, most in MOST.items()
        if name in outcome
    }
    notes = [
        Note.from_text(note).with_text(truncate_middle(escape_controls(note), NOTE))
        for note in outcome.get("notes", ())[:MOST_NOTES]
    ]
    if len(outcome.get("notes", ())) > MOST_NOTES:
        notes.append(Note(f"{len(outcome['notes']) - MOST_NOTES} more notes are not stored"))
    if outcome.get("history") and (size := len(json.dumps(outcome["history"]))) > HISTORY:
        kept["history"] = None
        notes.append(Note(f"the history of the training is not stored: it has {size / 1e6:.0f} MB"))
    return kept | ({"notes": notes} if notes or "notes" in outcome else {})


def truncate_middle(text: str, most: int) -> str:
    """Cut the middle out of a text that is too long.

    Examples
    --------
    >>> cut("what it says first, and last", 12)
    'what i [16 characters left out] d last'
    """
    half = most // 2
    left_out = f" [{len(text) - 2 * half} characters left out] "
    return text if len(text) <= most else text[:half] + left_out + text[-half:]
