"""Metadata of a trained pipeline: its origin, test metrics, input and output."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.datasets.images.decoded import MAX_PIXELS

Side = Annotated[int, Field(ge=1, le=2048)]
Name = Annotated[str, Field(max_length=1000)]


class Card(BaseModel):
    """Metadata of a trained pipeline, stored as ``card.json`` in its file.

    Parameters
    ----------
    format : int
        Version of the file format.
    dataset, fingerprint, split, extractor, strategy, model : str
        Labels as in a leaderboard; ``extractor`` is 'images' if the model takes images.
    seed : int
    params : dict
        All parameters of all components, and the digests of their sources.
    classes : tuple of str
    positive : str or None
        Class that sensitivity and specificity are about; the second one.
    multilabel, ordinal : bool
    image_shape : (height, width, channels)
        Shape of the training images; new images are resized to it.
    percentiles : (low, high)
        Percentiles of an image's values that are mapped to 0 and 255 if a file has more than 8
        bits per channel.
    max_pixels : int
        Number of pixels of a new image at most, as for the dataset.
    n_train, n_test : int
        Number of images in the training set and in the test set.
    metrics : dict
        Metrics of this very pipeline on the test set; None where a metric is undefined.
    environment : dict
        Versions, hardware and git commit.
    notes : tuple of str
        Conversions of the images, and warnings during training.
    training_groups : tuple of str
        Digests of the groups in the training set, such as patients; empty if it has none. They
        tell whether a patient is known, but a name can be guessed from its digest.
    licence, citation : str
        Licence and citation of the dataset.
    fitted : str
        Date and time of the training, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    dataset: Name
    fingerprint: Name
    split: Name
    extractor: Name
    strategy: Name
    model: Name
    seed: int
    params: dict[str, Any]
    classes: Annotated[tuple[Name, ...], Field(min_length=2, max_length=10_000)]
    multilabel: bool
    ordinal: bool
    image_shape: tuple[Side, Side, Literal[1, 3]]
    percentiles: tuple[float, float]
    max_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    n_train: int
    n_test: int
    metrics: dict[str, Annotated[float, Field(allow_inf_nan=False)] | None]
    environment: dict[str, Any]
    notes: tuple[str, ...]
    positive: Name | None = None
    training_groups: tuple[Name, ...] = ()
    licence: str
    citation: str
    fitted: str

    @model_validator(mode="after")
    def _check_fields(self) -> Card:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles {self.percentiles} do not increase from 0 to 100")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        return self

    @property
    def trained_on(self) -> str:
        """Label of the dataset without the folders of its path, which may hold private names."""
        return re.sub(r"(?<=:)[^()'\"]*[/\\]", "", self.dataset)

    @property
    def name(self) -> str:
        """Name of the configuration, such as 'hog / smote / rbf_svm'."""
        labels = (self.extractor, "images"), (self.strategy, "none"), (self.model, "")
        return " / ".join(label for label, default in labels if label != default)
