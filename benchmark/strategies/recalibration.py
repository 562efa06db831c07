"""Strategies that make probabilities fit the class frequencies before resampling again.

A model that was trained on a resampled training set gives rare classes too high a probability, and
a network or a forest may be too confident in any case. Log loss and calibration error suffer from
that. With two classes these strategies leave the ranking of the images, and hence the AUC, as it is
(apart from ties that ``isotonic`` makes); with more classes they may change it either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

from benchmark.datasets.base import Task
from benchmark.strategies.base import HeldOut, Proba, Strategy
from benchmark.strategies.refusals import refuse_multilabel, require_two_classes
from benchmark.strategies.thresholds import balances_classes, scale_probabilities

EPSILON = 1e-12  # added to probabilities before their logarithm is taken, as in scikit-learn
LOG_BETA_BOUNDS = (-10.0, 10.0)
UNCHANGED = ((0.0, 1.0), (0.0, 1.0))  # the curve of a class without held-out images


class PriorCorrection(Strategy):
    """Undo what resampling did to the probabilities (Elkan 2001; Dal Pozzolo et al. 2015).

    The probability of each class is multiplied by its share of the training set before resampling,
    divided by its share after it, and the products are scaled to a sum of one. With two classes
    this is theorem 2 of Elkan, and equation 4 of Dal Pozzolo et al. for under-sampling. It is exact
    if sampling has left the images of each class distributed as before, as ``random_over`` and
    ``random_under`` do, and if the model has learned the probabilities of the resampled set, which
    a forest that has memorised repeated images has not. Samplers that invent images, or that choose
    them by their neighbours, are corrected for the number of images only.

    It undoes all resampling of the combined strategy, as in ``smote + prior_correction``, wherever
    it stands in it; without resampling it changes nothing. With more than two classes it may change
    the ranking of images within a class, and hence the AUC.

    Attributes
    ----------
    factors_ : (n_classes,) float64
        Share before resampling divided by the share after it; 0 for a class without training
        images. Classes after the last one with training images are missing.

    See Also
    --------
    Temperature, Isotonic : Learn from held-out images instead.
    benchmark.strategies.thresholds.PriorThreshold : Corrects for the class frequencies.

    Notes
    -----
    Elkan, C. (2001), "The foundations of cost-sensitive learning", IJCAI 17, 973-978.

    Dal Pozzolo, A., Caelen, O., Johnson, R. A. & Bontempi, G. (2015), "Calibrating probability with
    undersampling for unbalanced classification", IEEE SSCI, 159-166.

    Examples
    --------
    >>> strategy = PriorCorrection()
    >>> strategy.learn_shares(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1, 1, 1]))
    >>> strategy.adjust(np.array([[0.5, 0.5]])).tolist()
    [[0.75, 0.25]]
    """

    restores_frequencies = True

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets, and a model that corrects for the class frequencies."""
        if task != "multilabel" and balances_classes(model):
            return (
                "prior_correction undoes resampling only, and this model weights or resamples the "
                "classes itself; isotonic would work"
            )
        return refuse_multilabel("prior_correction", task)

    def learn_shares(self, y: NDArray[np.int64], resampled_y: NDArray[np.int64]) -> None:
        """Compute the ratios of the shares."""
        before = np.bincount(y) / len(y)
        after = np.bincount(resampled_y, minlength=len(before)) / len(resampled_y)
        self.factors_ = np.divide(before, after, out=np.zeros_like(before), where=after > 0)

    def adjust(self, proba: Proba) -> Proba:
        """Multiply by the ratios and scale to a sum of one."""
        factors = np.zeros(proba.shape[1])
        factors[: len(self.factors_)] = self.factors_
        return scale_probabilities(proba, factors)


