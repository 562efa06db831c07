"""Search spaces of the configurations of a study: those it lists, and those components declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.registry import KINDS, check_values, import_target, settable_parameters
from benchmark.plugins.spec import ResolvedSpec
from benchmark.tuning.search_space import SearchSpace, Values, extreme_values, read_space


def find_search_space(given: SearchSpace, *specs: ResolvedSpec) -> dict[str, dict[str, Values]]:
    """Find the search space of a configuration.

    Parameters
    ----------
    given : mapping of component to mapping of parameter to values
        Those that the study lists. They replace what a component declares.
    *specs : ResolvedSpec
        Extractors, strategies and model of the configuration.

    Returns
    -------
    dict
        Only of components that have a search space.
    """
    space = {}
    for spec in walk_specs(specs):
        values = given.get(spec.name, declared_space(spec.target, spec.name))
        if values:
            space[spec.name] = dict(values)
    return space


@lru_cache(maxsize=256)
def declared_space(target: str, name: str) -> Mapping[str, Values]:
    """Read the attribute ``search_space`` of a component; empty if it has none.

    Raises
    ------
    UserError
        It is not a search space.
    """
    declared = getattr(import_target(target), "search_space", None)
    return read_space(declared, name) if declared else {}


def walk_specs(value: Any) -> Iterator[ResolvedSpec]:
    """Yield every component in a value of an axis, also those among the parameters of others."""
    if isinstance(value, ResolvedSpec):
        yield value
        yield from walk_specs([item for _, item in value.params])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from walk_specs(item)


def check_search_spaces(spaces: SearchSpace, values: Iterable[Any], study: str) -> None:
    """Check that the components of a study take the values of its search spaces.

    Those of components that the study does not have, or has no longer, are not checked.

    Parameters
    ----------
    spaces : mapping of component to mapping of parameter to values
    values : iterable
        Resolved extractors, strategies and models.
    study : str
        Name of the study, for messages.

    Raises
    ------
    UserError
        A component is unknown, or does not have a parameter or take a value.
    """
    specs = {spec.name: spec for spec in walk_specs([*values])}
    known = {name for kind in ("extractor", "strategy", "model") for name in KINDS[kind]}
    for name, parameters in spaces.items():
        if name not in known | set(specs):
            error = unknown_name_error("component", name, [*specs, *known])
            raise UserError(f"study '{study}': search_spaces: {error}")
        if name not in specs:
            continue
        check_space(specs[name], parameters, f"study '{study}': search space of {name}")


def check_space(spec: ResolvedSpec, space: Mapping[str, Values], where: str) -> None:
    """Check that a component has the parameters of a search space, and takes their values.

    Raises
    ------
    UserError
    """
    settable = settable_parameters(spec)
    for parameter in space:
        if parameter not in settable:
            raise UserError(f"{where}: {unknown_name_error('parameter', parameter, settable)}")
    # some parameters are valid only together, and a candidate has a value of each
    first = {parameter: next(extreme_values(values)) for parameter, values in space.items()}
    for parameter, values in space.items():
        for value in extreme_values(values):
            params = dict(spec.params) | first | {parameter: value}
            changed = replace(spec, params=tuple(sorted(params.items())))
            try:
                check_values(changed)
            except UserError as error:
                raise UserError(f"{where}: {error}") from None
