"""Trained pipelines of extractors, a model and a strategy, and their training."""

from __future__ import annotations

import math
import tempfile
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.images.options import Options
from benchmark.errors import UserError
from benchmark.evaluation.components import (
    Components,
    build_components,
    seed_global_generators,
)
from benchmark.evaluation.extraction import Features
from benchmark.evaluation.feature_rows import join_features
from benchmark.evaluation.fitting import fit_extractor
from benchmark.evaluation.inner_folds import predict_aligned_proba
from benchmark.evaluation.plan import make_plan
from benchmark.evaluation.training import Trained, train_and_predict
from benchmark.evaluation.tuning import Tuned, tune_components
from benchmark.pipelines.card import Card
from benchmark.plugins.registry import BASELINE, resolve_spec, takes_attributes, takes_images
from benchmark.plugins.spec import Spec
from benchmark.results.folder import ResultsFolder
from benchmark.sampling.splits import Indices, has_official_split, note_shared_images
from benchmark.scoring import metrics
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Combined, Refused, Strategy
from benchmark.study.axes import describe_tuning
from benchmark.study.cell import Cell
from benchmark.study.study import Study
from benchmark.utils.environment import collect_environment
from benchmark.utils.hashing import digest_of
from benchmark.utils.messages import describe_warnings, exception_text
from benchmark.utils.text import format_count
from benchmark.utils.threads import limited_threads


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Trained pipeline, which predicts the class probabilities of images.

    Parameters
    ----------
    card : Card
        Origin and test metrics.
    extractors : tuple of fitted extractors
        The features of several are concatenated; empty if the model takes images.
    model : fitted scikit-learn classifier
    strategy : Strategy
        Adjusts the probabilities.

    See Also
    --------
    fit_pipeline : Train a pipeline.
    benchmark.pipelines.file.load_pipeline : Load a pipeline from a file.
    benchmark.pipelines.saving.save_pipeline : Save a pipeline to a file.
    """

    card: Card
    extractors: tuple[Any, ...]
    model: Any
    strategy: Strategy

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Predict probabilities on one thread, as in training.

        Parameters
        ----------
        images : (n, *image_shape) uint8

        Returns
        -------
        (n, n_classes) float64
            In the order of ``card.classes``.
        """
        with limited_threads():
            return self.strategy.adjust(
                predict_aligned_proba(self.model, self.compute_model_input(images), self.card)
            )

    @property
    def stored_components(self) -> dict[str, Any]:
        """Components that a file stores, by name.

        Of the strategy, only the part that adjusts probabilities is stored: after training, the
        rest has no effect.
        """
        extractors = {f"extractor_{k}": extractor for k, extractor in enumerate(self.extractors)}
        return {"strategy": _select_adjustments(self.strategy), "model": self.model, **extractors}

    def compute_model_input(self, images: NDArray[np.uint8]) -> NDArray:
        """Input of the model: features (n, d) float32, or the images themselves."""
        return _compute_model_input(self.extractors, images)


def find_single_cell(study: Study, data: Any = None) -> tuple[Cell, Dataset]:
    """Find the only cell of a study with one entry on each axis, and load its dataset.

    The test set is that of the first fold of the study's split. By default the split is the
    official one if the dataset has one, else the hold-out.

    Parameters
    ----------
    study : Study
        Its external datasets are ignored; ``evaluate`` predicts those.
    data : Path, optional
        Data folder.

    Raises
    ------
    UserError
        A name is unknown, the dataset cannot be loaded, or the study has several cells.
    """
    model = resolve_spec("model", study.models[0], study.plugins)
    if not study.extractors and not takes_images(model) and model.name != BASELINE:
        raise UserError(f"{model.label} takes features: name an extractor, such as --extractor hog")
    plan = make_plan(study.model_copy(update={"external": ()}), data)
    (dataset,) = plan.datasets.values()
    if study.split is None and not has_official_split(dataset):
        plan = replace(
            plan,
            study=plan.study.model_copy(update={"split": resolve_spec("split", Spec("holdout"))}),
        )
    cells = [cell for cell in plan.cells() if cell.fold == 0]
    if study.extractors and not cells[0].extractor:
        why = "takes images" if takes_images(model) else "needs no extractor"
        raise UserError(f"{cells[0].model.label} {why}: leave the extractor out")
    if len(cells) != 1:
        raise UserError(
            f"these options describe {len(cells)} pipelines: name one dataset, one model, and "
            "one extractor if the model takes features"
        )
    return cells[0], dataset


