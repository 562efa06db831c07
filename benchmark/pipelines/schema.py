"""A skops file, checked and rewritten before skops reads it: its types, its arrays, and the memory that it takes.

skops follows what a file says: lists that share their items, arrays of announced sizes, text within
text. All of that is bounded here by depth, number and bytes. What skops is then given is written
anew, each object once for each place that it stands in.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.tree._tree import NODE_DTYPE

from benchmark.errors import UserError
from benchmark.pipelines.trusted import LOADERS

LONGEST_SCHEMA = 2**26  # bytes; that of 1,000 balanced trees has 20 MB
MOST_TOKENS = (
    6_000_000  # brackets, braces and commas of a schema: what Python makes of them takes 1 GB
)
MOST_NODES = 1_000_000  # objects; 1,000 balanced trees have 200,000
LONGEST_VALUE = 10_000  # characters of a number, a text or None
MOST_PARTS = 200_000  # arrays
DEEPEST = 50  # objects within objects
NOTHING = {
    "__class__": "str",
    "__module__": "builtins",
    "__loader__": "JsonNode",
    "content": "null",
}
GENERATORS = ("RandomStateNode", "RandomGeneratorNode")  # nothing is drawn in a prediction
RECORDS = (NODE_DTYPE, PREDICTOR_RECORD_DTYPE)
NUMBERS = {np.dtype(kind) for kind in "?bBhHiIlLqQefd"}
LONGEST_WORD = 4_000  # bytes of an entry of an array of text


class UnknownContentError(UserError):
    """A file holds something that no pipeline's file can."""


@dataclass
class Budget:
    """Bytes that may still be unpacked.

    Parameters
    ----------
    left : int
    total : int
    """

    left: int
    total: int

    def spend_bytes(self, n_bytes: int) -> None:
        """Spend bytes.

        Raises
        ------
        UserError
            There are not as many left.
        """
        self.left -= n_bytes
        if self.left < 0:
            raise UserError(f"its parts unpack to more than {self.total / 1e9:.1f} GB")


def clean_skops(content: bytes, trusted: Collection[str], budget: Budget) -> bytes:
    """Check the content of a skops file, and write it anew.

    Parameters
    ----------
    content : bytes
    trusted : names of types
    budget : Budget
        Bytes of every array count as often as it is named, since each naming is a copy.

    Returns
    -------
    bytes
        Without random generators, which skops would restore unchecked, and without references from
        one place to another.

    Raises
    ------
    UserError
        A type is not trusted, a bound is exceeded, or an array is not what its header says.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sizes = announced_sizes(archive)
        if "schema.json" not in sizes:
            raise UserError("a part of it is no skops file")
        schema = parse_json(read_member(archive, "schema.json", LONGEST_SCHEMA))
        named: set[str] = set()
        arrays: set[str] = set()
        for node in _checked_nodes(schema, trusted):
            if "file" in node:
                budget.spend_bytes(sizes[node["file"]])
                named.add(node["file"])
                if node["__loader__"] != "BytesNode":
                    arrays.add(node["file"])
        contents = {name: read_member(archive, name, sizes[name]) for name in named}
    for name in arrays:
        _check_array(name, contents[name])
    return _write_skops(schema, contents, zipfile.ZIP_STORED)


def compact_skops(content: bytes) -> bytes:
    """Content of a skops file without what is not read back; smaller, and without addresses of this process's memory."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    return _write_skops(json.loads(arrays.pop("schema.json")), arrays, zipfile.ZIP_DEFLATED)


def _write_skops(schema: Any, arrays: dict[str, bytes], compression: int) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(
            "schema.json", json.dumps(_without_references(schema), separators=(",", ":"))
        )
        for name, array in arrays.items():
            archive.writestr(name, array)
    return buffer.getvalue()


def announced_sizes(archive: zipfile.ZipFile) -> dict[str, int]:
    """Bytes that each part of a zip unpacks to, by name.

    Raises
    ------
    UserError
        Two parts have one name, there are too many, or one is packed in a way that nobody asked
        for.
    """
    parts = archive.infolist()
    sizes = {part.filename: part.file_size for part in parts}
    known = all(part.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts)
    if len(sizes) != len(parts) or len(parts) > MOST_PARTS or not known:
        raise UserError("a part of it is no zip that a pipeline has")
    return sizes


