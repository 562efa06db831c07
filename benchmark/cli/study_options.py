"""Command-line options that describe a study: one per axis, and those of its other keys."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.errors import UserError
from benchmark.study.axes import AXES

if TYPE_CHECKING:
    from benchmark.study.study import Study

KEYWORD = "study"


def with_study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter ``study`` of a command with the options that describe a study.

    Parameters
    ----------
    command : callable
        Called with the study that the options describe as ``study``.

    Returns
    -------
    callable
        A function whose signature has the options, as typer reads it.
    """
    own = _make_parameters()

    @functools.wraps(command)
    def call_with_study(**options: Any) -> None:
        given = {parameter.name: options.pop(parameter.name) for parameter in own}
        command(**options, **{KEYWORD: _load_study(**given)})

    parameters = []
    # the type of a study is not imported, since `--help` would take longer
    signature = inspect.signature(command, eval_str=True, locals={"Study": object})
    for parameter in signature.parameters.values():
        parameters += own if parameter.name == KEYWORD else [parameter]
    call_with_study.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call_with_study.__annotations__ = {
        parameter.name: parameter.annotation for parameter in parameters
    }
    return call_with_study


def _load_study(
    suite: str | None, suite_option: str | None, folds: int | None, plugin: list[str], **keys: Any
) -> Study:
    from benchmark.study.load import load_study

    if suite and suite_option:
        raise UserError(f"two studies are named, '{suite}' and '{suite_option}': name one")
    keys |= {axis.plural: keys.pop(axis.name) for axis in AXES}
    keys |= {"split": None if folds is None else f"stratified_kfold(folds={folds})"}
    keys |= {"accelerate": keys["accelerate"] or None}
    study = load_study(suite or suite_option, **keys).with_plugins(plugin)
    if keys["extractors"] and not keys["models"]:
        study.refuse_unused_extractors()
    return study


def _make_parameters() -> list[inspect.Parameter]:
    """Return the parameters of a command from which ``_load_study`` makes a study."""
    return [
        inspect.Parameter(
            "suite",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[str | None, typer.Argument(metavar="STUDY", help=_STUDY_HELP)],
        ),
        _make_option("suite_option", str | None, "--suite", "The same as STUDY.", metavar="STUDY"),
        *(
            _make_option(
                axis.name,
                list[str],
                axis.option_name,
                f"{axis.help}; replaces those of the study; repeatable.",
            )
            for axis in AXES
        ),
        _make_option("name", str | None, "--name", _NAME_HELP),
        _make_option("size", int | None, "--size", _SIZE_HELP, metavar="PIXELS"),
        _make_option("folds", int | None, "--folds", FOLDS_HELP),
        _make_option("plugin", list[str], "--plugin", _PLUGIN_HELP, metavar="FILE.py"),
        _make_option("time_limit", float | None, "--time-limit", _TIME_HELP, metavar="SECONDS"),
        _make_option("memory_limit", str | None, "--memory-limit", _MEMORY_HELP),
        _make_option("accelerate", bool, "--accelerate", _ACCELERATE_HELP),
    ]


def _make_option(
    name: str, type_: Any, flag: str, help_text: str, metavar: str | None = None
) -> inspect.Parameter:
    default: Any = [] if type_ == list[str] else (False if type_ is bool else None)
    option = typer.Option(flag, metavar=metavar, help=help_text)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[type_, option],
    )


_STUDY_HELP = (
    "Name of a suite (see `list suites`), or path of a YAML file. Default: real_images for your "
    "own images and for MedMNIST above 28 pixels, and digits for all other datasets."
)
_NAME_HELP = "Name of the study and of its results folder. Default: that of the suite or the data."
_SIZE_HELP = "Resize the images to this side. Default: the size of the study or the dataset."
FOLDS_HELP = "Number of folds of a stratified cross-validation, instead of the study's split."
_PLUGIN_HELP = "Python file with plug-ins to add to the study; repeatable."
_TIME_HELP = "Seconds after which a cell is stopped."
_MEMORY_HELP = "Memory of a worker above which its cell is stopped, such as 4GB."
_ACCELERATE_HELP = "Use scikit-learn-intelex for random forests (needs the extra 'fast')."
