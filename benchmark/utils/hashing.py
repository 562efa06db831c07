"""Digests of values and files, and seeds derived from text."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

DIGITS = 20  # hexadecimal digits of a digest


def digest_of(content: Any) -> str:
    """Return the digest of a value that JSON can represent.

    Examples
    --------
    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def digest_of_file(path: Path) -> str:
    """Return the digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def derive_seed(text: str, bits: int) -> int:
    """Return a non-negative integer below ``2**bits`` that depends on the text only.

    Parameters
    ----------
    text : str
    bits : int
        A multiple of 4.
    """
    return int(hashlib.sha256(text.encode()).hexdigest()[: bits // 4], 16)
