"""Plug-ins with one common mistake each, for the tests of the checks."""

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB

from benchmark.strategies.base import Strategy
from features.base import Extractor, to_gray


class _Flat(Extractor):
    def extract(self, batch):
        return batch.reshape(len(batch), -1)


class LearnsUndeclared(Extractor):
    def learn(self, images):
        self.mean_ = images.mean(axis=0)

    def extract(self, batch):
        return (batch - self.mean_).reshape(len(batch), -1)


class LearnsFromLabelsUndeclared(_Flat):
    stateless = False

    def learn(self, images, y):
        self.mean_ = images[y == 0].mean(axis=0)


class RenamesParameter(_Flat):
    def __init__(self, grid=4):
        self.n_cells = grid


class ConvertsParameter(_Flat):
    def __init__(self, grid=(4, 4)):
        self.grid = np.array(grid)


class HidesParameters(_Flat):
    def __init__(self, **options):
        self.options = options


class FitReturnsNone(_Flat):
    def fit(self, X, y=None):
        super().fit(X)


class FitWithoutBase(_Flat):
    def fit(self, X, y=None):
        self.n_ = len(X)
        return self


class ReadsAllImages(_Flat):
    stateless = False
    learns_from_sample = True

    def learn(self, images):
        self.mean_ = images[:].mean(axis=0)


class GivesFloat64(_Flat):
    def transform(self, X):
        return super().transform(X).astype(float)


class DividesByZero(Extractor):
    def extract(self, batch):
        gray = to_gray(batch)
        return (gray / gray.max(axis=(1, 2), keepdims=True)).reshape(len(batch), -1)


class DrawsUnseeded(Extractor):
    def extract(self, batch):
        return np.random.rand(len(batch), 3)  # noqa: NPY002


class GrayOnly(Extractor):
    def extract(self, batch):
        return batch.reshape(len(batch), *batch.shape[1:3]).reshape(len(batch), -1)


class ColourOnly(Extractor):
    def extract(self, batch):
        return (batch[..., 0] - 1.0 * batch[..., 2]).reshape(len(batch), -1)


class NeedsSixteenPixels(Extractor):
    def extract(self, batch):
        if min(batch.shape[1:3]) < 16:
            raise ValueError("a window of 16 pixels does not fit")
        return batch[:, :16, :16].mean(axis=-1).reshape(len(batch), -1)


class WritesIntoBatch(Extractor):
    def extract(self, batch):
        batch -= batch.min(axis=(1, 2, 3), keepdims=True)
        return batch.reshape(len(batch), -1)


class InheritsNothing:
    def extract(self, batch):
        return batch.reshape(len(batch), -1)


class HasABug(Extractor):
    def extract(self, batch):
        return self.table[batch[:, 0, 0, 0]]


class NeedsColourAndSixtyFourPixels(Extractor):
    least = 64

    def extract(self, batch):
        if min(batch.shape[1:3]) < self.least:
            raise ValueError("window does not fit" if batch.shape[3] == 3 else "colours wanted")
        return batch[:, :8, :8, 2].reshape(len(batch), -1)


class NeedsColourAndMorePixels(NeedsColourAndSixtyFourPixels):
    least = 256


class NeedsMorePixels(Extractor):
    def extract(self, batch):
        raise ValueError("a window of 300 pixels does not fit")


class DividesByZeroWhenSmall(Extractor):
    def extract(self, batch):
        return batch[:, :2, :2].mean(axis=-1).reshape(len(batch), -1) / np.float64(
            batch.shape[1] // 24
        )


class FindsNothingOnBlank(Extractor):
    def extract(self, batch):
        keypoints = [None if image.min() == image.max() else image[:4, :4] for image in batch]
        return np.stack([patch.mean(axis=(0, 1)) for patch in keypoints])


class FindsNothingOnSome(Extractor):
    def extract(self, batch):
        keypoints = [image[:4, :4] if image.mean() > 75 else None for image in batch]
        return np.stack([patch.mean(axis=(0, 1)) for patch in keypoints])


class ReturnsNone(Extractor):
    def extract(self, batch):
        batch.reshape(len(batch), -1)


class ReturnsSeveralLengths(Extractor):
    def extract(self, batch):
        return [image[image > 99] for image in batch]


class StacksSeveralLengths(ReturnsSeveralLengths):
    def extract(self, batch):
        return np.stack(super().extract(batch))


class GivesFloat16(Extractor):
    def extract(self, batch):
        return to_gray(batch).astype(np.float16).sum(axis=1)


class CountsCalls(Extractor):
    def __init__(self, step=1):
        self.step = step
        self.n = 0

    def extract(self, batch):
        self.n += self.step
        return batch.reshape(len(batch), -1) + self.n


