"""Checks of a skops file before skops reads it: its types, its arrays and the memory that it needs.

skops follows the file: lists that share their items, arrays of announced sizes, nested text. All of
these are limited here in depth, number and bytes. The file is then rewritten for skops, with a copy
of each object in every place that refers to it.
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

MAX_SCHEMA_BYTES = 2**26  # the schema of 1,000 balanced trees has 20 MB
MAX_TOKENS = 6_000_000  # brackets, braces and commas; so many parsed values take 1 GB in Python
MAX_NODES = 1_000_000  # objects; 1,000 balanced trees have 200,000
MAX_VALUE_LENGTH = 10_000  # characters of a number, a text or None
MAX_MEMBERS = 200_000  # of a zip; nearly all are arrays
MAX_DEPTH = 50  # of nested objects
NULL_NODE = {
    "__class__": "str",
    "__module__": "builtins",
    "__loader__": "JsonNode",
    "content": "null",
}
# random generators are not restored: a prediction draws no random numbers
GENERATOR_LOADERS = ("RandomStateNode", "RandomGeneratorNode")
RECORD_DTYPES = (NODE_DTYPE, PREDICTOR_RECORD_DTYPE)
NUMBER_DTYPES = {np.dtype(kind) for kind in "?bBhHiIlLqQefd"}
MAX_TEXT_BYTES = 4_000  # per entry of an array of text


class UnknownContentError(UserError):
    """A file contains an object that files of pipelines cannot store."""


@dataclass
class Budget:
    """Number of bytes that may still be unpacked.

    Parameters
    ----------
    left : int
        Remaining bytes.
    total : int
        Bytes at the start.
    """

    left: int
    total: int

    def spend_bytes(self, n_bytes: int) -> None:
        """Subtract a number of bytes.

        Raises
        ------
        UserError
            Fewer bytes remain.
        """
        self.left -= n_bytes
        if self.left < 0:
            raise UserError(f"its members unpack to more than {self.total / 1e9:.1f} GB")


def clean_skops(content: bytes, trusted: Collection[str], budget: Budget) -> bytes:
    """Check the content of a skops file, and rewrite it.

    Parameters
    ----------
    content : bytes
    trusted : collection of str
        Names of types.
    budget : Budget
        An array is counted once per reference to it, since each reference becomes a copy.

    Returns
    -------
    bytes
        Without random generators, which skops would restore unchecked, and without references
        between objects.

    Raises
    ------
    UserError
        A type is not trusted, a limit is exceeded, or an array does not match its header.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sizes = announced_sizes(archive)
        if "schema.json" not in sizes:
            raise UserError("one of its members is not a skops file")
        schema = parse_json(read_member(archive, "schema.json", MAX_SCHEMA_BYTES))
        referenced: set[str] = set()
        arrays: set[str] = set()
        for node in _checked_nodes(schema, trusted):
            if "file" in node:
                budget.spend_bytes(sizes[node["file"]])
                referenced.add(node["file"])
                if node["__loader__"] != "BytesNode":
                    arrays.add(node["file"])
        contents = {name: read_member(archive, name, sizes[name]) for name in referenced}
    for name in arrays:
        _check_array(name, contents[name])
    return _write_skops(schema, contents, zipfile.ZIP_STORED)


def compact_skops(content: bytes) -> bytes:
    """Content of a skops file without memory addresses and random generators, compressed."""
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
    """Announced uncompressed size of each member of a zip in bytes, by name.

    Raises
    ------
    UserError
        Two members have the same name, there are too many, or one has another compression than
        files of pipelines have.
    """
    members = archive.infolist()
    sizes = {member.filename: member.file_size for member in members}
    compressions = {member.compress_type for member in members}
    supported = compressions <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    if len(sizes) != len(members) or len(members) > MAX_MEMBERS or not supported:
        raise UserError("it is a zip with duplicate names, too many members or another compression")
    return sizes


