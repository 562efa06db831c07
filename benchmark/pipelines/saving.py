"""Saving of pipelines: a file is written only if it predicts the same after it is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.engine.worker import EndedError, Limits, Worker
from benchmark.errors import StorageError, UserError
from benchmark.pipelines.file import SUFFIX, deserialize_pipeline, serialize_pipeline
from benchmark.pipelines.pipeline import Pipeline
from benchmark.pipelines.schema import UnknownContentError
from benchmark.pipelines.sources import STORABLE_HINT, find_plugin_files, holds_random_generator
from benchmark.utils.files import find_folder_problem, user_path, write_atomic

TOLERANCE = 1e-5  # an array that is read back may have another memory layout
_READER = Worker()  # started when a plug-in is first saved; nothing is ever trained in it


def save_pipeline(pipeline: Pipeline, path: Path, images: NDArray[np.uint8] | None = None) -> None:
    """Save a pipeline to a file, after verifying that it can be read back.

    Parameters
    ----------
    pipeline : Pipeline
    path : Path
        Must end in ``.pipeline``; an existing file is replaced atomically.
    images : (n, *image_shape) uint8 array, optional
        Images whose predictions are compared after reading back, besides those of two images of
        noise.

    Raises
    ------
    UserError
        The path is not that of a pipeline or cannot be written to, or the pipeline cannot be
        stored.

    See Also
    --------
    benchmark.pipelines.file.load_pipeline : Load a pipeline from a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from benchmark.pipelines.file import load_pipeline
    >>> from benchmark.pipelines.pipeline import find_single_cell, fit_pipeline
    >>> from benchmark.pipelines.saving import save_pipeline
    >>> from benchmark.study.load import make_study
    >>> axes = {"datasets": ["digits"], "extractors": ["pixels"], "models": ["knn"]}
    >>> cell, dataset = find_single_cell(make_study({"name": "fit", **axes}, "fit"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.pipeline"
    ...     save_pipeline(fit_pipeline(cell, dataset), path)
    ...     load_pipeline(path).card.name
    'pixels / knn'
    """
    path = user_path(path)
    check_save_path(path)
    content = serialize_and_verify(pipeline, path.name, images)
    try:
        write_atomic(path, lambda file: file.write(content))
    except StorageError as error:
        raise UserError(
            f"cannot save to {path}: {error.__cause__}; name another path with --save"
        ) from None


def serialize_and_verify(
    pipeline: Pipeline, name: str, images: NDArray[np.uint8] | None = None
) -> bytes:
    """Content of a pipeline's file, verified by reading it back.

    A pipeline with plug-ins is also read back in a new process.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        Name of the file in messages.
    images : (n, *image_shape) uint8 array, optional
        Images whose predictions are compared, besides those of two images of noise.

    Raises
    ------
    UserError
        The pipeline contains an object that cannot be stored, or its predictions differ after
        reading back.
    """
    content, plugins = serialize_pipeline(pipeline), find_plugin_files(pipeline.stored_components)
    noise = np.random.default_rng(0).integers(
        0, 256, (2, *pipeline.card.image_shape), dtype=np.uint8
    )
    probe = noise if images is None else np.concatenate([noise, images])
    expected = pipeline.predict_proba(probe)
    try:
        proba = predict_from_bytes(content, name, plugins, probe)
    except UserError as error:
        raise UserError(_explain_refusal(error, name, pipeline)) from None
    if not np.allclose(proba, expected, atol=TOLERANCE):
        raise UserError(
            f"{name} cannot be saved: its predictions differ after it is read back; a class must "
            "keep what it has learned in attributes, and predict the same for the same images"
        )
    if plugins:
        _check_in_new_process(content, name, plugins, probe, expected)
    return content


def predict_from_bytes(
    content: bytes, name: str, plugins: list[str], images: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Probabilities of images, predicted by the pipeline in the content of a file."""
    return deserialize_pipeline(content, name, plugins).predict_proba(images)


def _explain_refusal(error: UserError, name: str, pipeline: Pipeline) -> str:
    """Message for the author of a pipeline that cannot be read back."""
    reason = str(error).removeprefix(f"{name} is refused: ")
    cause = error.__cause__
    if isinstance(cause, UnknownContentError):
        reason = f"{reason}; {STORABLE_HINT}"
    elif cause is not None and not isinstance(cause, UserError):
        reason = f"reading it back fails ({type(cause).__name__}: {str(cause)[:300]})"
    if any(holds_random_generator(component) for component in pipeline.stored_components.values()):
        reason += (
            "; a file does not store random generators: draw random numbers in fit or learn only"
        )
    return f"{name} cannot be saved: {reason}"


def _check_in_new_process(
    content: bytes,
    name: str,
    plugins: list[str],
    probe: NDArray[np.uint8],
    expected: NDArray[np.float64],
) -> None:
    """Refuse a pipeline whose predictions differ in a process in which nothing was trained."""
    try:
        proba = _READER.run_task(
            Limits(), predict_from_bytes, content, name, plugins, probe, plugins=tuple(plugins)
        )
        problem = "" if np.allclose(proba, expected, atol=TOLERANCE) else "its predictions differ"
    except EndedError as ended:
        problem = f"it does not predict ({ended.reason})"
    except UserError as error:
        cause = (
            str(error)
            .removeprefix(f"{name} is refused: ")
            .removeprefix("corrupted, or changed since it was written ")
        )
        problem = f"it does not predict {cause}"
    if problem:
        raise UserError(
            f"{name} cannot be saved: read back in a new process, {problem}; fit and learn must "
            "keep all that they learn in attributes of the object, such as self.weights_, not of "
            "its class or in variables of the plug-in file"
        )


def check_save_path(path: Path) -> None:
    """Refuse a path that a pipeline cannot be saved to.

    Raises
    ------
    UserError
        The path does not end in ``.pipeline``, is a folder, or cannot be written to.
    """
    if path.suffix != SUFFIX:
        raise UserError(
            f"cannot save to {path}: the name of a pipeline ends in {SUFFIX}, such as "
            f"{path.stem or 'mine'}{SUFFIX}"
        )
    if path.is_dir():
        raise UserError(f"cannot save to {path}: it is a folder")
    if problem := find_folder_problem(path):
        raise UserError(f"cannot save to {path}: {problem}")
