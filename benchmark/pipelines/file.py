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

import numpy as np
import skops.io
from pydantic import ValidationError
from sklearn.base import BaseEstimator

from benchmark.errors import UserError
from benchmark.files import write_atomic
from benchmark.pipelines.card import Card
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.trees import check_trees
from benchmark.pipelines.trusted import trusted_types
from benchmark.strategies.base import Combined, Strategy

SUFFIX = ".pipeline"
LARGEST = 2**32  # bytes that all parts of a file may unpack to
LARGEST_CARD = 2**24
FIRST = b"PK\x03\x04"  # of every zip


def save(pipeline: Pipeline, path: Path) -> None:
    """Write a pipeline, after reading it back: what cannot be read is not written.

    Parameters
    ----------
    pipeline : Pipeline
    path : Path
        Ends in ``.pipeline``; replaced in one step if it exists.

    Raises
    ------
    UserError
        The path ends otherwise, or the pipeline holds something that is on no list of trusted types.
    """
    check_name(path)
    content = dumps(pipeline)
    again = loads(content, path.name)
    probe = np.random.default_rng(0).integers(0, 256, (2, *pipeline.card.image_shape), dtype=np.uint8)
    if not np.array_equal(again.predict_proba(probe), pipeline.predict_proba(probe)):
        raise RuntimeError("the pipeline as read back from its file predicts otherwise")
    write_atomic(path, lambda file: file.write(content))


def check_name(path: Path) -> None:
    """Refuse a path that cannot be that of a pipeline to be written."""
    if path.suffix != SUFFIX:
        raise UserError(f"cannot save to {path}: the name of a pipeline ends in {SUFFIX}, as {path.stem or 'mine'}{SUFFIX} does")
    if path.is_dir():
        raise UserError(f"cannot save to {path}: it is a folder")