def read_member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Read a part of a zip that is as long as announced; no more than that is ever unpacked.

    Raises
    ------
    UserError
        It has more than ``most`` bytes, or not as many as announced.
    """
    size = archive.getinfo(name).file_size
    if size > most:
        raise UserError(f"its {name} has {size / 1e6:.0f} MB, more than {most / 1e6:.0f} MB")
    with archive.open(name) as stream:
        content = stream.read(size)
    if len(content) != size:
        raise UserError(f"its {name} is not as long as announced")
    return content


def parse_json(content: bytes) -> Any:
    """Read JSON whose number of values is bounded before they are made.

    Raises
    ------
    UserError
        There are too many.
    """
    if sum(map(content.count, (b"{", b"[", b","))) > MOST_TOKENS:
        raise UserError(f"it holds more than {MOST_TOKENS:,} values")
    return json.loads(content)


def _checked_nodes(schema: Any, trusted: Collection[str]) -> Iterator[dict[str, Any]]:
    """Everything in a schema that skops would make an object of, each checked."""
    waiting = [(schema, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value or "__class__" in value or "__module__" in value:
                count, depth = count + 1, depth + 1
                if depth > DEEPEST or count > MOST_NODES:
                    raise UserError(
                        "it holds too many objects, or objects that are nested without end"
                    )
                _check_node(value, trusted)
                yield value
            waiting += [(inner, depth) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, depth) for inner in value]


def _check_node(node: dict[str, Any], trusted: Collection[str]) -> None:
    loader, name = str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
    if name not in trusted:
        raise UnknownContentError(
            f"it holds {_readable_type_name(name)}, a type that is not trusted"
        )
    if loader not in LOADERS or not LOADERS[loader](name):
        raise UnknownContentError(f"it holds a {loader} of {name}, which no pipeline has")
    content = node.get("content")
    if loader == "JsonNode" and (
        not isinstance(content, str)
        or len(content) > LONGEST_VALUE
        or content.strip()[:1] in ("[", "{")
    ):
        raise UnknownContentError("one of its values is no number, no short text and not None")
    if loader == "NdArrayNode" and (
        node.get("type") != "numpy" or not isinstance(node.get("file"), str)
    ):
        raise UnknownContentError("one of its arrays holds Python objects")
    if loader == "TreeNode" and node["__reduce__"]["args"]["content"][2]["content"] != "1":
        raise UserError("one of its trees has several outputs")
    if loader == "LossNode" and (
        node["__reduce__"]["args"]["content"] or node["content"]["content"]
    ):
        raise UserError(f"its {name} has a state, which no pipeline's has")


def _readable_type_name(name: str) -> str:
    """Name of a type, without that under which a plug-in file is imported."""
    module, _, kind = name[:200].rpartition(".")
    if not module.startswith("plugin_"):
        return f"{module}.{kind}"
    return f"{kind} of the plug-in {module.removeprefix('plugin_').rpartition('_')[0]}.py"


def _check_array(name: str, content: bytes) -> None:
    """Refuse a .npy file of another type than pipelines hold, or of another length than its header says."""
    stream = BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise UserError(f"its array {name} is of another version of NumPy's format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    is_text = dtype.kind == "U" and dtype.isnative and dtype.itemsize <= LONGEST_WORD
    if not is_text and dtype not in NUMBERS and dtype not in RECORDS:
        raise UnknownContentError(
            f"its array {name} is of the type {str(dtype)[:60]}, which no pipeline's is"
        )
    n_entries = 1
    for side in shape:
        n_entries *= side
    if min(shape, default=0) < 0 or len(content) - stream.tell() != n_entries * dtype.itemsize:
        raise UserError(f"its array {name} is not as long as announced")


def _without_references(value: Any) -> Any:
    """Schema in which no object is known by a number, and no random generator is left."""
    if isinstance(value, list):
        return [_without_references(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.get("__loader__") in GENERATORS:
        return NOTHING
    return {key: _without_references(inner) for key, inner in value.items() if key != "__id__"}
