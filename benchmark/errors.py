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


class MissingPackageError(UserError):
    """A component needs a package that is not installed; the message says how to install it."""


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


# error type of pydantic -> words, and the name of the bound in the error's context
_BOUNDS = {
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("greater than", "gt"),
}


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
    given = shorten_text(short_repr(error["input"]), 100)
    if error["type"] in _BOUNDS:
        words, bound = _BOUNDS[error["type"]]
        return f"must be {words} {error['ctx'][bound]:g}, not {given}"
    if error["type"] == "string_pattern_mismatch":
        return (
            f"must begin with a letter, digit or _, and have only these, '-' and '.', not {given}"
        )
    text = shorten_text(str(error["msg"]), 200).removeprefix("Value error, ")
    if not text.startswith("Input should "):
        return f"is not valid: {text}"
    return f"must {text.removeprefix('Input should ')}, not {given}"
