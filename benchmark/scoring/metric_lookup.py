"""Find a metric by its name, which may have a parameter: ``f1``, ``net_benefit(0.2)``."""

from __future__ import annotations

import re
from functools import lru_cache

from benchmark.errors import UserError, unknown_name_error
from benchmark.scoring.clinical import CLINICAL, FAMILIES
from benchmark.scoring.metrics import METRICS, Metric
from benchmark.utils.text import short_repr

_CALL = re.compile(r"(\w+)\((?:(\w+)\s*=\s*)?([-+\w.]+)\)")


@lru_cache(maxsize=256)
def find_metric(name: str) -> Metric:
    """Find the declaration of a metric.

    Parameters
    ----------
    name : str
        Such as 'f1', 'sensitivity' or 'sensitivity_at_specificity(0.9)'.

    Raises
    ------
    UserError
        There is no such metric, or its parameter is missing or out of range.

    Examples
    --------
    >>> find_metric("net_benefit(threshold=0.20)").name
    'net_benefit(0.2)'
    """
    if name in METRICS:
        return METRICS[name]
    if name in CLINICAL:
        return CLINICAL[name]
    call = _CALL.fullmatch(name.strip())
    family = FAMILIES.get(call[1] if call else name)
    if family is None:
        raise unknown_name_error("metric", name, list_metric_names())
    if call is None:
        raise UserError(
            f"metric '{name}' needs a {family.parameter}: write {name}({family.example:g})"
        )
    if call[2] not in (None, family.parameter):
        raise UserError(
            f"metric {short_repr(name)}: its parameter is {family.parameter}, not {call[2]}"
        )
    try:
        value = float(call[3])
    except ValueError:
        value = -1
    if not 0 < value < 1:
        raise UserError(
            f"metric {short_repr(name)}: {family.parameter} is a number between 0 and 1"
        )
    return family.make(value)


def is_metric(name: str) -> bool:
    """Whether there is a metric of this name."""
    call = _CALL.fullmatch(name)
    return name in METRICS or name in CLINICAL or (call is not None and call[1] in FAMILIES)


def check_ranking_metric(name: str) -> None:
    """Raise a UserError if there is no such metric, or if it does not rank configurations."""
    metric = find_metric(name)
    if metric.target is not None:
        raise UserError(
            f"{name} is best at {metric.target:g}, neither high nor low, and does not rank: rank "
            f"by another metric, and show it with --metrics {name}"
        )


def check_stored_metric(name: str) -> None:
    """Raise a UserError if there is no such metric, or if the rows of cells do not have it."""
    check_ranking_metric(name)
    if name not in METRICS:
        raise UserError(
            f"{name} is computed when it is asked for: rank by {name} with `table DIR --metric "
            f"{name}` after the run"
        )


def list_metric_names() -> list[str]:
    """List the names of all metrics, with the parameter of those that need one."""
    families = [f"{name}({family.parameter})" for name, family in FAMILIES.items()]
    return [*METRICS, *CLINICAL, *families]
