"""Digests of content and files, and seeds derived from text."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

DIGITS = 20  # hexadecimal, of a digest


def digest_of(content: Any) -> str:
    """Digest of anything JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[
        :DIGITS
    ]


def digest_of_file(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def derive_seed(text: str, bits: int) -> int:
    """Non-negative integer below ``2**bits`` that depends on the text alone.

    Parameters
    ----------
    text : str
    bits : int
        A multiple of 4.
    """
    return int(hashlib.sha256(text.encode()).hexdigest()[: bits // 4], 16)
