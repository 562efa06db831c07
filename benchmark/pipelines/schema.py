"""What a skops file announces, read before skops reads it: its types, and the memory that it will take."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from benchmark.errors import UserError
from benchmark.pipelines.trusted import LOADERS

LARGEST = 2**28  # bytes of the schema itself


def check_schema(content: bytes, trusted: set[str]) -> int:
    """Refuse types that are not trusted.

    Parameters
    ----------
    content : bytes
        Of a skops file.
    trusted : set of str

    Returns
    -------
    int
        Bytes that loading takes: of every array as often as it is named, since each naming is a copy.

    Raises
    ------
    UserError
        A type is not trusted, or what is announced is not there.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        if len(sizes) != len(archive.infolist()) or sizes.get("schema.json", LARGEST) >= LARGEST:
            raise UserError("a part of it is no skops file")
        schema = json.loads(archive.read("schema.json"))
    total = sizes["schema.json"]
    for node in _nodes(schema):
        loader, name = str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
        if name not in trusted:
            raise UserError(_untrusted(name))
        if loader not in LOADERS:
            raise UserError(f"it holds a {loader} of {name}, which no pipeline has")
        total += sizes[node["file"]] if isinstance(node.get("file"), str) else 0
    return total


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Everything in a schema that skops would make an object of."""
    waiting = [schema]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "__loader__" in found or "__class__" in found or "__module__" in found:
                yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _untrusted(name: str) -> str:
    module, _, kind = name.rpartition(".")
    if module.startswith("plugin_"):
        file = f"{module.removeprefix('plugin_').rpartition('_')[0]}.py"
        return f"it holds {kind} of the plug-in {file}, in the version that it was trained with: add --plugin {file}"
    return f"it holds {name}, a type that is not trusted"