def read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """Read a member of a zip, without unpacking more bytes than announced.

    Raises
    ------
    UserError
        The member has more than ``max_bytes`` bytes, or not as many as announced.
    """
    size = archive.getinfo(name).file_size
    if size > max_bytes:
        raise UserError(f"its {name} has {size / 1e6:.0f} MB, more than {max_bytes / 1e6:.0f} MB")
    with archive.open(name) as stream:
        content = stream.read(size)
    if len(content) != size:
        raise UserError(f"its {name} is not as long as announced")
    return content


def parse_json(content: bytes) -> Any:
    """Parse JSON, after its number of values was checked.

    Raises
    ------
    UserError
        There are more than ``MAX_TOKENS`` values.
    """
    if sum(map(content.count, (b"{", b"[", b","))) > MAX_TOKENS:
        raise UserError(f"it contains more than {MAX_TOKENS:,} values")
    return json.loads(content)


def _checked_nodes(schema: Any, trusted: Collection[str]) -> Iterator[dict[str, Any]]:
    """Check and yield every node of a schema that skops would build an object from."""
    waiting = [(schema, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value or "__class__" in value or "__module__" in value:
                count, depth = count + 1, depth + 1
                if depth > MAX_DEPTH or count > MAX_NODES:
                    raise UserError("it contains too many objects, or they are nested too deeply")
                _check_node(value, trusted)
                yield value
            waiting += [(inner, depth) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, depth) for inner in value]


def _check_node(node: dict[str, Any], trusted: Collection[str]) -> None:
    loader, name = str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
    if name not in trusted:
        raise UnknownContentError(
            f"it contains {_readable_type_name(name)}, a type that is not trusted"
        )
    if loader not in LOADERS or not LOADERS[loader](name):
        raise UnknownContentError(f"it contains a {loader} of {name}, which no pipeline has")
    content = node.get("content")
    if loader == "JsonNode" and (
        not isinstance(content, str)
        or len(content) > MAX_VALUE_LENGTH
        or content.strip()[:1] in ("[", "{")
    ):
        raise UnknownContentError("one of its values is not a number, a short text or None")
    if loader == "NdArrayNode" and (
        node.get("type") != "numpy" or not isinstance(node.get("file"), str)
    ):
        raise UnknownContentError("one of its arrays contains Python objects")
    if loader == "TreeNode" and node["__reduce__"]["args"]["content"][2]["content"] != "1":
        raise UserError("one of its trees has several outputs")
    if loader == "LossNode" and (
        node["__reduce__"]["args"]["content"] or node["content"]["content"]
    ):
        raise UserError(f"its {name} has a state, which no pipeline has")


def _readable_type_name(name: str) -> str:
    """Name of a type for messages; one of a plug-in with the name of its file."""
    module, _, kind = name[:200].rpartition(".")
    if not module.startswith("plugin_"):
        return f"{module}.{kind}"
    return f"{kind} of the plug-in {module.removeprefix('plugin_').rpartition('_')[0]}.py"


def _check_array(name: str, content: bytes) -> None:
    """Refuse a .npy file of an unknown dtype, or of another length than its header announces."""
    stream = BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise UserError(f"its array {name} has an unsupported version of NumPy's format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    is_text = dtype.kind == "U" and dtype.isnative and dtype.itemsize <= MAX_TEXT_BYTES
    if not is_text and dtype not in NUMBER_DTYPES and dtype not in RECORD_DTYPES:
        raise UnknownContentError(
            f"its array {name} has the dtype {str(dtype)[:60]}, which no pipeline has"
        )
    n_entries = 1
    for side in shape:
        n_entries *= side
    if min(shape, default=0) < 0 or len(content) - stream.tell() != n_entries * dtype.itemsize:
        raise UserError(f"its array {name} is not as long as announced")


def _without_references(value: Any) -> Any:
    """Schema without the ids of objects and without random generators."""
    if isinstance(value, list):
        return [_without_references(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.get("__loader__") in GENERATOR_LOADERS:
        return NULL_NODE
    return {key: _without_references(inner) for key, inner in value.items() if key != "__id__"}
