"""Plug-ins that fail in every way in which a worker can fail, and some that work.

Each appends a line to the file that ``$WORK_LOG`` names, if any: its name, the time, and the number
of the process.
"""

import contextlib
import ctypes
import inspect
import os
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.dummy import DummyClassifier

import benchmark.scoring.metrics
from benchmark.errors import StorageError
from features.base import Extractor

HELD = []


def log(name):
    if "WORK_LOG" in os.environ:
        with Path(os.environ["WORK_LOG"]).open("a") as file:
            file.write(f"{name} {time.time()} {os.getpid()}\n")


class Honest(DummyClassifier):
    """Predicts the class shares of the training set, after some seconds of work."""

    def __init__(self, seconds=0.0, random_state=None):
        super().__init__(strategy="prior")
        self.seconds = seconds
        self.random_state = random_state

    def fit(self, X, y):
        log(f"{type(self).__name__}-{self.random_state}")
        self.work()
        return super().fit(X, y)

    def work(self):
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            sum(range(10_000))


class Sleeps(Honest):
    """Sleeps forever."""

    def work(self):
        while True:
            time.sleep(60)


class Allocates(Honest):
    """Allocates memory until it is killed."""

    def work(self):
        while True:
            HELD.append(np.ones(10_000_000))


class Segfaults(Honest):
    """Reads an invalid address."""

    def work(self):
        ctypes.string_at(0)


class LeavesSilently(Honest):
    """Ends its process with exit code 0."""

    def work(self):
        os._exit(0)


class Raises(Honest):
    """Fails."""

    def work(self):
        raise RuntimeError("the lens cap is on")


class Talks(Honest):
    """Prints, changes the working directory, and raises an exception with invalid Unicode."""

    def work(self):
        print("SPAM " * 1000)  # noqa: T201
        os.chdir("/")
        raise RuntimeError("\udcff")


class WarnsOfNothing(Honest):
    """Warns without a text, and fails with an exception whose text cannot be read."""

    def work(self):
        warnings.warn("", stacklevel=1)
        raise MuteError


class MuteError(Exception):
    """Has no text that can be read."""

    def __str__(self):
        raise TypeError


class LeavesAChildAndDies(Honest):
    """Forks a child that keeps all files open, and exits."""

    def work(self):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        os._exit(7)


class ClosesAllAndSleeps(Honest):
    """Closes the pipe to the runner, and sleeps forever."""

    def work(self):
        os.closerange(3, 1000)
        time.sleep(10_000)


class Interrupts(Honest):
    """Raises KeyboardInterrupt."""

    def work(self):
        raise KeyboardInterrupt


class KeepsOddHistory(Honest):
    """Has a history that JSON cannot represent."""

    def work(self):
        self.history_ = [
            {"loss": np.float32(0.5), "rng": np.random.default_rng(0), "curve": np.arange(2)}
        ]


class PredictsNaN(Honest):
    """Predicts NaN."""

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), np.nan)


class ForksAndReturns(Honest):
    """Forks its process, and both go on."""

    def work(self):
        os.fork()


class LowersRecursionLimit(Honest):
    """Lowers the recursion limit close to the current depth."""

    def work(self):
        sys.setrecursionlimit(len(inspect.stack(0)) + 20)


class ClaimsAFullDisk(Honest):
    """Raises the error that the results folder raises."""

    def work(self):
        raise StorageError("the disk is full")


class WritesNoMore(Honest):
    """Limits the files of its process to 1,000 bytes."""

    def work(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


class FailsAtLength(Honest):
    """Fails with a message of 20 MB."""

    def work(self):
        raise RuntimeError("z" * 20_000_000)


class WarnsAtLength(Honest):
    """Warns 200 times with 100 kB each, and has a history of 10 MB."""

    def work(self):
        for k in range(200):
            warnings.warn(f"{k} " + "y" * 100_000, stacklevel=1)
        self.history_ = ["x" * 10_000_000]


class RaisesWhatNobodyCatches(Honest):
    """Fails with an exception that is not derived from Exception."""

    def work(self):
        raise OddError


class OddError(BaseException):
    """Derived from BaseException only."""


class Leaves(Honest):
    """Calls sys.exit."""

    def work(self):
        sys.exit(3)


class SendsRubbish(Honest):
    """Writes into every open pipe."""

    def work(self):
        for descriptor in range(3, 60):
            with contextlib.suppress(OSError):
                os.write(descriptor, (64).to_bytes(4) + b"rubbish " * 8)


class ChangesNumPy(Honest):
    """Makes NumPy raise instead of warn."""

    def work(self):
        np.seterr(all="raise")


class PatchesSklearn(Honest):
    """Makes every logistic regression predict equal probabilities."""

    def work(self):
        guess_everywhere()


class PatchesMetrics(Honest):
    """Makes every metric perfect."""

    def work(self):
        benchmark.scoring.metrics.compute_metrics = lambda stored: {"accuracy": 1.0, "f1": 1.0}


def guess_everywhere():
    import sklearn.linear_model

    sklearn.linear_model.LogisticRegression.predict_proba = lambda self, X: np.full(
        (len(X), len(self.classes_)), 1 / len(self.classes_)
    )


class Constant(Extractor):
    """Returns the same vector for every image."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def extract(self, batch):
        log("Constant")
        time.sleep(self.seconds)
        return np.ones((len(batch), 2))


class SleepingExtractor(Constant):
    """Sleeps forever."""

    def extract(self, batch):
        log("SleepingExtractor")
        time.sleep(10_000)


class CrashingExtractor(Constant):
    """Reads an invalid address."""

    def extract(self, batch):
        log("CrashingExtractor")
        ctypes.string_at(0)


class CrashesLate(Constant):
    """Takes 0.2 s per batch, and reads an invalid address in the fifth unless it may go on."""

    batch_size = 100

    def extract(self, batch):
        log("CrashesLate")
        time.sleep(0.2)
        lines = Path(os.environ["WORK_LOG"]).read_text().splitlines()
        if len(lines) > 4 and not Path(os.environ["WORK_LOG"]).with_suffix(".go").exists():
            ctypes.string_at(0)
        return np.stack([batch.sum(axis=(1, 2, 3)), batch.max(axis=(1, 2, 3))], axis=1)


class PatchingExtractor(Constant):
    """Makes every logistic regression predict equal probabilities, too."""

    def extract(self, batch):
        guess_everywhere()
        return super().extract(batch)
