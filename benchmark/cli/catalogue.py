"""The output of ``list``: a line about every name, and the parameters of one component."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.registry import KINDS, import_target, registered_targets, settable_parameters
from benchmark.plugins.spec import ResolvedSpec
from benchmark.results.columns import COLUMNS
from benchmark.scoring.clinical import CLINICAL, FAMILIES
from benchmark.scoring.metrics import METRICS
from benchmark.study.load import read_suites
from benchmark.study.spaces import declared_space
from benchmark.tuning.search_space import format_space
from benchmark.utils.text import short_repr
from benchmark.utils.yaml_files import read_yaml

# groups of names that can be written in a study or on the command line
NAMED = (
    "datasets",
    "extractors",
    "models",
    "strategies",
    "tunings",
    "splits",
    "imbalances",
    "occlusions",
    "metrics",
    "suites",
)
GROUPS = (*NAMED, "columns")
NEEDS = {"labels": "predicted labels", "proba": "probabilities"}


def names_with_summaries(group: str) -> dict[str, str]:
    """Return the names in one of ``GROUPS``, each with a line that describes it."""
    if group == "metrics":
        return {
            metric.name: f"{metric.describes} (from {NEEDS[metric.needs]})"
            for metric in (*METRICS.values(), *CLINICAL.values())
        } | {f"{name}({family.parameter})": family.describes for name, family in FAMILIES.items()}
    if group == "columns":
        return {name: column.meaning for name, column in COLUMNS.items()}
    if group == "suites":
        return {name: _read_suite_description(text) for name, text in read_suites().items()}
    kind = {"strategies": "strategy"}.get(group, group.removesuffix("s"))
    return {
        name + ("PATH" if name.endswith(":") else ""): _first_docstring_line(target)
        for name, target in registered_targets(kind).items()
    }


def describe_component(name: str) -> Iterator[str]:
    """Describe one name: its kind, the first line of its docstring, and its parameters.

    Yields
    ------
    str
        A line of the description; one line per parameter, with its default.

    Raises
    ------
    UserError
        Nothing has this name. The message suggests the nearest name.
    """
    targets = {
        (kind, known.removesuffix(":")): target
        for kind in KINDS
        for known, target in registered_targets(kind).items()
    }
    texts = {
        (group, known): line
        for group in ("metrics", "suites", "columns")
        for known, line in names_with_summaries(group).items()
    }
    names = [known for _, known in (*targets, *texts)]
    if name not in names:
        raise unknown_name_error("group or component", name, [*GROUPS, *names])
    for (kind, known), target in targets.items():
        if known == name:
            yield f"{kind} {name}: {_first_docstring_line(target)}"
            yield from _parameter_lines(ResolvedSpec(name, target=target))
            yield from _search_space_lines(name, target)
    for (group, known), line in texts.items():
        if known == name:
            yield f"{group.removesuffix('s')} {name}: {line}"


def _parameter_lines(spec: ResolvedSpec) -> Iterator[str]:
    for name, parameter in settable_parameters(spec).items():
        default = (
            "required"
            if parameter.default is inspect.Parameter.empty
            else short_repr(parameter.default)
        )
        yield f"  {name} = {default}"


def _search_space_lines(name: str, target: str) -> Iterator[str]:
    """Yield the values that tuning tries for the parameters of a component, if it declares any."""
    space = format_space({name: declared_space(target, name)})[name]
    if space:
        yield "  tuning tries:"
    for parameter, values in space.items():
        yield f"    {parameter}: {values}"


def _first_docstring_line(target: str) -> str:
    try:
        return (import_target(target).__doc__ or "").strip().split("\n")[0]
    except UserError as error:  # a package that does not import must not hide the rest of the list
        return str(error)


def _read_suite_description(text: str) -> str:
    return str(read_yaml(text, "a suite").get("description", ""))
