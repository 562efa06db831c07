"""Reading and writing YAML 1.2: scalars, lists and mappings, with limits on size and depth."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

from benchmark.errors import UserError
from benchmark.utils.text import one_line, short_repr

MAX_CHARACTERS = 200_000
MAX_VALUES = 10_000  # an alias counts as all values that it refers to
MAX_LEVELS = 20  # of nested lists and mappings
_CORE_SCHEMA = (
    ("null", r"null|Null|NULL|~|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
)


class _CoreResolver(VersionedResolver):
    """Resolve plain scalars by the core schema of YAML 1.2, whatever version a file declares.

    ruamel.yaml's own rules for 1.2 add dates, ``1_000``, ``0b11`` and ``<<``.
    """

    @property
    def versioned_resolver(self) -> Any:
        """Patterns of scalars, by their first character."""
        return self.yaml_implicit_resolvers

    @property
    def processing_version(self) -> tuple[int, int]:
        """YAML version by which numbers are read."""
        return 1, 2


_CoreResolver.yaml_implicit_resolvers = {}
for _type, _pattern, _first in _CORE_SCHEMA:
    _tag, _whole = f"tag:yaml.org,2002:{_type}", re.compile(rf"(?:{_pattern})\Z")
    _CoreResolver.add_implicit_resolver_base(_tag, _whole, _first)


class _UniqueKeys(SafeConstructor):
    """Refuse duplicate keys, and keys that are not text."""

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        if not isinstance(key, str):
            raise _yaml_error(key_node, f"the key {short_repr(key)} is not text")
        if key in mapping:
            raise _yaml_error(key_node, f"the key {short_repr(key)} is given twice: write it once")
        return True


class _QuotedLineEnds(SafeRepresenter):
    """Quote text with a NEL, a line end in YAML 1.1, which the library would write as one."""

    def represent_str(self, data: str) -> Any:
        style = '"' if "\x85" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_QuotedLineEnds.add_representer(str, _QuotedLineEnds.represent_str)


def read_yaml(text: str, where: str) -> Any:
    """Read the value of a text that is one YAML document.

    Numbers, booleans and null follow the core schema of YAML 1.2: ``1e-3`` and ``064`` are numbers,
    ``no`` and ``1:30`` are text.

    Parameters
    ----------
    text : str
    where : str
        Name of the text in messages, such as its path.

    Raises
    ------
    UserError
        The text is not valid YAML; has a duplicate key, a key that is not text, a tag (``!!int``),
        a NUL character, an alias inside the value that it refers to, or a second document; or
        exceeds ``MAX_CHARACTERS``, ``MAX_VALUES`` or ``MAX_LEVELS``. The message names the line.

    Examples
    --------
    >>> read_yaml("seeds: [0, 1]", "study.yaml")
    {'seeds': [0, 1]}
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            f"{where} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        )
    try:
        _check_events(_new_yaml().parse(text))
        return _new_yaml().load(text)
    except MarkedYAMLError as error:
        what = one_line(": ".join(filter(None, (error.context, error.problem))), 300)
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{where}{line}: not valid YAML: {what}") from None
    except (YAMLError, AssertionError, ValueError) as error:
        # such as a control character, an unknown version, or a number of 5,000 digits
        raise UserError(f"{where}: not valid YAML: {one_line(str(error), 300)}") from None


def write_yaml(content: dict[str, Any]) -> str:
    """Write a value as YAML that ``read_yaml`` reads back to the same value.

    Examples
    --------
    >>> write_yaml({"seeds": [0, 1], "split": "no"}).splitlines()
    ['seeds:', '- 0', '- 1', 'split: no']
    """
    yaml, stream = _new_yaml(), io.StringIO()
    yaml.width = 120
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(content, stream)
    return stream.getvalue()


def _new_yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # libyaml supports YAML 1.1 only
    yaml.Resolver, yaml.Constructor = _CoreResolver, _UniqueKeys
    yaml.Representer = _QuotedLineEnds
    return yaml


def _check_events(parsed: Iterator[Any]) -> None:
    """Refuse unsupported or too large content before any value is constructed."""
    # number of values under every complete anchor
    sizes: dict[str, int] = {}
    # anchor of every open list or mapping, and the number of values before it
    opened: list[tuple[str | None, int]] = []
    n, documents = 0, 0
    for event in parsed:
        documents += isinstance(event, events.DocumentStartEvent)
        if documents > 1:
            raise _yaml_error(event, "a second document begins")
        if isinstance(event, events.AliasEvent):
            if event.anchor in (anchor for anchor, _ in opened):
                raise _yaml_error(event, f"*{event.anchor} is inside the value that it refers to")
            n += sizes.get(event.anchor, 1)
        elif isinstance(event, events.NodeEvent):
            _check_node(event)
            n += 1
        if isinstance(event, events.CollectionStartEvent):
            opened.append((event.anchor, n))
        elif isinstance(event, events.CollectionEndEvent):
            anchor, before = opened.pop()
            sizes |= {anchor: n - before + 1} if anchor else {}
        if n > MAX_VALUES:
            raise _yaml_error(event, f"more than {MAX_VALUES:,} values, aliases included")
        if len(opened) > MAX_LEVELS:
            raise _yaml_error(event, f"more than {MAX_LEVELS} levels of lists and mappings")


def _check_node(event: Any) -> None:
    if event.tag is not None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        raise _yaml_error(event, f"the tag {tag}: tags are not supported, write only the value")
    if "\0" in getattr(event, "value", ""):
        raise _yaml_error(event, "a text contains a NUL character")


def _yaml_error(place: Any, problem: str) -> MarkedYAMLError:
    """Return the error for a problem at an event or a node."""
    return MarkedYAMLError(problem=problem, problem_mark=place.start_mark)
