"""A trained pipeline as a file without pickle: a zip of JSON, skops (scikit-learn's objects) and safetensors (weights)."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import skops.io
from pydantic import ValidationError
from sklearn.base import BaseEstimator

from benchmark.errors import UserError, describe_validation_error
from benchmark.pipelines.card import Card
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.schema import (
    Budget,
    announced_sizes,
    clean_skops,
    compact_skops,
    parse_json,
    read_member,
)
from benchmark.pipelines.sources import (
    FOLDER,
    KEPT,
    RESTORE,
    PluginError,
    find_plugin_files,
    find_torch_attribute,
    match_plugin_files,
)
from benchmark.pipelines.trial import EXTRA, check_pipeline, limited_memory, run_with_timeout
from benchmark.pipelines.trusted import trusted_types
from benchmark.utils.files import user_path

SUFFIX = ".pipeline"
LARGEST = 2**32  # bytes that all parts of a file may unpack to
ALWAYS, RATIO = (
    2**28,
    100,
)  # bytes that they may in any case, and times the file's size that they may beyond that
LARGEST_CARD = 2**22
FIRST = b"PK\x03\x04"  # of every zip


def load_pipeline(path: Path, plugins: Iterable[str] = ()) -> Pipeline:
    """Read a pipeline; nothing in its file is run.

    Parameters
    ----------
    path : Path
    plugins : iterable of str
        Plug-in files whose classes may be in it.

    Raises
    ------
    UserError
        There is no such file, it is no pipeline, damaged, changed, holds a type that is not
        trusted, or needs a plug-in that was not named.
    """
    path = user_path(path)
    if not path.is_file():
        what = (
            "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        )
        raise UserError(f"cannot read the pipeline {path}: it {what}")
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(
                f"{path} is too large for a pipeline ({path.stat().st_size / 1e9:.1f} GB)"
            )
        with path.open("rb") as file:
            content = file.read(LARGEST)
    except OSError as error:
        raise UserError(f"cannot read the pipeline {path}: {error.strerror or error}") from None
    return deserialize_pipeline(content, str(path), plugins)


def serialize_pipeline(pipeline: Pipeline) -> bytes:
    """Content of a pipeline's file.

    Raises
    ------
    UserError
        It holds something that no pipeline's file can hold.
    """
    parts = pipeline.stored_components
    owners = list(_find_network_owners(parts))
    files = {
        f"network_{k}.safetensors": _serialize_weights(owner) for k, owner in enumerate(owners)
    }
    with _detach_networks(owners):
        files |= {f"{name}.skops": _serialize_component(part) for name, part in parts.items()}
    files |= {
        f"{FOLDER}{Path(path).name}": Path(path).read_bytes() for path in find_plugin_files(parts)
    }
    digests = {name: _digest_bytes(content) for name, content in files.items()}
    card = {"card": pipeline.card.model_dump(mode="json"), "files": digests}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("card.json", json.dumps(card, indent=1, allow_nan=False))
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _serialize_component(part: Any) -> bytes:
    """A part as skops has it, without what a file does not need; text and numbers only."""
    held = find_torch_attribute(part)
    if held:
        raise UserError(f"{held} belongs to torch: {RESTORE}")
    try:
        content = skops.io.dumps(part)
    except Exception as error:  # skops raises whatever an object's own methods do
        raise UserError(
            f"a {type(part).__name__} cannot be saved: it holds what no file can "
            f"({_shorten_message(error)}); {KEPT}"
        ) from None
    return compact_skops(content)


def deserialize_pipeline(content: bytes, name: str, plugins: Iterable[str] = ()) -> Pipeline:
    """Pipeline of a file's content; ``name`` is how messages call it."""
    if not content.startswith(FIRST):
        raise UserError(
            f"{name} is no pipeline: python -m benchmark fit ... --save FILE{SUFFIX} writes one"
        )
    try:
        return run_with_timeout(lambda: _rebuild_pipeline(content, name, list(plugins)))
    except PluginError as error:
        raise UserError(str(error)) from None
    except UserError as error:
        raise UserError(f"{name} is refused: {_shorten_message(error)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))[:100]
        raise UserError(
            f"{name} is refused: its card{f', field {field}' if field else ''} "
            f"{describe_validation_error(first)}"
        ) from None
    except MemoryError:
        raise UserError(
            f"{name} is refused: it takes more memory than two images could need"
        ) from None
    except Exception as error:  # whatever a hostile file brings about is for the user to read
        changed = f"damaged, or changed since it was written ({type(error).__name__}: {_shorten_message(error)})"
        raise UserError(f"{name} is refused: {changed}") from error


def _rebuild_pipeline(content: bytes, name: str, plugins: list[str]) -> Pipeline:
    card, files = _read_archive(content)
    sources = {
        part.removeprefix(FOLDER): text for part, text in files.items() if part.startswith(FOLDER)
    }
    trusted = trusted_types(match_plugin_files(sources, plugins, name) if sources else plugins)
    most = min(LARGEST, max(ALWAYS, RATIO * len(content)))
    with limited_memory(EXTRA + 4 * most):
        parts = _read_components(
            {part: found for part, found in files.items() if part.endswith(".skops")}, trusted, most
        )
    has_networks = _restore_networks(parts, files, card.image_shape)
    extractors = tuple(parts[f"extractor_{k}"] for k in range(len(parts) - 2))
    pipeline = Pipeline(card, extractors, parts["model"], parts["strategy"])
    check_pipeline(pipeline, has_networks)
    return pipeline


def _read_archive(content: bytes) -> tuple[Card, dict[str, bytes]]:
    """Card and parts; every part is as long as announced, and has the digest that the card has of it."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sizes = announced_sizes(archive)
        if "card.json" not in sizes:
            raise UserError("it is a zip, but not of a pipeline")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()) or sum(
            sizes.values()
        ) > min(LARGEST, len(content)):
            raise UserError("its parts are packed, or longer than the file")
        head = parse_json(read_member(archive, "card.json", LARGEST_CARD))
        card = Card.model_validate(head["card"])
        files = {name: read_member(archive, name, LARGEST) for name in sizes if name != "card.json"}
    changed = [
        name
        for name in {*files, *head["files"]}
        if name not in files or head["files"].get(name) != _digest_bytes(files[name])
    ]
    if changed:
        raise UserError(
            f"{sorted(changed)[0][:100]} is not what was written: damaged, or changed since"
        )
    return card, files


def _read_components(files: dict[str, bytes], trusted: set[str], most: int) -> dict[str, Any]:
    """Objects of the skops files, which may take so many bytes."""
    budget = Budget(most, most)
    clean = {name: clean_skops(content, trusted, budget) for name, content in files.items()}
    parts = {}
    for name, content in clean.items():
        parts[name.removesuffix(".skops")] = skops.io.loads(
            content, trusted=skops.io.get_untrusted_types(data=content)
        )
    return parts


def _find_network_owners(parts: dict[str, Any]) -> Iterator[Any]:
    """All that holds a network, in one order."""
    for name in sorted(parts):
        yield from _walk_network_owners(parts[name])


def _walk_network_owners(part: Any) -> Iterator[Any]:
    held = getattr(part, "__dict__", {})
    if "network_" in held:
        yield part
    for name in sorted(held):
        if name.endswith("_") and isinstance(held[name], BaseEstimator):
            yield from _walk_network_owners(held[name])


@contextmanager
def _detach_networks(owners: list[Any]) -> Iterator[None]:
    networks = [owner.network_ for owner in owners]
    for owner in owners:
        owner.network_ = None
    try:
        yield
    finally:
        for owner, network in zip(owners, networks, strict=True):
            owner.network_ = network


def _restore_networks(
    parts: dict[str, Any], files: dict[str, bytes], image_shape: tuple[int, int, int]
) -> bool:
    """Give every part that had a network one again, with the weights of the file; whether any had."""
    owners = list(_find_network_owners(parts))
    if not owners:
        return False
    import safetensors.torch

    for k, owner in enumerate(owners):
        if tuple(owner.image_shape_) != image_shape:
            raise UserError("a network of it is for other images than its card says")
        owner.restore(safetensors.torch.load(files[f"network_{k}.safetensors"]))
    return True


def _serialize_weights(owner: Any) -> bytes:
    import safetensors.torch

    if not hasattr(owner, "restore") or not hasattr(owner, "image_shape_"):
        raise UserError(f"{type(owner).__name__}.network_ belongs to torch: {RESTORE}")
    return safetensors.torch.save(
        {name: value.contiguous() for name, value in owner.network_.state_dict().items()}
    )


def _shorten_message(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _digest_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
