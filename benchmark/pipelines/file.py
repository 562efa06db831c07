"""File format of trained pipelines, without pickle.

A pipeline is a zip of a JSON card, of skops files (objects of scikit-learn and of this library) and
of safetensors files (the weights of networks).
"""

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
    NETWORK_HINT,
    PLUGIN_FOLDER,
    STORABLE_HINT,
    PluginError,
    find_plugin_files,
    find_torch_attribute,
    match_plugin_files,
)
from benchmark.pipelines.trial import EXTRA_MEMORY, check_pipeline, limited_memory, run_with_timeout
from benchmark.pipelines.trusted import trusted_types
from benchmark.utils.files import user_path

SUFFIX = ".pipeline"
MAX_BYTES = 2**32  # of a file, and of all its members unpacked
# bytes that the members of any file may unpack to, and how many times the size of a larger file
ALWAYS_ALLOWED, MAX_RATIO = 2**28, 100
MAX_CARD_BYTES = 2**22
ZIP_MAGIC = b"PK\x03\x04"  # first bytes of every zip


def load_pipeline(path: Path, plugins: Iterable[str] = ()) -> Pipeline:
    """Load a pipeline from a file; no code in the file is executed.

    Parameters
    ----------
    path : Path
    plugins : iterable of str
        Plug-in files whose classes the pipeline may contain.

    Returns
    -------
    Pipeline

    Raises
    ------
    UserError
        The file is missing, is not a pipeline, is corrupted, was changed, contains a type that is
        not trusted, or needs a plug-in that was not named.

    See Also
    --------
    benchmark.pipelines.pipeline.fit_pipeline : Train a pipeline.
    benchmark.pipelines.saving.save_pipeline : Save a pipeline to a file.

    Examples
    --------
    >>> from benchmark.pipelines.file import load_pipeline
    >>> load_pipeline("missing.pipeline")
    Traceback (most recent call last):
        ...
    benchmark.errors.UserError: cannot read the pipeline missing.pipeline: it does not exist
    """
    path = user_path(path)
    if path.is_dir():
        raise UserError(f"cannot read the pipeline {path}: it is a folder")
    if not path.is_file():
        reason = "is not a regular file" if path.exists() else "does not exist"
        raise UserError(f"cannot read the pipeline {path}: it {reason}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path} is too large for a pipeline ({size / 1e9:.1f} GB)")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError as error:
        raise UserError(f"cannot read the pipeline {path}: {error.strerror or error}") from None
    return deserialize_pipeline(content, str(path), plugins)


def serialize_pipeline(pipeline: Pipeline) -> bytes:
    """Content of a pipeline's file.

    Raises
    ------
    UserError
        The pipeline contains an object that cannot be stored.
    """
    components = pipeline.stored_components
    owners = list(_find_network_owners(components))
    members = {
        f"network_{k}.safetensors": _serialize_weights(owner) for k, owner in enumerate(owners)
    }
    with _detach_networks(owners):
        members |= {
            f"{name}.skops": _serialize_component(component)
            for name, component in components.items()
        }
    members |= {
        f"{PLUGIN_FOLDER}{Path(path).name}": Path(path).read_bytes()
        for path in find_plugin_files(components)
    }
    digests = {name: _digest_bytes(content) for name, content in members.items()}
    card = {"card": pipeline.card.model_dump(mode="json"), "files": digests}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("card.json", json.dumps(card, indent=1, allow_nan=False))
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _serialize_component(component: Any) -> bytes:
    """Compact skops file of a component."""
    attribute = find_torch_attribute(component)
    if attribute:
        raise UserError(f"{attribute} belongs to torch: {NETWORK_HINT}")
    try:
        content = skops.io.dumps(component)
    except Exception as error:  # skops raises whatever an object's own methods raise
        raise UserError(
            f"a {type(component).__name__} cannot be saved: it contains an object that cannot be "
            f"stored ({_shorten_message(error)}); {STORABLE_HINT}"
        ) from None
    return compact_skops(content)


