"""Errors that the user can fix: shown as one line, exit code 2, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from benchmark.utils.text import short_repr, shorten_text


class UserError(Exception):
    """An error that the user can fix.

    The message names what was wrong, where, and what to do.
    """


class StorageError(UserError):
    """The results folder cannot be written: the disk is full, or it is read-only or locked.

    Completed cells are kept, and the same run can be continued later.
    """


def unknown_name_error(what: str, name: str, valid: Iterable[str]) -> UserError:
    """Build the error for a name that is not valid, with the nearest one that is.

    Parameters
    ----------
    what : str
        Kind of the name, such as 'extractor'.
    name : str
    valid : iterable of str

    Examples
    --------
    >>> str(unknown_name_error("extractor", "hgo", ["hog", "pixels"]))
    "unknown extractor 'hgo'; did you mean 'hog'? Valid: hog, pixels"
    """
    names = sorted(set(valid))
    completions = [valid_name for valid_name in names if name and valid_name.startswith(name)]
    nearest = [*completions, *get_close_matches(name[:200], names, n=1, cutoff=0.5)]
    hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
    listed = ", ".join(names) or "none at all"
    return UserError(f"unknown {what} '{shorten_text(name, 200)}'{hint} Valid: {listed}")


def describe_validation_error(error: Mapping[str, Any]) -> str:
    """Describe an error of pydantic, in words that follow the name of the value.

    Parameters
    ----------
    error : dict
        One of ``ValidationError.errors()``.

    Examples
    --------
    >>> error = {"type": "int_type", "msg": "Input should be a valid integer", "input": "many"}
    >>> describe_validation_error(error)
    "must be a valid integer, not 'many'"
    """
    fixed = {"missing": "is missing", "extra_forbidden": "is unknown"}
    if error["type"] in fixed:
        return fixed[error["type"]]
    text = shorten_text(str(error["msg"]), 200).removeprefix("Value error, ")
    if not text.startswith("Input should "):
        return f"is not valid: {text}"
    given = shorten_text(short_repr(error["input"]), 100)
    return f"must {text.removeprefix('Input should ')}, not {given}"
