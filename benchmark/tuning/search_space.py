"""Search spaces: the values that a search may try for the parameters of components.

They are written in the same way beside an extractor or model, as its attribute ``search_space``,
and in a study file, under ``search_spaces``: a list of values, or a distribution such as
``loguniform(0.001, 1000)``.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.text import short_repr

DISTRIBUTIONS = ("uniform", "loguniform", "randint")
_CALL = re.compile(r"(?P<name>\w+)\((?P<limits>[^()]{1,80})\)")
MAX_VALUES = 1000  # of a list


@dataclass(frozen=True)
class Distribution:
    """Distribution of a number between two limits.

    Parameters
    ----------
    name : {'uniform', 'loguniform', 'randint'}
        'loguniform' is uniform in the logarithm; 'randint' is an integer, the upper limit excluded.
    low, high : float or int

    Examples
    --------
    >>> Distribution("loguniform", 0.1, 1000).spaced_values(5)
    [0.1, 1.0, 10.0, 100.0, 1000.0]
    """

    name: str
    low: float
    high: float

    @property
    def label(self) -> str:
        """Text that ``read_values`` reads back."""
        return f"{self.name}({self.low!r}, {self.high!r})"

    def freeze(self) -> Any:
        """Return the distribution of ``scipy.stats``."""
        from scipy import stats

        if self.name == "uniform":
            return stats.uniform(self.low, self.high - self.low)
        return getattr(stats, self.name)(self.low, self.high)

    def spaced_values(self, n: int) -> list[Any]:
        """Return ``n`` values at equal distances, those of 'loguniform' in the logarithm."""
        if self.name == "randint":
            values = np.linspace(self.low, self.high - 1, n).round().astype(int)
            return list(dict.fromkeys(values.tolist()))
        space = np.geomspace if self.name == "loguniform" else np.linspace
        return [float(value) for value in space(self.low, self.high, n)]


Values = Distribution | tuple[Any, ...]  # of one parameter
SearchSpace = Mapping[str, Mapping[str, Values]]  # by the name of a component, by parameter
Candidate = Mapping[str, Mapping[str, Any]]  # the same with one value per parameter


def read_space(entry: Any, where: str) -> dict[str, Values]:
    """Read the search space of one component.

    Parameters
    ----------
    entry : mapping of parameter to list of values or distribution
    where : str
        What it belongs to, for messages.

    Raises
    ------
    UserError
        It is no such mapping.

    Examples
    --------
    >>> read_space({"C": "loguniform(0.1, 1000)", "standardize": [True, False]}, "rbf_svm")["C"]
    Distribution(name='loguniform', low=0.1, high=1000)
    """
    if not isinstance(entry, Mapping):
        raise UserError(
            f"search space of {where}: write {{parameter: [values]}} or {{parameter: "
            f"loguniform(0.1, 1000)}}, not {short_repr(entry)}"
        )
    return {str(name): read_values(values, f"{where}, {name}") for name, values in entry.items()}


def read_values(entry: Any, where: str) -> Values:
    """Read the values of one parameter: a list, or a distribution.

    Raises
    ------
    UserError
        The entry is neither, or the limits of the distribution are wrong.
    """
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, list | tuple):
        if not 1 <= len(entry) <= MAX_VALUES:
            raise UserError(
                f"search space of {where}: list 1 to {MAX_VALUES} values, not {len(entry)}"
            )
        return _freeze(entry)
    match = _CALL.fullmatch(entry.strip()) if isinstance(entry, str) else None
    if not match:
        raise UserError(
            f"search space of {where}: write a list of values, or a distribution such as "
            f"loguniform(0.1, 1000), not {short_repr(entry)}"
        )
    name = match["name"]
    if name not in DISTRIBUTIONS:
        raise unknown_name_error(
            f"distribution in the search space of {where}:", name, DISTRIBUTIONS
        )
    low, high = _read_limits(match["limits"], name, where)
    return Distribution(name, low, high)


def _freeze(value: Any) -> Any:
    """Return lists as tuples, also those inside."""
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def _read_limits(text: str, name: str, where: str) -> tuple[float, float]:
    kind = int if name == "randint" else int | float
    try:
        low, high = ast.literal_eval(f"[{text}]")
        valid = isinstance(low, kind) and isinstance(high, kind) and low < high
        valid = valid and not isinstance(low, bool) and not isinstance(high, bool)
        valid = valid and math.isfinite(high - low)
    except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError):
        valid = False
    if not valid or (name == "loguniform" and low <= 0):
        needed = {
            "randint": "two integers, the smaller one first",
            "loguniform": "two numbers above 0, the smaller one first",
        }.get(name, "two numbers, the smaller one first")
        raise UserError(f"search space of {where}: {name} takes {needed}, not ({short_repr(text)})")
    return low, high


def format_space(space: SearchSpace) -> dict[str, dict[str, Any]]:
    """Return a search space as it is written in a study file."""
    return {
        component: {
            name: values.label if isinstance(values, Distribution) else list(values)
            for name, values in parameters.items()
        }
        for component, parameters in space.items()
    }


def extreme_values(values: Values) -> Iterator[Any]:
    """Yield the values that must be valid for all to be: the limits, or each value of a list."""
    if isinstance(values, Distribution):
        yield from values.spaced_values(2)
    else:
        yield from values


def flatten_space(space: SearchSpace) -> dict[tuple[str, str], Values]:
    """Return the values by (component, parameter), sorted, for samplers of scikit-learn."""
    return {
        (component, name): values
        for component, parameters in sorted(space.items())
        for name, values in sorted(parameters.items())
    }


def nest_candidate(flat: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    """Return a candidate from values by (component, parameter), with numbers of Python's types."""
    candidate: dict[str, dict[str, Any]] = {}
    for (component, name), value in flat.items():
        plain = value.item() if isinstance(value, np.generic) else value
        candidate.setdefault(component, {})[name] = plain
    return candidate