def fit_pipeline(cell: Cell, dataset: Dataset) -> Pipeline:
    """Train a pipeline on the training set of a cell, and evaluate it on the test set.

    It is trained on one thread, as by ``run``, so that its probabilities equal those of the same
    cell in a leaderboard.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset

    Returns
    -------
    Pipeline

    Raises
    ------
    UserError
        The strategy or the model cannot be used with this training set, or the training fails.

    See Also
    --------
    benchmark.pipelines.saving.save_pipeline : Save a pipeline to a file.

    Examples
    --------
    >>> from benchmark.pipelines.pipeline import find_single_cell, fit_pipeline
    >>> from benchmark.study.load import make_study
    >>> axes = {"datasets": ["digits"], "extractors": ["pixels"], "models": ["knn"]}
    >>> cell, dataset = find_single_cell(make_study({"name": "fit", **axes}, "fit"))
    >>> pipeline = fit_pipeline(cell, dataset)
    >>> pipeline.predict_proba(dataset.images[:3]).argmax(axis=1)
    array([0, 1, 2])
    """
    components = build_components(cell, dataset)
    reason = components.refusal_reason()
    if any(map(takes_attributes, cell.extractor)):
        reason = "it takes attributes, which are not given with the images that it is to predict"
    if reason:
        raise UserError(f"this pipeline cannot be trained on {dataset.name}: {reason}")
    seed_global_generators(cell)
    with limited_threads(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tuned = _tune_components(components)
            components = tuned.components
            trained = train_components(components)
        except Refused as refused:
            raise UserError(
                f"this pipeline cannot be trained on {dataset.name}: {refused}"
            ) from None
        except (Exception, SystemExit) as error:
            raise UserError(
                f"training on {dataset.name} failed: {type(error).__name__}: "
                f"{exception_text(error)}"
            ) from error
    validation = trained.outcome["validation"]
    notes = (
        *dataset.notes,
        *_describe_tuning(tuned),
        *tuned.notes,
        *trained.notes,
        *([f"held out: {validation}"] if validation != "none" else []),
        *note_shared_images(dataset, *components.fold),
        *metrics.note_undefined_metrics(trained.predictions),
        *describe_warnings(caught),
    )
    return assemble_pipeline(components, trained, notes)


def _tune_components(components: Components) -> Tuned:
    """Choose the parameters of a cell, if it is tuned, without a results folder."""
    with tempfile.TemporaryDirectory() as path:
        folder = ResultsFolder(path)
        folder.features.mkdir()
        return tune_components(components, folder)


def _describe_tuning(tuned: Tuned) -> list[str]:
    """Return a note on how parameters were chosen; none if they were not."""
    if not tuned.outcome:
        return []
    outcome, cell = tuned.outcome, tuned.components.cell
    return [
        f"{describe_tuning(cell.tuning.label)} on {outcome['tuned_on']}: the best of "
        f"{format_count(outcome['n_candidates'], 'candidate')} by {outcome['tuned_by']}, "
        f"{outcome['inner_score']:.3f} there"
    ]


def train_components(components: Components) -> Trained:
    """Fit the extractors and the model of a cell, and predict the test set."""
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
    """Assemble a pipeline from its trained components and its card."""
    card = make_card(
        components.cell, components.dataset, trained.predictions, components.train, notes
    )
    return Pipeline(card, components.extractors, trained.model, trained.strategy)


def make_card(
    cell: Cell, dataset: Dataset, predictions: Predictions, train: Indices, notes: tuple[str, ...]
) -> Card:
    """Make the card of a pipeline, with its origin and its test metrics."""
    labels = ("dataset", "fingerprint", "split", "extractor", "strategy", "model", "seed")
    return Card(
        **{name: cell.identity[name] for name in labels},
        params=cell.params,
        classes=dataset.classes,
        positive=dataset.positive,
        multilabel=dataset.multilabel,
        ordinal=dataset.ordinal,
        image_shape=dataset.images.shape[1:],
        percentiles=dict(cell.dataset.params).get("percentiles", Options.percentiles),
        max_pixels=dict(cell.dataset.params).get("max_pixels", Options.max_pixels),
        n_train=len(train),
        n_test=len(predictions.y_true),
        metrics={
            name: float(value) if math.isfinite(value) else None
            for name, value in metrics.compute_metrics(predictions).items()
        },
        environment=collect_environment(),
        notes=notes,
        training_groups=digest_groups(dataset, train),
        licence=dataset.licence or "",
        citation=dataset.citation or "",
        fitted=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def digest_groups(dataset: Dataset, indices: Indices) -> tuple[str, ...]:
    """Return the digest of each group of some images, in sorted order; none without groups."""
    if dataset.groups is None:
        return ()
    return tuple(sorted(map(digest_of, {str(group) for group in dataset.groups[indices]})))


def _select_adjustments(strategy: Strategy) -> Strategy:
    """The strategies, of a combined one, that adjust probabilities."""
    strategies = strategy.parts if isinstance(strategy, Combined) else [strategy]
    adjusting = [each for each in strategies if type(each).adjust is not Strategy.adjust]
    if len(adjusting) == 1:
        return adjusting[0]
    return Combined(adjusting) if adjusting else Strategy()


def _compute_model_input(extractors: tuple[Any, ...], images: NDArray[np.uint8]) -> NDArray:
    if not extractors:
        return images
    return join_features([extractor.transform(images) for extractor in extractors])
