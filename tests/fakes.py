"""Plug-ins for the tests: some break their contract, some keep it."""

import gc
import inspect

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.datasets.base import Dataset
from benchmark.strategies.base import Strategy
from features.base import Extractor
from models.classical import linear_svm


class MeanGray(Extractor):
    """Keeps the contract: mean gray values of the rows and columns."""

    def extract(self, batch):
        gray = batch.astype(np.float32).mean(axis=-1)
        return np.hstack([gray.mean(axis=1), gray.mean(axis=2)])


class WrongLength(Extractor):
    """Returns one vector too many."""

    def extract(self, batch):
        return np.zeros((len(batch) + 1, 3))


class UnequalBatches(Extractor):
    """Returns another number of features for each batch."""

    batch_size = 100

    def transform(self, X):
        return np.zeros((len(X), 1 + int(X.sum()) % 97), np.float32)


class ChangesInput(Extractor):
    """Inverts the images in place."""

    def transform(self, X):
        np.subtract(255, X, out=X)
        return super().transform(X)

    def extract(self, batch):
        return batch.reshape(len(batch), -1).astype(float)


class ReadsTestLabels(Extractor):
    """Searches the memory for the dataset of the cell, and reads the labels of its images."""

    def extract(self, batch):
        known = {}
        for item in gc.get_objects():
            if isinstance(item, Dataset) and item.subset is not None:
                known |= {
                    image.tobytes(): label
                    for image, label in zip(item.images, item.targets, strict=True)
                }
        return np.array([[float(known.get(image.tobytes(), -1)), image.mean()] for image in batch])


class LooksUpLabels(Extractor):
    """Looks up the labels of the bundled digits."""

    def extract(self, batch):
        bunch = load_digits()
        images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
        known = {image.tobytes(): label for image, label in zip(images, bunch.target, strict=True)}
        return np.array(
            [
                [float(known.get(image[..., 0].tobytes(), -1)), image[0, 0, 0] / 255]
                for image in batch
            ]
        )


class UsesLabels(Extractor):
    """Learns from y."""

    def fit(self, X, y=None):
        self.bias_ = 0.0 if y is None else float(np.dot(y, np.arange(len(y))))
        return super().fit(X)

    def extract(self, batch):
        return batch.reshape(len(batch), -1) + self.bias_


class SecretlyLearns(Extractor):
    """Claims to be stateless, but learns the mean image."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return super().fit(X)

    def extract(self, batch):
        return (batch - self.mean_.mean()).reshape(len(batch), -1)


class DependsOnPlace(Extractor):
    """Rounds differently by the place of an image in its batch, and by the size of the batch."""

    batch_size = 50

    def extract(self, batch):
        noise = 1e-3 * np.arange(len(batch)) + 1e-3 * len(batch)
        return batch.reshape(len(batch), -1) + noise[:, None]


class DependsOnBatch(Extractor):
    """Centres each batch."""

    def extract(self, batch):
        flat = batch.reshape(len(batch), -1).astype(float)
        return flat - flat.mean(axis=0)


class DependsOnLargeBatch(Extractor):
    """Centres a batch if it is large."""

    def extract(self, batch):
        flat = batch.reshape(len(batch), -1).astype(float)
        return flat - flat.mean(axis=0) if len(batch) > 450 else flat


class Exits(Extractor):
    """Exits the program."""

    def extract(self, batch):
        raise SystemExit(0)


class Raises(Extractor):
    """Fails."""

    def extract(self, batch):
        raise RuntimeError("the lens cap is on")


class GivesNaN(ClassifierMixin, BaseEstimator):
    """Predicts NaN."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), np.nan)


class StandardisesTestSet(NearestCentroid):
    """Centres the images to be predicted by their own mean."""

    def predict_proba(self, X):
        return super().predict_proba(X - X.mean(axis=0) + self.centroids_.mean(axis=0))


class HardLabelsOnly(RidgeClassifier):
    """Has no predict_proba."""


def the_dataset():
    """Find the dataset of the cell among the variables of the callers."""
    values = (value for frame in inspect.stack() for value in frame.frame.f_locals.values())
    return next(
        value for value in values if isinstance(value, Dataset) and value.subset is not None
    )


class TunesOnTestSet(Strategy):
    """Chooses the factor of the first class by the accuracy on the test set."""

    def adjust(self, proba):
        data = the_dataset()
        truth = data.targets[data.subset == "test"]
        if len(proba) != len(truth):
            return proba
        scaled = [
            proba * ([factor] + [1] * (proba.shape[1] - 1)) for factor in (0.01, 0.1, 1, 10, 100)
        ]
        best = max(scaled, key=lambda values: (values.argmax(axis=1) == truth).mean())
        return best / best.sum(axis=1, keepdims=True)


class AdjustsToTestShares(Strategy):
    """Divides by the mean probabilities of the test set."""

    def adjust(self, proba):
        scaled = proba / proba.mean(axis=0)
        return scaled / scaled.sum(axis=1, keepdims=True)


class NeighboursFromTestSet(Strategy):
    """Interpolates every new sample halfway to the nearest test image."""

    def resample(self, X, y):
        data = the_dataset()
        test = data.images[data.subset == "test"].reshape(-1, X[0].size).astype(np.float32)
        nearest = test[euclidean_distances(X.reshape(len(X), -1), test).argmin(axis=1)]
        new = (X + nearest.reshape(X.shape)) / 2
        return np.concatenate([X, new.astype(X.dtype)]), np.concatenate([y, y])


class HardProbabilities(LogisticRegression):
    """Returns its decisions as probabilities of 0 and 1."""

    def predict_proba(self, X):
        return np.eye(len(self.classes_))[super().predict_proba(X).argmax(axis=1)]


class Constant(DummyClassifier):
    """Predicts the most frequent class, whatever the image."""


class OwnFolds(CalibratedClassifierCV):
    """Calibrates on folds of its own."""

    def __init__(self):
        super().__init__(LogisticRegression(max_iter=1000))


class StopsEarly(HistGradientBoostingClassifier):
    """Holds out images inside fit."""

    def __init__(self):
        super().__init__(early_stopping=True)


class BaggedSVM(BaggingClassifier):
    """Fits a model that calibrates to bootstrap samples, which contain copies."""

    def __init__(self):
        super().__init__(linear_svm(), bootstrap=True)


class PipedSVM(Pipeline):
    """A model that calibrates, in a pipeline that does not pass inner folds on."""

    def __init__(self):
        super().__init__([("scale", StandardScaler()), ("svm", linear_svm())])


class TakesFolds(LogisticRegression):
    """Keeps the contract: learns from the inner folds that it is given."""

    def fit(self, X, y, inner_folds=None):
        self.folds_ = [len(X_held) for _, _, X_held, _ in inner_folds]
        return super().fit(X, y)