class CountsCallsInItsClass(Extractor):
    n = 0

    def extract(self, batch):
        type(self).n += 1
        return batch.reshape(len(batch), -1) + self.n


class DrawsWhenCalled(Extractor):
    stateless = False

    def learn(self, images):
        self.random_ = np.random.default_rng(0)

    def extract(self, batch):
        return batch.reshape(len(batch), -1) + self.random_.random()


class TakesMask(_Flat):
    def extract(self, batch, mask):
        return super().extract(batch[mask])


class ForgetsSelf(Extractor):
    def extract(batch):  # noqa: N805
        return batch.reshape(len(batch), -1)


class TakesEpochs(GaussianNB):
    def fit(self, X, y, epochs):
        return super().fit(X, y)


class TakesNoLabels(GaussianNB):
    def fit(self, X):
        return self


class DropsOutInPrediction(ClassifierMixin, BaseEstimator):
    def __init__(self, random_state=None):
        self.random_state = random_state

    def layer(self, d):
        from torch import nn

        return nn.Dropout()

    def fit(self, X, y):
        import torch

        torch.manual_seed(self.random_state)
        self.classes_ = np.unique(y)
        self.network_ = torch.nn.Sequential(
            self.layer(X.shape[1]), torch.nn.Linear(X.shape[1], len(self.classes_))
        )
        return self

    def predict_proba(self, X):
        import torch

        with torch.no_grad():
            return torch.softmax(self.network_(torch.tensor(X)), 1).double().numpy()


class NormalisesByBatchInPrediction(DropsOutInPrediction):
    def layer(self, d):
        from torch import nn

        return nn.BatchNorm1d(d)


class GivesHalves(GaussianNB):
    def predict_proba(self, X):
        return super().predict_proba(X).astype(np.float16)


class SeedsNoNetwork(ClassifierMixin, BaseEstimator):
    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        from torch import nn

        self.classes_ = np.unique(y)
        self.weights_ = nn.Linear(X.shape[1], len(self.classes_)).weight.detach().numpy()
        return self

    def predict_proba(self, X):
        return softmax(X @ self.weights_.T, axis=1)


class FitsToNone(GaussianNB):
    def fit(self, X, y):
        super().fit(X, y)


class SetsNoClasses(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_classes_ = len(np.unique(y))
        return self

    def predict_proba(self, X):
        return np.full((len(X), self.n_classes_), 1 / self.n_classes_)


class GivesOneRow(GaussianNB):
    def predict_proba(self, X):
        return super().predict_proba(X)[:1]


class GivesScores(GaussianNB):
    def predict_proba(self, X):
        return super().predict_proba(X) * 3 - 1


class ChangesX(GaussianNB):
    def fit(self, X, y):
        X -= X.mean(axis=0)
        return super().fit(X, y)


class PredictsByChance(GaussianNB):
    def predict_proba(self, X):
        proba = super().predict_proba(X) + np.random.rand(len(X), 1)  # noqa: NPY002
        return proba / proba.sum(axis=1, keepdims=True)


class _Network(ClassifierMixin, BaseEstimator):
    takes = "images"
    least = 8
    channels = (1, 3)

    def fit(self, X, y):
        _, height, width, channels = X.shape
        assert channels in self.channels, "wrong number of channels"
        assert min(height, width) >= self.least, "kernel larger than input"
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class ForgetsTakes(_Network):
    takes = "features"


class ForgetsTakesOfLargeColourImages(_Network):
    takes = "features"
    least = 100
    channels = (3,)


class NeedsMorePixelsStill(_Network):
    least = 300


class OneChannelNetwork(_Network):
    channels = (1,)


class ThreeChannelNetwork(_Network):
    least = 16
    channels = (3,)


class NetworkOfSixteenPixels(_Network):
    least = 16


class StatesSixteenPixels(_Network):
    least = smallest_side = 16


class InheritsNothingEither:
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class MakesFloat64(RandomOverSampler):
    def fit_resample(self, X, y):
        X, y = super().fit_resample(X, y)
        return X.astype(float), y


class MakesStrings(RandomOverSampler):
    def fit_resample(self, X, y):
        X, y = super().fit_resample(X, y)
        return X, y.astype(str)


class ReturnsSamplesOnly(RandomOverSampler):
    def fit_resample(self, X, y):
        return super().fit_resample(X, y)[0]


class TakesGroups(BaseEstimator):
    def fit_resample(self, X, y, groups):
        return X, y


class LosesLabels(Strategy):
    def resample(self, X, y):
        return X[:10], y


class WritesIntoSamples(Strategy):
    def resample(self, X, y):
        X += 1
        return X, y


class ShufflesUnseeded(BaseEstimator):
    def fit_resample(self, X, y):
        order = np.random.permutation(len(X))  # noqa: NPY002
        return X[order], y[order]


class ReadsAllRows(GaussianNB):
    reads_chunks = True
