"""Writing a pipeline's file, after reading it back: what predicts otherwise, or not at all, is not written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.engine.worker import EndedError, Limits, Worker
from benchmark.errors import StorageError, UserError
from benchmark.pipelines.file import SUFFIX, deserialize_pipeline, serialize_pipeline
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.schema import UnknownContentError
from benchmark.pipelines.sources import KEPT, find_plugin_files, holds_random_generator
from benchmark.utils.files import user_path, write_atomic

ROUNDING = 1e-5  # an array that is read back may lie in memory in another order
_READER = Worker()  # started when a plug-in is first saved; nothing is ever trained in it


def save_pipeline(pipeline: Pipeline, path: Path, images: NDArray[np.uint8] | None = None) -> None:
    """Write a pipeline, after reading it back.

    Parameters
    ----------
    pipeline : Pipeline
    path : Path
        Ends in ``.pipeline``; replaced in one step if it exists.
    images : (n, *image_shape) uint8 array, optional
        For which it must predict the same when it is read back; two images of noise are compared in
        any case.

    Raises
    ------
    UserError
        The path ends otherwise, or the pipeline holds something that no pipeline's file can hold.
    """
    path = user_path(path)
    check_save_path(path)
    content = serialize_and_verify(pipeline, path.name, images)
    try:
        write_atomic(path, lambda file: file.write(content))
    except StorageError as error:
        raise UserError(
            f"cannot save to {path}: {error.__cause__}; name another place with --save"
        ) from None


def serialize_and_verify(
    pipeline: Pipeline, name: str, images: NDArray[np.uint8] | None = None
) -> bytes:
    """Content of a pipeline's file, after reading it back; one with plug-ins in a new process as well.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        How messages call it.
    images : (n, *image_shape) uint8 array, optional
        To be compared beside two images of noise.

    Raises
    ------
    UserError
        The pipeline holds something that no pipeline's file can hold, or predicts otherwise when it
        is read back.
    """
    content, plugins = serialize_pipeline(pipeline), find_plugin_files(pipeline.stored_components)
    noise = np.random.default_rng(0).integers(
        0, 256, (2, *pipeline.card.image_shape), dtype=np.uint8
    )
    probe = noise if images is None else np.concatenate([noise, images])
    expected = pipeline.predict_proba(probe)
    try:
        again = predict_from_bytes(content, name, plugins, probe)
    except UserError as error:
        raise UserError(_explain_refusal(error, name, pipeline)) from None
    if not np.allclose(again, expected, atol=ROUNDING):
        raise UserError(
            f"{name} cannot be saved: read back from its file it predicts otherwise; a class must "
            "keep what it has learned in attributes, "
            "and predict the same for the same images"
        )
    if plugins:
        _check_in_new_process(content, name, plugins, probe, expected)
    return content


def predict_from_bytes(
    content: bytes, name: str, plugins: list[str], images: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Probabilities of images by the pipeline of a file's content."""
    return deserialize_pipeline(content, name, plugins).predict_proba(images)


def _explain_refusal(error: UserError, name: str, pipeline: Pipeline) -> str:
    """Say of a pipeline that was just trained, not of a stranger's, why its file is refused."""
    reason = str(error).removeprefix(f"{name} is refused: ")
    if isinstance(error.__cause__, UnknownContentError):
        reason = f"{reason}; {KEPT}"
    elif error.__cause__ is not None and not isinstance(error.__cause__, UserError):
        reason = f"read back from its file it fails ({type(error.__cause__).__name__}: {str(error.__cause__)[:300]})"
    if any(holds_random_generator(part) for part in pipeline.stored_components.values()):
        reason += "; a file keeps no random generator: draw random numbers in fit or learn only"
    return f"{name} cannot be saved: {reason}"


def _check_in_new_process(
    content: bytes,
    name: str,
    plugins: list[str],
    probe: NDArray[np.uint8],
    expected: NDArray[np.float64],
) -> None:
    """Refuse a pipeline that predicts otherwise in a process in which nothing was trained."""
    try:
        again = _READER.run_task(
            Limits(), predict_from_bytes, content, name, plugins, probe, plugins=tuple(plugins)
        )
        problem = "" if np.allclose(again, expected, atol=ROUNDING) else "predicts otherwise"
    except EndedError as ended:
        problem = f"does not predict ({ended.reason})"
    except UserError as error:
        cause = (
            str(error)
            .removeprefix(f"{name} is refused: ")
            .removeprefix("damaged, or changed since it was written ")
        )
        problem = f"does not predict {cause}"
    if problem:
        raise UserError(
            f"{name} cannot be saved: read back in a new process it {problem}; fit and learn must "
            "keep all that they learn in attributes "
            "of the object, such as self.weights_, not of its class or in variables of the plug-in "
            "file"
        )


def check_save_path(path: Path) -> None:
    """Refuse a path that cannot be that of a pipeline to be written."""
    if path.suffix != SUFFIX:
        raise UserError(
            f"cannot save to {path}: the name of a pipeline ends in {SUFFIX}, as "
            f"{path.stem or 'mine'}{SUFFIX} does"
        )
    if path.is_dir():
        raise UserError(f"cannot save to {path}: it is a folder")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "a folder that cannot be written to" if folder.is_dir() else "a file, not a folder"
        raise UserError(f"cannot save to {path}: {folder} is {what}")
