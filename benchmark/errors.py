"""Errors that the user can fix: shown as one line, exit code 2, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from benchmark.utils.text import short_repr, shorten_text


class UserError(Exception):
    """A user's mistake: the message names what was wrong, where, and what to do."""


class StorageError(UserError):
    """The results folder cannot be written (full, read-only, locked): nothing is lost, and the same run can go on later."""


def unknown_name_error(what: str, name: str, valid: Iterable[str]) -> UserError:
    """Build the error for a name that is not on a list, with the nearest one that is.

    Examples
    --------
    >>> str(unknown("extractor", "hgo", ["hog", "pixels"]))
    "unknown extractor 'hgo'; did you mean 'hog'? Valid: hog, pixels"
    """
    names = sorted(valid)
    begun = [valid_name for valid_name in names if name and valid_name.startswith(name)]
    near = [*begun, *get_close_matches(name[:200], names, n=1, cutoff=0.5)]
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UserError(
        f"unknown {what} '{shorten_text(name, 200)}'; {hint}Valid: {', '.join(names) or 'none at all'}"
    )


def describe_validation_error(error: Mapping[str, Any]) -> str:
    """What pydantic finds wrong with a value, to be read after the name of the value.

    Parameters
    ----------
    error : dict
        One of ``ValidationError.errors()``.

    Examples
    --------
    >>> validation_problem({"type": "int_type", "msg": "Input should be a valid integer", "input": "many"})
    "must be a valid integer, not 'many'"
    """
    fixed = {"missing": "is missing", "extra_forbidden": "is unknown"}
    if error["type"] in fixed:
        return fixed[error["type"]]
    text = shorten_text(str(error["msg"]), 200).removeprefix("Value error, ")
    if not text.startswith("Input should "):
        return f"is not valid: {text}"
    return f"must {text.removeprefix('Input should ')}, not {shorten_text(short_repr(error['input']), 100)}"
