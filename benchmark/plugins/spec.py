"""What a study names: ``hog``, ``hog(orientations=12)`` or ``{hog: {orientations: 12}}``, all one value."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from benchmark.errors import UserError
from benchmark.utils.text import normalize_unicode, short_repr

# name, then keyword arguments in parentheses; "folder:my images (2)" has no keyword, so it is a
# name to the end
_CALL = re.compile(r"(?P<name>.+?)\s*(?:\((?P<arguments>\s*(?:[A-Za-z_]\w*\s*=.*)?)\))?", re.DOTALL)
_INNER = (
    "estimator",
    "extractor",
)  # parameters that are specs themselves, as in one_vs_rest(estimator=knn)
_YAML_WORDS = {"true": True, "false": False, "null": None}  # read in parentheses as in a mapping
_LENGTH = 10_000  # characters of an entry


@dataclass(frozen=True)
class Spec:
    """A named thing with its parameters, as a study has it.

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
        """Read one entry of a study's axis.

        Raises
        ------
        UserError
            The entry is neither a name, a call with literal keyword arguments, nor a mapping of one
            name to its parameters; a parameter is given twice, or is no text, number of ordinary
            size, boolean, None or list of these.
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
        match = _CALL.fullmatch(text) if len(text) <= _LENGTH else None
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
                f"cannot read {short_repr(text)}: parameters are literals, as in hog(orientations=12)"
            ) from None
        return cls._from_params(match["name"], params)

    @classmethod
    def _from_params(cls, name: str, params: dict[str, Any]) -> Self:
        _check_text(name)
        read = {
            key: cls.parse(value) if key in _INNER and value is not None else _freeze_value(value)
            for key, value in params.items()
        }
        return cls(normalize_unicode(name), tuple(sorted(read.items())))

    @property
    def label(self) -> str:
        """The one way this is written in tables; ``Spec.parse`` reads it back."""
        if not self.params:
            return self.name
        words = (
            f"{key}={value.label if isinstance(value, Spec) else repr(value)}"
            for key, value in self.params
        )
        return f"{self.name}({', '.join(words)})"


@dataclass(frozen=True)
class ResolvedSpec(Spec):
    """A spec whose code was found, and whose parameters are those of the code; ``registry.resolve`` makes it.

    Parameters
    ----------
    name, params
        As of a `Spec`; specs among the parameters are resolved, too.
    target : str
        Where the code is: ``module:attribute`` or ``path/file.py:Class``.
    """

    target: str = field(kw_only=True)


@lru_cache
def number_in_label(parameter: str, label: str) -> float:
    """Number that a label has for a parameter, such as the ratio of an imbalance; 0 where it has none.

    Raises
    ------
    UserError
        It has something else there, or cannot be read.
    """
    value = dict(Spec.parse(label).params).get(parameter, 0)
    if not isinstance(value, int | float):
        raise UserError(f"{parameter} of {short_repr(label)} is no number")
    return float(value)


@lru_cache
def label_without(parameter: str, label: str) -> str:
    """A label without one of its parameters, such as 'step' or 'step(minority=0.2)'."""
    spec = Spec.parse(label)
    return Spec(
        spec.name, tuple((name, value) for name, value in spec.params if name != parameter)
    ).label


def parse_sum(entry: str | dict[str, Any]) -> tuple[Spec, ...]:
    """Read an extractor axis' entry, where ``a + b`` concatenates.

    Examples
    --------
    >>> [spec.label for spec in parse_sum("hog(orientations=12) + pixels")]
    ['hog(orientations=12)', 'pixels']
    """
    if not isinstance(entry, str):
        return (Spec.parse(entry),)
    parts = re.split(r"\+(?![^()]*\))", entry)
    if not all(part.strip() for part in parts):
        raise UserError(
            f"cannot read {short_repr(entry)}: a + stands between two names, as in hog + pixels"
        )
    return tuple(Spec.parse(part) for part in parts)


def join_labels(specs: tuple[Spec, ...]) -> str:
    """Label of a concatenation: ``parse_sum`` reads it back."""
    return " + ".join(spec.label for spec in specs)


def _parse_keywords(arguments: str) -> dict[str, Any]:
    """Values of keyword arguments; nothing is evaluated but literals."""
    call = ast.parse(f"f({arguments})", mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError("more than keyword arguments")
    values: dict[str, Any] = {}
    for word in call.keywords:
        if word.arg is None:
            raise ValueError("** is not read")
        if word.arg in values:
            raise UserError(
                f"the parameter {word.arg} is given twice in {short_repr(arguments)}: write it once"
            )
        values[word.arg] = _parse_value(word.value)
    return values


def _parse_value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _YAML_WORDS:
        return _YAML_WORDS[node.id]
    called = node.func if isinstance(node, ast.Call) else node
    if isinstance(called, ast.Name):
        return Spec.parse(ast.unparse(node))
    return ast.literal_eval(node)


def _freeze_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze_value(item) for item in value)
    if isinstance(value, str):
        _check_text(value)
        return normalize_unicode(value)
    if not _is_plain(value):
        raise UserError(
            f"cannot read {short_repr(getattr(value, 'label', value))} as a parameter: "
            "values are finite numbers (integers within 2**32 of 0, larger ones as 1e10), "
            "'strings', True, False, None and lists"
        )
    return value


def _is_plain(value: Any) -> bool:
    """Whether a value is None, a boolean or a number of ordinary size."""
    if isinstance(value, int):
        return (
            abs(value) < 2**32
        )  # no component counts further, and compiled code would wrap around
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _check_text(text: str) -> None:
    """Refuse what no file, database or terminal takes as text."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UserError(
            f"cannot read {short_repr(text)}: it has a NUL or a character that is no Unicode"
        )
