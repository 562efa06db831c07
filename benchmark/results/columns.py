"""Columns of the rows: the type and the meaning of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isnan
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    create_model,
)

from benchmark.errors import UserError
from benchmark.plugins.spec import number_in_label
from benchmark.scoring.metrics import METRICS, Metric
from benchmark.study.axes import AXES, Axis
from benchmark.study.labels import label_names
from benchmark.utils.notes import NoteKind
from benchmark.utils.status import Status

ROUNDING = 1e-3  # by which a metric may exceed its bounds, as a sum of probabilities may exceed 1


def _check_bounds(value: float, bounds: tuple[float, float]) -> float:
    least, most = bounds
    if not (isnan(value) or least - ROUNDING <= value <= most + ROUNDING):
        raise ValueError(f"must be between {least:g} and {most:g}, or NaN where it is undefined")
    return value


def _check_label(label: Any, read: Callable[[Any], object]) -> Any:
    try:
        read(label)
    except UserError as error:
        raise ValueError(str(error)) from None
    return label


# a key is the name of a file in predictions/
_Key = Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$", max_length=400)]
Index = Annotated[int, Field(ge=0, lt=2**63)]
_Size = Annotated[int, Field(gt=0, lt=2**31)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
_Share = Annotated[float, AfterValidator(partial(_check_bounds, bounds=(0, 1)))]
_Rate = Annotated[float, Field(ge=0)]  # infinite where the measured time is zero


class _Nested(BaseModel):
    """A value that is stored as JSON; it may have more fields than are declared."""

    model_config = ConfigDict(strict=True, extra="allow")


def _label_type(axis: Axis) -> Any:
    """Return the type of a label, which the axis must be able to read.

    If tables sort the axis by a number, the label must contain it.
    """
    read = partial(number_in_label, axis.amount) if axis.amount else lru_cache(axis.read)
    return Annotated[axis.column, AfterValidator(partial(_check_label, read=read))], ...


class _CellIdentity(_Nested):
    fingerprint: str
    size: _Size | None
    split: str
    fold: Index


# labels of a planned cell
Labels: Any = create_model(
    "Labels", __base__=_CellIdentity, **{axis.name: _label_type(axis) for axis in AXES}
)


class _Environment(_Nested):
    processor: str
    cores: Index | None


class _ClassMetrics(_Nested):
    recall: _Share
    precision: _Share
    f1: _Share
    average_precision: _Share
    support: Annotated[float, Field(ge=0, lt=2**53)]
    train: Index


class _Note(_Nested):
    kind: Literal[tuple(kind.value for kind in NoteKind)]  # type: ignore[valid-type]
    text: str
    n_images: Index | None


class Matrix(_Nested):
    """What a row says of a feature matrix."""

    extractor: str
    seconds: Amount
    n_images: Index = 0  # 0 in rows of earlier versions, which computed all images
    mb: Amount


class _Candidate(_Nested):
    parameters: dict[str, dict[str, Any]]
    score: float | None
    seconds: Amount
    n_train: Index


@dataclass(frozen=True)
class Column:
    """A column of the rows.

    Parameters
    ----------
    type : annotation
        Type that pydantic checks its values against.
    meaning : str
        One line, with the unit, and when there is no value.
    is_json : bool
        Whether its values are stored as JSON.
    """

    type: Any
    meaning: str
    is_json: bool = False


def _metric_column(metric: Metric) -> Column:
    bounded = AfterValidator(partial(_check_bounds, bounds=metric.bounds))
    return Column(
        Annotated[float, bounded], f"metric: {metric.describes}; NaN where it is undefined"
    )


def _label_column(name: str) -> Column:
    meanings = {
        "fingerprint": "digest of the dataset's images, targets, classes, groups and official "
        "split",
        "size": "side in pixels that the images were resized to; None is the dataset's own size",
        "split": "split, with all its parameters",
        "fold": "fold of the split, from 0",
    }
    meanings |= {
        axis.name: f"{axis.role.value}: {axis.help[0].lower()}{axis.help[1:]}" for axis in AXES
    }
    return Column(Labels.model_fields[name].annotation, meanings[name])


COLUMNS: dict[str, Column] = {
    "key": Column(
        _Key,
        "content key, which changes with code, parameters or data; name of the file of predictions",
    ),
    "status": Column(
        Literal[tuple(status.value for status in Status)],
        f"how the cell ended: {', '.join(Status)}",
    ),
    "reason": Column(str, "why the cell was skipped or failed; empty if it is ok"),
    "ended": Column(str, "when the cell ended, UTC"),
    "traceback": Column(str, "traceback of the exception of a cell that failed"),
    **{name: _label_column(name) for name in label_names()},
    **{metric.name: _metric_column(metric) for metric in METRICS.values()},
    "per_class": Column(
        Annotated[dict[str, _ClassMetrics], Field(min_length=1)],
        "by class: recall, precision, f1, average_precision, support (test images) and train "
        "(training images)",
        True,
    ),
    "predictions": Column(str, "digest of the file of predictions"),
    "external": Column(
        str, "fingerprint of the dataset with the external images that were predicted, if any were"
    ),
    "extract_s": Column(
        Amount,
        "seconds that computing the feature matrices took, even if they were read from the cache",
    ),
    "resample_s": Column(Amount, "seconds that resampling the training set took"),
    "fit_s": Column(Amount, "seconds that fitting took, including calibration and thresholds"),
    "tune_s": Column(
        Amount, "seconds that resampling, fitting and predicting took for all candidates of tuning"
    ),
    "n_candidates": Column(Index, "number of candidates of tuning that were evaluated"),
    "chosen": Column(
        dict[str, dict[str, Any]],
        "parameters that tuning chose, by component; empty for the configuration as it is listed",
        True,
    ),
    "inner_score": Column(
        float, "value of tuning's metric of the chosen candidate on the images held out"
    ),
    "outer_minus_inner": Column(
        float, "value of tuning's metric on the test set minus inner_score"
    ),
    "tuned_by": Column(str, "metric that candidates of tuning were compared by"),
    "tuned_on": Column(str, "images that candidates were compared on"),
    "candidates": Column(
        list[_Candidate],
        "candidates of tuning: parameters, score (None if there is none, for a reason), seconds, "
        "n_train",
        True,
    ),
    "predict_s": Column(Amount, "seconds that predicting the test set took, from features"),
    "images_per_s": Column(
        _Rate, "images per second from pixels to probabilities, including extraction"
    ),
    "peak_mb": Column(Amount, "largest resident memory of the worker, in MB"),
    "n_images": Column(Index, "number of images of the dataset"),
    "n_train": Column(Index, "number of training images"),
    "n_test": Column(Index, "number of test images"),
    "n_resampled": Column(Index, "number of training images after resampling"),
    "approach": Column(
        Literal["classical", "deep"], "whether a deep network is among the features or the model"
    ),
    "shape": Column(str, "height, width and channels of the images"),
    "validation": Column(
        str, "images that calibration, thresholds or early stopping used, by purpose; or none"
    ),
    "matrices": Column(
        dict[str, Matrix],
        "feature matrices that were used, by key: extractor, the seconds that n_images images "
        "took, size in MB",
        True,
    ),
    "params": Column(
        dict[str, Any],
        "every parameter of every component, the digest of its source, and file, SHA-256 and "
        "licence of given weights",
        True,
    ),
    "history": Column(Any, "loss and metrics of a network by epoch; None for other models", True),
    "notes": Column(list[_Note], "what a reader must know, by kind", True),
    "environment": Column(_Environment, "versions, hardware, git commit", True),
    "workers": Column(Index, "number of cells that were run at once"),
    "threads": Column(Index, "number of threads of the cell"),
    # the database has no type for booleans
    "accelerated": Column(
        bool | Annotated[int, Field(ge=0, le=1)], "whether --accelerate was used"
    ),
    "licence": Column(str, "licence of the dataset; None if it is unknown"),
    "citation": Column(str, "citation of the dataset; None if it is unknown"),
}
# columns that have a value in every row with the status 'ok'
REQUIRED = (
    *("extract_s", "resample_s", "fit_s", "predict_s", "n_images", "n_train", "n_test"),
    *("matrices", "per_class", "environment", "params", "accuracy"),
)
