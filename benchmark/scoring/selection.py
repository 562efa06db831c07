"""How much the leader of a table owes to being the best of many on the same test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring import fast_scores
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.metrics import class_membership
from benchmark.scoring.predictions import Predictions

N_DRAWS = 500
N_DRAWS_OF_AREAS = 150  # an area takes many times as long as a count
SEED = 0
SINGLE_LABEL = ("accuracy", "log_loss", "brier")  # another definition with several labels

Weights = NDArray[np.float64]  # (n_draws, n): how often each image is drawn
# values of a metric, one per draw, for weights of the images
Score = Callable[[Weights], NDArray[np.float64]]


def correct_for_selection(
    metric: str, configurations: Sequence[Sequence[Predictions]], n_draws: int | None = None
) -> float:
    """Value of the best of several configurations, corrected for choosing it on the test images.

    The bootstrap of Tsamardinos, Greasidou & Borboudakis (2018): in each draw the best
    configuration is chosen on images drawn with replacement, and evaluated on the images that are
    not drawn. Where images have groups, groups are drawn. Images are drawn once for all folds and
    repeats, and the metric is averaged over them, as in a table. The images that are not drawn are
    fewer, which changes averages over classes; the mean change over the configurations is
    subtracted.

    The result is a point estimate without an interval. It is nearly unbiased where all
    configurations are equally good. Where one is clearly the best it is pessimistic, since the
    draws, which hold fewer different images, choose another one more often than the test set does
    (results/leader_bias.md).

    Parameters
    ----------
    metric : str
        One of ``SCORES``.
    configurations : sequence of sequences of Predictions
        For each configuration its predictions on the same test sets, in the same order.
    n_draws : int or None
        None means ``N_DRAWS``, or ``N_DRAWS_OF_AREAS`` for auc.

    Returns
    -------
    float
        NaN if there are fewer than two configurations, or the metric is not one of ``SCORES`` or,
        with several labels per image, one of ``SINGLE_LABEL``.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> guesses = [np.eye(2)[random.integers(0, 2, 200)] for _ in range(30)]
    >>> lucky = [[Predictions(y, proba, ("a", "b"), np.arange(200))] for proba in guesses]
    >>> best = max(find_metric("accuracy")(p) for (p,) in lucky)
    >>> print(f"{best:.2f}, corrected {correct_for_selection('accuracy', lucky):.2f}")
    0.55, corrected 0.47
    """
    if metric not in SCORES or len(configurations) < 2:
        return float("nan")
    if configurations[0][0].multilabel and metric in SINGLE_LABEL:
        return float("nan")
    n_draws = n_draws or (N_DRAWS_OF_AREAS if metric == "auc" else N_DRAWS)
    random = np.random.default_rng(SEED)
    shape = len(configurations), n_draws
    inside, outside, whole = np.zeros(shape), np.zeros(shape), np.zeros(len(configurations))
    test_sets = list(zip(*configurations, strict=True))
    drawn_in = _draw_images([cells[0] for cells in test_sets], n_draws, random)
    for cells, drawn in zip(test_sets, drawn_in, strict=True):
        left_out = (drawn == 0).astype(np.float64)
        for k, predictions in enumerate(cells):
            score = SCORES[metric](predictions)
            inside[k] += score(drawn)
            outside[k] += score(left_out)
            whole[k] += score(np.ones((1, len(predictions.y_true))))[0]
    sign = 1 if find_metric(metric).greater_is_better else -1
    usable = ~np.isnan(inside + outside).any(axis=0)
    if not usable.any():
        return float("nan")
    inside, outside, whole = sign * inside[:, usable], sign * outside[:, usable], sign * whole
    tied = np.isclose(inside, inside.max(axis=0), rtol=0, atol=1e-12)
    chosen = (outside * tied).sum(axis=0) / tied.sum(axis=0)
    shift = (outside.mean(axis=1) - whole).mean()
    corrected = min(chosen.mean() - shift, whole.max())
    return float(sign * corrected / len(test_sets))


def _draw_images(
    test_sets: Sequence[Predictions], n_draws: int, random: np.random.Generator
) -> Iterator[Weights]:
    """Draw the groups, or images, of all test sets with replacement.

    An image that is in several test sets is drawn as often in each of them.
    """
    units = [p.test_index if p.groups is None else p.groups for p in test_sets]
    names, codes = np.unique(np.concatenate(units), return_inverse=True)
    n = len(names)
    counts = random.multinomial(n, np.full(n, 1 / n), n_draws).astype(np.uint16)
    ends = np.cumsum([len(unit) for unit in units])
    for own in np.split(codes, ends[:-1]):
        yield counts[:, own].astype(np.float64)


def _score_counts(combine: Callable[..., NDArray[np.float64]]) -> Callable[[Predictions], Score]:
    """Make a metric from the weights of images by class: correct, predicted and true."""

    def prepare(p: Predictions) -> Score:
        truth = class_membership(p)
        predicted = p.labels.astype(bool) if p.multilabel else np.eye(len(p.classes))[p.labels] > 0
        correct = truth & predicted

        def score(weights: Weights) -> NDArray[np.float64]:
            sums = (weights @ part.astype(np.float64) for part in (correct, predicted, truth))
            with np.errstate(invalid="ignore", divide="ignore"):
                return combine(*sums)

        return score

    return prepare


def _mean_over_present(values: NDArray, present: NDArray) -> NDArray[np.float64]:
    """Mean over the classes with images."""
    kept = np.where(present > 0, np.nan_to_num(values), 0.0)
    return np.asarray(kept.sum(axis=1) / (present > 0).sum(axis=1))


def _score_loss(losses: Callable[[Predictions], NDArray]) -> Callable[[Predictions], Score]:
    def prepare(p: Predictions) -> Score:
        values = np.asarray(losses(p), np.float64)

        def score(weights: Weights) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore"):
                return np.asarray(weights @ values / weights.sum(axis=1))

        return score

    return prepare


def _prepare_auc(p: Predictions) -> Score:
    """Mean over the classes of the area under the curve of each class against the rest."""
    truth = class_membership(p)
    classes = [1] if len(p.classes) == 2 and not p.multilabel else range(len(p.classes))

    def score(weights: Weights) -> NDArray[np.float64]:
        areas = np.stack([_weighted_area(truth[:, k], p.proba[:, k], weights) for k in classes])
        present = ~np.isnan(areas)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(present, areas, 0).sum(axis=0) / present.sum(axis=0))

    return score


def _weighted_area(truth: NDArray, scores: NDArray, weights: Weights) -> NDArray[np.float64]:
    """Area under the curve for weighted images, one per draw; NaN if a side has no weight."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    ordered = weights[:, order]
    positive, negative = (
        np.add.reduceat(ordered * side[order], starts, axis=1) for side in (truth, ~truth)
    )
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
        )


_score_recall = _score_counts(lambda correct, _, true: _mean_over_present(correct / true, true))
SCORES: dict[str, Callable[[Predictions], Score]] = {
    "accuracy": _score_counts(lambda correct, _, true: correct.sum(axis=1) / true.sum(axis=1)),
    "recall": _score_recall,
    "balanced_accuracy": _score_recall,
    "precision": _score_counts(
        lambda correct, predicted, true: _mean_over_present(correct / predicted, true)
    ),
    "f1": _score_counts(
        lambda correct, predicted, true: _mean_over_present(2 * correct / (predicted + true), true)
    ),
    "auc": _prepare_auc,
    "log_loss": _score_loss(lambda p: fast_scores.negative_log_likelihood(p.y_true, p.proba)),
    "brier": _score_loss(lambda p: fast_scores.squared_error(p.y_true, p.proba)),
    "subset_accuracy": _score_loss(lambda p: (p.labels == p.y_true).all(axis=1)),
    "hamming_loss": _score_loss(lambda p: (p.labels != p.y_true).mean(axis=1)),
}