class Temperature(Strategy):
    """Scale the logarithms of the probabilities by one factor (Guo et al. 2017).

    The factor, the inverse of the temperature, minimises the log loss of held-out images, which are
    not resampled; see ``Strategy.learn``. It makes all probabilities more or less extreme, which
    corrects a model that is too confident or not confident enough. It cannot move probability from
    some classes to others, and therefore does not undo resampling by itself: combine it with
    ``prior_correction`` for that. With two classes the AUC stays as it is.

    This is the temperature scaling of scikit-learn's ``CalibratedClassifierCV``, which offers it
    only with a cross-validation of its own: that would split resampled images, and ignore groups.

    Attributes
    ----------
    beta_ : float
        Inverse of the temperature: below 1 if the model was too confident.
    trained_ : (n_trained,) int64
        The classes with training images. The probabilities of others stay zero.

    See Also
    --------
    Isotonic : Learns one curve per class.
    PriorCorrection : Needs no held-out images.

    Notes
    -----
    Guo, C., Pleiss, G., Sun, Y. & Weinberger, K. Q. (2017), "On calibration of modern neural
    networks", ICML 34, 1321-1330. Changed: the logits are logarithms of probabilities, which
    differ from those of a network by a constant per image.

    Examples
    --------
    >>> y, proba = np.array([0, 1, 1, 1]), np.repeat([[0.1, 0.9]], 4, axis=0)
    >>> strategy = Temperature()
    >>> strategy.learn(y, lambda: HeldOut(y, proba))
    >>> strategy.adjust(proba[:1]).round(3).tolist()
    [[0.25, 0.75]]
    """

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets."""
        return refuse_multilabel("temperature", task)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Find the factor.

        Raises
        ------
        Refused
            The held-out images are of fewer than two classes.
        """
        self.trained_ = np.unique(y)
        labels, proba = _select_trained(held_out(), self.trained_, "temperature")
        logits = np.log(proba[:, self.trained_] + EPSILON)
        true = np.arange(len(labels)), np.searchsorted(self.trained_, labels)

        def log_loss(log_beta: float) -> float:
            return -float(log_softmax(np.exp(log_beta) * logits, axis=1)[true].mean())

        minimum = minimize_scalar(log_loss, bounds=LOG_BETA_BOUNDS, options={"xatol": 1e-9})
        self.beta_ = float(np.exp(minimum.x))

    def adjust(self, proba: Proba) -> Proba:
        """Scale the logarithms, and take their softmax."""
        logits = np.log(proba[:, self.trained_] + EPSILON)
        adjusted = np.zeros_like(proba)
        adjusted[:, self.trained_] = softmax(self.beta_ * logits, axis=1)
        return adjusted


class Isotonic(Strategy):
    """Map the probability of each class by an isotonic regression (Zadrozny & Elkan 2002).

    The regression of a class, scikit-learn's, is fitted to held-out images, which are not
    resampled; see ``Strategy.learn``. The mapped probabilities are scaled to a sum of one. It
    needs no assumption about how the probabilities are distorted, and many held-out images of each
    class: with few, its steps are coarse, and ties lower the AUC.

    Attributes
    ----------
    curves_ : list of (2, n_steps) float64
        Per class, probabilities and what they are mapped to; between them the curve is linear.

    See Also
    --------
    Temperature : Learns a single number, for which few held-out images suffice.
    PriorCorrection : Needs no held-out images.

    Notes
    -----
    Zadrozny, B. & Elkan, C. (2002), "Transforming classifier scores into accurate multiclass
    probability estimates", KDD 8, 694-699. Changed: probabilities end at the softened targets of
    Platt (1999), 1 / (n + 2) for n held-out images of other classes and 1 - 1 / (n + 2) for n of
    the class, because a probability of 0 that turns out to be wrong has an infinite log loss.

    Examples
    --------
    >>> y, proba = np.array([0, 1, 1, 1]), np.repeat([[0.1, 0.9]], 4, axis=0)
    >>> strategy = Isotonic()
    >>> strategy.learn(y, lambda: HeldOut(y, proba))
    >>> strategy.adjust(proba[:1]).round(3).tolist()
    [[0.25, 0.75]]
    """

    restores_frequencies = True

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets."""
        return refuse_multilabel("isotonic", task)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Fit the curve of each class that has training images and held-out images.

        Raises
        ------
        Refused
            The held-out images are of fewer than two classes.
        """
        labels, proba = _select_trained(held_out(), np.unique(y), "isotonic")
        self.curves_ = [_fit_curve(proba[:, k], labels == k) for k in range(proba.shape[1])]

    def adjust(self, proba: Proba) -> Proba:
        """Map the probabilities of each class and scale to a sum of one."""
        mapped = np.column_stack(
            [np.interp(column, *curve) for column, curve in zip(proba.T, self.curves_, strict=True)]
        )
        return scale_probabilities(mapped, np.ones(len(self.curves_)))


def _fit_curve(proba: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit the isotonic regression of one class to held-out images, (2, n_steps)."""
    if not positive.any():
        return np.array(UNCHANGED)
    lowest, highest = 1 / ((~positive).sum() + 2), 1 - 1 / (positive.sum() + 2)
    regression = IsotonicRegression(y_min=lowest, y_max=highest).fit(proba, positive)
    return np.stack([regression.X_thresholds_, regression.y_thresholds_])


def _select_trained(held_out: HeldOut, trained: NDArray[np.int64], name: str) -> HeldOut:
    """Held-out images of the classes with training images; a validation set may have others."""
    labels, proba = held_out
    known = np.isin(labels, trained)
    require_two_classes(name, labels[known])
    return HeldOut(labels[known], proba[known])