def load(path: Path, plugins: Iterable[str] = ()) -> Pipeline:
    """Read a pipeline; nothing in its file is run.

    Parameters
    ----------
    path : Path
    plugins : iterable of str
        Plug-in files whose classes may be in it.

    Raises
    ------
    UserError
        There is no such file, it is no pipeline, damaged, changed, or holds a type that is not trusted.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is too large for a pipeline ({path.stat().st_size / 1e9:.1f} GB)")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the pipeline {path}: {error.strerror or error}") from None
    return loads(content, str(path), plugins)


def dumps(pipeline: Pipeline) -> bytes:
    """Content of a pipeline's file."""
    parts = {"strategy": _adjusting(pipeline.strategy), "model": pipeline.model}
    parts |= {f"extractor_{k}": extractor for k, extractor in enumerate(pipeline.extractors)}
    owners = list(_with_networks(parts))
    files = {f"network_{k}.safetensors": _weights(owner.network_) for k, owner in enumerate(owners)}
    with _without_networks(owners):
        files |= {f"{name}.skops": skops.io.dumps(part, compression=zipfile.ZIP_DEFLATED) for name, part in parts.items()}
    digests = {name: _digest(content) for name, content in files.items()}
    card = {"card": pipeline.card.model_dump(mode="json"), "files": digests}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("card.json", json.dumps(card, indent=1, allow_nan=False))
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def loads(content: bytes, name: str, plugins: Iterable[str] = ()) -> Pipeline:
    """Pipeline of a file's content; ``name`` is how messages call it."""
    if not content.startswith(FIRST):
        raise UserError(f"{name} is no pipeline: python -m benchmark fit ... --save FILE{SUFFIX} writes one")
    try:
        card, files = _unpacked(content)
        trusted = trusted_types(plugins)
        parts = {part.removesuffix(".skops"): _read_part(found, trusted) for part, found in files.items() if part.endswith(".skops")}
        _give_networks(parts, files)
        extractors = tuple(parts[f"extractor_{k}"] for k in range(len(parts) - 2))
        pipeline = Pipeline(card, extractors, parts["model"], parts["strategy"])
        _try_out(pipeline)
    except UserError as error:
        raise UserError(f"{name} is refused: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{name} is refused: its card is not as it should be: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (Exception, RecursionError) as error:  # whatever a hostile file brings about is for the user to read
        text = " ".join(str(error).split())[:200]
        raise UserError(f"{name} is refused: damaged, or changed since it was written ({type(error).__name__}: {text})") from error
    return pipeline


def _unpacked(content: bytes) -> tuple[Card, dict[str, bytes]]:
    """Card and parts; every part is as long as announced, and has the digest that the card has of it."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        if len(sizes) != len(archive.infolist()) or "card.json" not in sizes or sizes["card.json"] > LARGEST_CARD:
            raise UserError("it is a zip, but not of a pipeline")
        if sum(sizes.values()) > LARGEST:
            raise UserError(f"its parts unpack to more than {LARGEST / 1e9:.0f} GB")
        head = json.loads(archive.read("card.json"))
        card = Card.model_validate(head["card"])
        files = {name: archive.read(name) for name in sizes if name != "card.json"}
    changed = [name for name in {*files, *head["files"]} if name not in files or head["files"].get(name) != _digest(files[name])]
    if changed:
        raise UserError(f"{sorted(changed)[0]} is not what was written: damaged, or changed since")
    return card, files


def _read_part(content: bytes, trusted: set[str]) -> Any:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > LARGEST:
            raise UserError(f"a part unpacks to more than {LARGEST / 1e9:.0f} GB")
    found = skops.io.get_untrusted_types(data=content)
    unknown = sorted(set(found) - trusted)
    if unknown:
        module, _, kind = unknown[0].rpartition(".")
        if module.startswith("plugin_"):
            file = f"{module.removeprefix('plugin_').rpartition('_')[0]}.py"
            raise UserError(f"it holds {kind} of the plug-in {file}, in the version that it was trained with: add --plugin {file}")
        raise UserError(f"it holds {unknown[0]}, a type that is not trusted")
    part = skops.io.loads(content, trusted=found)
    check_trees(part)
    return part


def _with_networks(parts: dict[str, Any]) -> Iterator[Any]:
    """All that holds a network, in one order."""
    for name in sorted(parts):
        yield from _owners(parts[name])


def _owners(part: Any) -> Iterator[Any]:
    held = getattr(part, "__dict__", {})
    if "network_" in held:
        yield part
    for name in sorted(held):
        if name.endswith("_") and isinstance(held[name], BaseEstimator):
            yield from _owners(held[name])


@contextmanager
def _without_networks(owners: list[Any]) -> Iterator[None]:
    networks = [owner.network_ for owner in owners]
    for owner in owners:
        owner.network_ = None
    try:
        yield
    finally:
        for owner, network in zip(owners, networks, strict=True):
            owner.network_ = network


def _give_networks(parts: dict[str, Any], files: dict[str, bytes]) -> None:
    owners = list(_with_networks(parts))
    if not owners:
        return
    import safetensors.torch

    weights = [files[f"network_{k}.safetensors"] for k in range(len(files) - len(parts))]
    for owner, content in zip(owners, weights, strict=True):
        owner.restore(safetensors.torch.load(content))


def _weights(network: Any) -> bytes:
    import safetensors.torch

    return safetensors.torch.save({name: value.contiguous() for name, value in network.state_dict().items()})


def _adjusting(strategy: Strategy) -> Strategy:
    """What of a strategy matters after training: the parts that adjust probabilities."""
    parts = strategy.parts if isinstance(strategy, Combined) else [strategy]
    kept = [part for part in parts if type(part).adjust is not Strategy.adjust]
    return kept[0] if len(kept) == 1 else Combined(kept) if kept else Strategy()


def _try_out(pipeline: Pipeline) -> None:
    """Refuse what gives no probabilities for an image."""
    proba = pipeline.predict_proba(np.zeros((1, *pipeline.card.image_shape), np.uint8))
    if proba.shape != (1, len(pipeline.card.classes)) or not np.isfinite(proba).all() or proba.min() < 0 or proba.max() > 1 + 1e-6:
        raise UserError("what it gives for an image are not probabilities of its classes")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