def deserialize_pipeline(content: bytes, name: str, plugins: Iterable[str] = ()) -> Pipeline:
    """Pipeline from the content of a file.

    Parameters
    ----------
    content : bytes
    name : str
        Name of the file in messages.
    plugins : iterable of str
        Plug-in files whose classes the pipeline may contain.

    Raises
    ------
    UserError
        As for `load_pipeline`.
    """
    if not content.startswith(ZIP_MAGIC):
        raise UserError(
            f"{name} is not a pipeline; python -m benchmark fit ... --save FILE{SUFFIX} writes one"
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
    except ImportError as error:  # a package that a network needs
        raise UserError(f"{name} cannot be loaded: {_shorten_message(error)}") from error
    except MemoryError:
        raise UserError(
            f"{name} is refused: it takes more memory than two images could need"
        ) from None
    except Exception as error:  # a manipulated file may cause any exception
        reason = (
            "corrupted, or changed since it was written "
            f"({type(error).__name__}: {_shorten_message(error)})"
        )
        raise UserError(f"{name} is refused: {reason}") from error


def _rebuild_pipeline(content: bytes, name: str, plugins: list[str]) -> Pipeline:
    card, members = _read_archive(content)
    sources = {
        member.removeprefix(PLUGIN_FOLDER): text
        for member, text in members.items()
        if member.startswith(PLUGIN_FOLDER)
    }
    trusted = trusted_types(match_plugin_files(sources, plugins, name) if sources else plugins)
    max_bytes = min(MAX_BYTES, max(ALWAYS_ALLOWED, MAX_RATIO * len(content)))
    skops_files = {member: data for member, data in members.items() if member.endswith(".skops")}
    with limited_memory(EXTRA_MEMORY + 4 * max_bytes):
        components = _read_components(skops_files, trusted, max_bytes)
    has_networks = _restore_networks(components, members, card.image_shape)
    extractors = tuple(components[f"extractor_{k}"] for k in range(len(components) - 2))
    pipeline = Pipeline(card, extractors, components["model"], components["strategy"])
    check_pipeline(pipeline, has_networks)
    return pipeline


def _read_archive(content: bytes) -> tuple[Card, dict[str, bytes]]:
    """Card and members of a file, whose lengths and digests are checked."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sizes = announced_sizes(archive)
        if "card.json" not in sizes:
            raise UserError("it is a zip, but not of a pipeline")
        compressed = any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
        if compressed or sum(sizes.values()) > min(MAX_BYTES, len(content)):
            raise UserError("its members are compressed, or longer than the file")
        head = parse_json(read_member(archive, "card.json", MAX_CARD_BYTES))
        card = Card.model_validate(head["card"])
        members = {
            name: read_member(archive, name, MAX_BYTES) for name in sizes if name != "card.json"
        }
    changed = [
        name
        for name in {*members, *head["files"]}
        if name not in members or head["files"].get(name) != _digest_bytes(members[name])
    ]
    if changed:
        raise UserError(
            f"{sorted(changed)[0][:100]} is missing, corrupted, or changed since it was written"
        )
    return card, members


def _read_components(files: dict[str, bytes], trusted: set[str], max_bytes: int) -> dict[str, Any]:
    """Objects of the skops files, which may unpack to ``max_bytes`` bytes together."""
    budget = Budget(max_bytes, max_bytes)
    clean = {name: clean_skops(content, trusted, budget) for name, content in files.items()}
    return {
        name.removesuffix(".skops"): skops.io.loads(
            content, trusted=skops.io.get_untrusted_types(data=content)
        )
        for name, content in clean.items()
    }


def _find_network_owners(components: dict[str, Any]) -> Iterator[Any]:
    """Yield every object that has a network, always in the same order."""
    for name in sorted(components):
        yield from _walk_network_owners(components[name])


def _walk_network_owners(component: Any) -> Iterator[Any]:
    attributes = getattr(component, "__dict__", {})
    if "network_" in attributes:
        yield component
    for name in sorted(attributes):
        if name.endswith("_") and isinstance(attributes[name], BaseEstimator):
            yield from _walk_network_owners(attributes[name])


@contextmanager
def _detach_networks(owners: list[Any]) -> Iterator[None]:
    """Set the networks of objects to None within a context."""
    networks = [owner.network_ for owner in owners]
    for owner in owners:
        owner.network_ = None
    try:
        yield
    finally:
        for owner, network in zip(owners, networks, strict=True):
            owner.network_ = network


def _restore_networks(
    components: dict[str, Any], members: dict[str, bytes], image_shape: tuple[int, int, int]
) -> bool:
    """Rebuild all networks with the weights of a file; return whether there are any."""
    owners = list(_find_network_owners(components))
    if not owners:
        return False
    import safetensors.torch

    for k, owner in enumerate(owners):
        if tuple(owner.image_shape_) != image_shape:
            raise UserError("one of its networks has another image shape than its card")
        owner.restore(safetensors.torch.load(members[f"network_{k}.safetensors"]))
    return True


def _serialize_weights(owner: Any) -> bytes:
    import safetensors.torch

    if not hasattr(owner, "restore") or not hasattr(owner, "image_shape_"):
        raise UserError(f"{type(owner).__name__}.network_ belongs to torch: {NETWORK_HINT}")
    return safetensors.torch.save(
        {name: value.contiguous() for name, value in owner.network_.state_dict().items()}
    )


def _shorten_message(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _digest_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
