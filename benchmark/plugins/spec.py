"""Specs: names of components with parameters, as they are written in studies.

``hog(orientations=12)`` and ``{hog: {orientations: 12}}`` are the same spec.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from benchmark.errors import UserError
from benchmark.utils.text import normalize_unicode, short_repr

# a name, then keyword arguments in parentheses; "folder:my images (2)" has no keyword arguments,
# so that all of it is the name
_CALL = re.compile(r"(?P<name>.+?)\s*(?:\((?P<arguments>\s*(?:[A-Za-z_]\w*\s*=.*)?)\))?", re.DOTALL)
# parameters whose values are specs, as in one_vs_rest(estimator=knn)
_SPEC_PARAMETERS = ("estimator", "extractor")
# parameter of every dataset: its name in tables
DATASET_NAME = "name"
POSITIVE = "positive"
GROUP_PREFIX = "group_prefix"
GROUP_FILE, DROP_FILE = "group_file", "drop_file"
# those that every dataset has
DATASET_PARAMETERS = (DATASET_NAME, POSITIVE, GROUP_PREFIX, GROUP_FILE, DROP_FILE)
# parameters that describe the images of a dataset, and change none of them
DESCRIPTIVE_PARAMETERS = ("id", "attributes", POSITIVE, "licence", "citation")
_YAML_CONSTANTS = {"true": True, "false": False, "null": None}
_MAX_LENGTH = 10_000  # characters of an entry


@dataclass(frozen=True)
class Spec:
    """Name of a component with its parameters, as in a study.

    Parameters
    ----------
    name : str
    params : tuple of (str, value)
        Sorted by name. A value is None, a boolean, number, string or `Spec`, or a tuple of these.

    See Also
    --------
    parse_sum : Read an entry in which ``a + b`` concatenates extractors.
    benchmark.plugins.registry.resolve_spec : Find the code of a spec.

    Examples
    --------
    >>> Spec.parse("hog(orientations=12)") == Spec.parse({"hog": {"orientations": 12}})
    True
    >>> Spec.parse({"one_vs_rest": {"estimator": "knn"}}).label
    'one_vs_rest(estimator=knn)'
    """

    name: str
    params: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, entry: str | dict[str, Any] | Spec) -> Self:
        """Read an entry of an axis.

        Parameters
        ----------
        entry : str, dict or Spec
            A name, a call with literal keyword arguments, or a mapping of one name to its
            parameters.

        Raises
        ------
        UserError
            The entry is none of these, a parameter is given twice, or a value is not a text, a
            finite number within limits, a boolean, None or a list of these.
        """
        if isinstance(entry, cls):
            return entry
        if isinstance(entry, str):
            return cls._from_call(entry.strip())
        if isinstance(entry, dict) and len(entry) == 1:
            name, params = next(iter(entry.items()))
            if isinstance(name, str) and isinstance(params or {}, dict):
                return cls._from_params(name, params or {})
        raise UserError(
            f"cannot read {short_repr(entry)}: write a name, name(parameter=value) or {{name: "
            "{parameter: value}}"
        )

    @classmethod
    def _from_call(cls, text: str) -> Self:
        match = _CALL.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if not match:
            raise UserError(
                f"cannot read {short_repr(text)}: too long to be a name with parameters"
                if text
                else "an empty name in the study"
            )
        try:
            params = _parse_keywords(match["arguments"] or "")
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            raise UserError(
                f"cannot read {short_repr(text)}: parameters must be literals, as in "
                "hog(orientations=12)"
            ) from None
        return cls._from_params(match["name"], params)

    @classmethod
    def _from_params(cls, name: str, params: dict[str, Any]) -> Self:
        _check_text(name)
        values = {
            key: cls.parse(value)
            if key in _SPEC_PARAMETERS and value is not None
            else _freeze_value(value)
            for key, value in params.items()
        }
        return cls(normalize_unicode(name), tuple(sorted(values.items())))

    @property
    def label(self) -> str:
        """Canonical text of the spec, as in tables; `parse` reads it back."""
        if not self.params:
            return self.name
        arguments = (
            f"{key}={value.label if isinstance(value, Spec) else repr(value)}"
            for key, value in self.params
        )
        return f"{self.name}({', '.join(arguments)})"


@dataclass(frozen=True)
class ResolvedSpec(Spec):
    """Spec whose code was found and whose parameters were checked, by ``registry.resolve_spec``.

    Parameters
    ----------
    name, params
        As in `Spec`; specs among the parameters are resolved as well.
    target : str
        Location of the code: ``module:attribute`` or ``path/file.py:Class``.
    """

    target: str = field(kw_only=True)


@lru_cache
def number_in_label(parameter: str, label: str) -> float:
    """Value of a numeric parameter in a label; 0 if the label lacks it.

    Raises
    ------
    UserError
        The value is not a number, or the label cannot be read.

    Examples
    --------
    >>> number_in_label("ratio", "step(ratio=10)")
    10.0
    """
    value = dict(Spec.parse(label).params).get(parameter, 0)
    if not isinstance(value, int | float):
        raise UserError(f"{parameter} of {short_repr(label)} is not a number")
    return float(value)


@lru_cache
def label_without(parameter: str, label: str) -> str:
    """Label without one of its parameters.

    Examples
    --------
    >>> label_without("ratio", "step(minority=0.2, ratio=10)")
    'step(minority=0.2)'
    """
    spec = Spec.parse(label)
    params = tuple((name, value) for name, value in spec.params if name != parameter)
    return Spec(spec.name, params).label


def parse_sum(entry: str | dict[str, Any]) -> tuple[Spec, ...]:
    """Read an entry of the extractor axis, in which ``a + b`` concatenates two extractors.

    Examples
    --------
    >>> [spec.label for spec in parse_sum("hog(orientations=12) + pixels")]
    ['hog(orientations=12)', 'pixels']
    """
    if not isinstance(entry, str):
        return (Spec.parse(entry),)
    terms = re.split(r"\+(?![^()]*\))", entry)
    if not all(term.strip() for term in terms):
        raise UserError(
            f"cannot read {short_repr(entry)}: write a + between two names, as in hog + pixels"
        )
    return tuple(Spec.parse(term) for term in terms)


def join_labels(specs: tuple[Spec, ...]) -> str:
    """Label of a concatenation; `parse_sum` reads it back."""
    return " + ".join(spec.label for spec in specs)


def _parse_keywords(arguments: str) -> dict[str, Any]:
    """Values of keyword arguments, of which only literals are evaluated."""
    call = ast.parse(f"f({arguments})", mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError("more than keyword arguments")
    values: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("** is not supported")
        if keyword.arg in values:
            raise UserError(
                f"the parameter {keyword.arg} is given twice in {short_repr(arguments)}: "
                "write it once"
            )
        values[keyword.arg] = _parse_value(keyword.value)
    return values


def _parse_value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _YAML_CONSTANTS:
        return _YAML_CONSTANTS[node.id]
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Name):
        return Spec.parse(ast.unparse(node))
    return ast.literal_eval(node)


def _freeze_value(value: Any) -> Any:
    """Value of a parameter, with lists as tuples and text in Unicode's normal form."""
    if isinstance(value, list | tuple):
        return tuple(_freeze_value(item) for item in value)
    if isinstance(value, str):
        _check_text(value)
        return normalize_unicode(value)
    if not _is_plain(value):
        label = getattr(value, "label", None)
        hint = (
            f"; write '{label}' in quotes if it is text" if label and label.isidentifier() else ""
        )
        raise UserError(
            f"cannot read {short_repr(label or value)} as a parameter: "
            "values are finite numbers (integers within 2**32 of 0, larger ones as 1e10), "
            f"'strings', True, False, None and lists{hint}"
        )
    return value


def _is_plain(value: Any) -> bool:
    """Whether a value is None, a boolean, a finite float or an integer of at most 32 bits."""
    if isinstance(value, int):
        # no component needs larger ones, and native code would overflow
        return abs(value) < 2**32
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _check_text(text: str) -> None:
    """Refuse text that cannot be stored in files or printed."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UserError(
            f"cannot read {short_repr(text)}: it contains a NUL or an invalid Unicode character"
        )
