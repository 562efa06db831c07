"""A trained pipeline as a file without pickle: a zip of JSON, skops (scikit-learn's objects) and safetensors (weights)."""

from __future__ import annotations

import hashlib
import json
import os
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

from benchmark.errors import StorageError, UserError
from benchmark.files import write_atomic
from benchmark.pipelines.card import Card
from benchmark.pipelines.compiled import check_compiled
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.schema import check_schema
from benchmark.pipelines.trusted import trusted_types
from benchmark.strategies.base import Combined, Strategy

SUFFIX = ".pipeline"
LARGEST = 2**32  # bytes that all parts of a file may unpack to
ALWAYS, RATIO = 2**28, 100  # bytes that they may in any case, and times the file's size that they may beyond that
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
    try:
        write_atomic(path, lambda file: file.write(content))
    except StorageError as error:
        raise UserError(f"cannot save to {path}: {error.__cause__}; name another place with --save") from None


def check_name(path: Path) -> None:
    """Refuse a path that cannot be that of a pipeline to be written."""
    if path.suffix != SUFFIX:
        raise UserError(f"cannot save to {path}: the name of a pipeline ends in {SUFFIX}, as {path.stem or 'mine'}{SUFFIX} does")
    if path.is_dir():
        raise UserError(f"cannot save to {path}: it is a folder")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "a folder that cannot be written to" if folder.is_dir() else "a file, not a folder"
        raise UserError(f"cannot save to {path}: {folder} is {what}")


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
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a pipeline")
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
        most = min(LARGEST, max(ALWAYS, RATIO * len(content)))
        parts = _read_parts({part: found for part, found in files.items() if part.endswith(".skops")}, trusted_types(plugins), most)
        _give_networks(parts, files, card.image_shape)
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
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()) or sum(sizes.values()) > LARGEST:
            raise UserError(f"its parts are packed, or more than {LARGEST / 1e9:.0f} GB")
        head = json.loads(archive.read("card.json"))
        card = Card.model_validate(head["card"])
        files = {name: archive.read(name) for name in sizes if name != "card.json"}
    changed = [name for name in {*files, *head["files"]} if name not in files or head["files"].get(name) != _digest(files[name])]
    if changed:
        raise UserError(f"{sorted(changed)[0]} is not what was written: damaged, or changed since")
    return card, files


def _read_parts(files: dict[str, bytes], trusted: set[str], most: int) -> dict[str, Any]:
    """Objects of the skops files, which may take so many bytes."""
    if sum(check_schema(content, trusted) for content in files.values()) > most:
        raise UserError(f"its parts unpack to more than {most / 1e9:.1f} GB")
    parts = {}
    for name, content in files.items():
        parts[name.removesuffix(".skops")] = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    return parts


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


def _give_networks(parts: dict[str, Any], files: dict[str, bytes], image_shape: tuple[int, int, int]) -> None:
    """Give every part that had a network one again, with the weights of the file."""
    owners = list(_with_networks(parts))
    if not owners:
        return
    import safetensors.torch

    weights = [files[f"network_{k}.safetensors"] for k in range(len(files) - len(parts))]
    for owner, content in zip(owners, weights, strict=True):
        if tuple(owner.image_shape_) != image_shape:
            raise UserError("a network of it is for other images than its card says")
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
    """Refuse what does not fit together, or gives no probabilities for a black image and a noisy one."""
    for part in (*pipeline.extractors, pipeline.model):
        if hasattr(part, "check_parameters"):
            part.check_parameters()
    images = np.random.default_rng(0).integers(0, 256, (2, *pipeline.card.image_shape), dtype=np.uint8)
    images[0] = 0
    check_compiled(pipeline.model, pipeline.features(images).shape[1] if pipeline.extractors else 0)
    proba = pipeline.predict_proba(images)
    sums = np.ones(2) if pipeline.card.multilabel else proba.sum(axis=1)
    good = proba.shape == (2, len(pipeline.card.classes)) and np.isfinite(proba).all() and proba.min() >= 0 and proba.max() <= 1 + 1e-6
    if not good or not np.allclose(sums, 1, atol=1e-4):
        raise UserError("what it gives for an image are not probabilities of its classes")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
