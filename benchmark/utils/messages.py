"""Texts of exceptions and warnings, whose classes a plug-in may define."""

from __future__ import annotations

import warnings


def describe_warnings(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return the category and the first line of each warning, without duplicates."""
    return list(
        dict.fromkeys(
            f"{item.category.__name__}: {exception_text(item.message).partition(chr(10))[0]}"
            for item in caught
        )
    )


def exception_text(message: object) -> str:
    """Text of an exception or a warning, even if its ``__str__`` fails or returns invalid Unicode.

    Examples
    --------
    >>> exception_text(ValueError("the lens cap is on"))
    'the lens cap is on'
    """
    try:
        return str(message).encode(errors="replace").decode()
    except BaseException:  # a plug-in's __str__ may raise anything
        return f"a {type(message).__name__} without a readable message"
