"""What is written on a trained pipeline: where it came from, how good it was, what it takes and what it gives."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmark.datasets.images.decoded import MAX_PIXELS

Side = Annotated[int, Field(ge=1, le=2048)]
Name = Annotated[str, Field(max_length=1000)]


class Card(BaseModel):
    """All that is known of a trained pipeline; ``card.json`` in its file.

    Parameters
    ----------
    format : int
        Of the file.
    dataset, fingerprint, split, extractor, strategy, model : str
        Labels, as a leaderboard has them; ``extractor`` is 'images' where the model takes those.
    seed : int
    params : dict
        Every parameter of every part, and the digest of its source.
    classes : tuple of str
    multilabel, ordinal : bool
    image_shape : (height, width, channels)
        Of the training images; others are brought to it.
    percentiles : (low, high)
        Of an image's values, mapped to 0 and 255 where a file has more than 8 bits.
    max_pixels : int
        Of an image, as for the data set; a larger one is refused.
    n_train, n_test : int
    metrics : dict
        On the test set, of exactly this pipeline; None where undefined.
    environment : dict
        Versions, hardware, git commit.
    notes : tuple of str
        What was done to the images, and warnings of the training.
    licence, citation : str
        Of the data set.
    fitted : str
        Date and time, UTC.
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
    licence: str
    citation: str
    fitted: str

    @model_validator(mode="after")
    def _check_fields(self) -> Card:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles {self.percentiles}")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have one name")
        return self

    @property
    def trained_on(self) -> str:
        """The data set's label without the folders of its path, which are nobody else's affair."""
        return re.sub(r"(?<=:)[^()'\"]*[/\\]", "", self.dataset)

    @property
    def name(self) -> str:
        """The entry of a leaderboard that this is."""
        parts = (self.extractor, "images"), (self.strategy, "none"), (self.model, "")
        return " / ".join(label for label, unsaid in parts if label != unsaid)
