"""Command-line options derived from the axes of a study, such as ``--extractor``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from benchmark.study.axes import AXES

KEYWORD = "entries"


def with_axis_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter ``entries`` of a command with one repeatable option per axis.

    Parameters
    ----------
    command : callable
        Called with the values of these options as ``entries``: lists of str by the plural of their
        axis, which ``load_study`` accepts.

    Returns
    -------
    callable
        A function whose signature has the options, as typer reads it.
    """

    @functools.wraps(command)
    def call_with_entries(**options: Any) -> None:
        entries = {axis.plural: options.pop(axis.name) for axis in AXES}
        command(**options, **{KEYWORD: entries})

    parameters = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += _make_axis_parameters() if parameter.name == KEYWORD else [parameter]
    call_with_entries.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call_with_entries.__annotations__ = {
        parameter.name: parameter.annotation for parameter in parameters
    }
    return call_with_entries


def _make_axis_parameters() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            axis.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=[],
            annotation=Annotated[
                list[str],
                typer.Option(
                    axis.option_name, help=f"{axis.help}; replaces those of the study; repeatable."
                ),
            ],
        )
        for axis in AXES
    ]
