"""A trained pipeline: extractors, a model, and what a strategy has learned."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.images.options import Options
from benchmark.errors import UserError
from benchmark.evaluation.components import Components, build_components
from benchmark.evaluation.evaluate import seed_global_generators
from benchmark.evaluation.feature_cache import (
    Features,
    describe_warnings,
    exception_text,
    fit_extractor,
    join_features,
)
from benchmark.evaluation.inner_folds import predict_aligned_proba
from benchmark.evaluation.plan import make_plan
from benchmark.evaluation.training import Trained, train_and_predict
from benchmark.pipelines.card import Card
from benchmark.plugins.registry import BASELINE, resolve_spec, takes_images
from benchmark.plugins.spec import Spec
from benchmark.sampling.splits import Indices, has_official_split, note_shared_images
from benchmark.scoring import metrics
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Combined, Refused, Strategy
from benchmark.study.cell import Cell
from benchmark.study.study import Study
from benchmark.utils.environment import collect_environment
from benchmark.utils.threads import limited_threads


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Images to probabilities.

    Parameters
    ----------
    card : Card
    extractors : tuple of fitted extractors
        Several are concatenated; none when the model takes images.
    model : fitted scikit-learn classifier
    strategy : Strategy
        Adjusts the probabilities.
    """

    card: Card
    extractors: tuple[Any, ...]
    model: Any
    strategy: Strategy

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of images (n, *image_shape) uint8, in the order of ``card.classes``; on one thread, as ``fit``."""
        with limited_threads():
            return self.strategy.adjust(
                predict_aligned_proba(self.model, self.compute_model_input(images), self.card)
            )

    @property
    def stored_components(self) -> dict[str, Any]:
        """What its file holds, by name; of the strategy what adjusts probabilities, which is all that matters after training."""
        extractors = {f"extractor_{k}": extractor for k, extractor in enumerate(self.extractors)}
        return {"strategy": _select_adjustments(self.strategy), "model": self.model, **extractors}

    def compute_model_input(self, images: NDArray[np.uint8]) -> NDArray:
        """What the model is given: features (n, d) float32, or the images themselves."""
        return _compute_model_input(self.extractors, images)


def find_single_cell(study: Study, data: Any = None) -> tuple[Cell, Dataset]:
    """Find the one cell of a study with one entry on each axis, and its data set.

    The split is the official one where there is one, else the hold-out.

    Raises
    ------
    UserError
        A name is unknown, or the data set cannot be loaded.
    """
    model = resolve_spec("model", study.models[0], study.plugins)
    if not study.extractors and not takes_images(model) and model.name != BASELINE:
        raise UserError(f"{model.label} takes features: name an extractor, such as --extractor hog")
    plan = make_plan(study.model_copy(update={"split": None}), data)
    (dataset,) = plan.datasets.values()
    if not has_official_split(dataset):
        plan = replace(
            plan,
            study=plan.study.model_copy(update={"split": resolve_spec("split", Spec("holdout"))}),
        )
    found = list(plan.cells())
    if study.extractors and not found[0].extractor:
        raise UserError(
            f"{found[0].model.label} looks at the images themselves: leave the extractor out"
        )
    if len(found) != 1:
        raise UserError(
            f"these make {len(found)} pipelines; name one data set, one model, and one extractor "
            "if the model takes features"
        )
    return found[0], dataset


def fit_pipeline(cell: Cell, dataset: Dataset) -> Pipeline:
    """Train a pipeline on a cell's training set, and measure it on its test set.

    On one thread, as ``run`` does, so that its probabilities are those of the same cell in a
    leaderboard.

    Raises
    ------
    UserError
        The strategy or the model cannot work on this training set.
    """
    components = build_components(cell, dataset)
    reason = components.refusal_reason()
    if reason:
        raise UserError(f"this pipeline cannot be trained on {dataset.name}: {reason}")
    seed_global_generators(cell)
    with limited_threads(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            trained = train_components(components)
        except Refused as refused:
            raise UserError(
                f"this pipeline cannot be trained on {dataset.name}: {refused}"
            ) from None
        except (Exception, SystemExit) as error:  # a row of a study would say so, too
            raise UserError(
                f"training on {dataset.name} failed: {type(error).__name__}: {exception_text(error)}"
            ) from error
    how = trained.outcome["validation"]
    notes = (
        *dataset.notes,
        *trained.notes,
        *([f"held out: {how}"] if how != "none" else []),
        *note_shared_images(dataset, *components.fold),
        *metrics.note_undefined_metrics(trained.predictions),
        *describe_warnings(caught),
    )
    return assemble_pipeline(components, trained, notes)


def train_components(components: Components) -> Trained:
    """Fit the extractors and the model of a cell, and predict its test set."""
    dataset = components.dataset
    for extractor in components.extractors:
        fit_extractor(extractor, dataset, components.train)

    def features_at(indices: Indices) -> NDArray:
        return _compute_model_input(components.extractors, dataset.images[indices])

    return train_and_predict(
        components,
        Features(features_at(components.train), features_at(components.test), features_at),
    )


def assemble_pipeline(components: Components, trained: Trained, notes: tuple[str, ...]) -> Pipeline:
    """Put together what was trained and where it comes from."""
    card = make_card(
        components.cell, components.dataset, trained.predictions, len(components.train), notes
    )
    return Pipeline(card, components.extractors, trained.model, trained.strategy)


def make_card(
    cell: Cell, dataset: Dataset, predictions: Predictions, n_train: int, notes: tuple[str, ...]
) -> Card:
    """Write down where a pipeline comes from, and how good it is."""
    labels = ("dataset", "fingerprint", "split", "extractor", "strategy", "model", "seed")
    return Card(
        **{name: cell.identity[name] for name in labels},
        params=cell.params,
        classes=dataset.classes,
        multilabel=dataset.multilabel,
        ordinal=dataset.ordinal,
        image_shape=dataset.images.shape[1:],
        percentiles=dict(cell.dataset.params).get("percentiles", Options.percentiles),
        max_pixels=dict(cell.dataset.params).get("max_pixels", Options.max_pixels),
        n_train=n_train,
        n_test=len(predictions.y_true),
        metrics={
            name: float(value) if math.isfinite(value) else None
            for name, value in metrics.compute_metrics(predictions).items()
        },
        environment=collect_environment(),
        notes=notes,
        licence=dataset.licence or "",
        citation=dataset.citation or "",
        fitted=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _select_adjustments(strategy: Strategy) -> Strategy:
    parts = strategy.parts if isinstance(strategy, Combined) else [strategy]
    kept = [part for part in parts if type(part).adjust is not Strategy.adjust]
    return kept[0] if len(kept) == 1 else Combined(kept) if kept else Strategy()


def _compute_model_input(extractors: tuple[Any, ...], images: NDArray[np.uint8]) -> NDArray:
    return (
        join_features([extractor.transform(images) for extractor in extractors])
        if extractors
        else images
    )
