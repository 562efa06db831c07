"""Compare support vector machines fitted to matrix products with the way they were fitted before.

``python tests/benchmarks/kernel_machines.py`` takes about 20 minutes on one core and writes
``results/kernel_machines.md``. ``$BENCHMARK_DATA`` must hold HAM10000 and BreastMNIST.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from result_pages import wrap
from scipy.linalg import qr
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmark.datasets.base import data_folder
from benchmark.utils.environment import collect_environment
from benchmark.utils.threads import limit_process_threads
from features.color_histogram import ColorHistogram
from features.hog import HOG
from features.pixels import Pixels
from features.sift_bovw import SIFTBoVW
from models.calibration import Calibrated
from models.classical import linear_svm, rbf_svm
from models.linear_svm import LinearSVM
from models.svm import CoupledSVC

PER_CLASS = 100
ROUNDS = 3
SLOW = 20  # seconds of a fit from which on a single round is enough


class PreviousSVC(CoupledSVC):
    """``rbf_svm`` with the machines of scikit-learn's ``SVC``."""

    def _make_machine(self):
        svc = SVC(
            kernel=self.kernel,
            C=self.C,
            gamma=self.gamma,
            class_weight=self.class_weight,
            decision_function_shape="ovo",
        )
        return make_pipeline(*([StandardScaler()] if self.standardize else []), svc)


class PreviousLinearSVM(LinearSVM):
    """``LinearSVM`` that projects onto the images by a QR decomposition."""

    def _fit_products(self, X, side, weight):
        basis, coordinates = qr(X.T, mode="economic")
        coef, intercept = self._fit_features(np.ascontiguousarray(coordinates.T), side, weight)
        return basis @ coef, intercept


def previous_rbf_svm(C: float = 1.0, standardize: bool = True) -> PreviousSVC:
    """Build ``rbf_svm`` as it was."""
    return PreviousSVC(C=C, standardize=standardize)


def previous_linear_svm(C: float = 1.0) -> Calibrated:
    """Build ``linear_svm`` as it was."""
    return Calibrated(make_pipeline(StandardScaler(), PreviousLinearSVM(C=C)))


@dataclass(frozen=True)
class Data:
    """Features of training and test images, and the classes of the training images."""

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_test: NDArray[np.float32]


def load_lesions(size: int, per_class: int | None) -> tuple[NDArray, NDArray]:
    """Load images of HAM10000 with the diagnosis, and the sex of the patients with a naevus.

    There are 8 classes.
    """
    table = pd.read_csv(data_folder() / "ham10000" / "metadata.csv")
    table = table[(table["dx"] != "nv") | table["sex"].isin(["male", "female"])]
    label = table["dx"].where(table["dx"] != "nv", "nv " + table["sex"])
    table = table.assign(label=label).sample(frac=1, random_state=0)
    if per_class:
        table = table.groupby("label").head(per_class)
    folder = data_folder() / "ham10000" / "images"
    images = [cv2.imread(str(folder / f"{name}.jpg")) for name in table["image_id"]]
    small = [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(small)[..., ::-1].copy(), np.unique(table["label"], return_inverse=True)[1]


def split(name: str, X: NDArray, y: NDArray, n: int) -> Data:
    """Take the first n images to train on, and the next 200 to test on."""
    X = np.ascontiguousarray(X, dtype=np.float32)
    return Data(name, X[:n], y[:n], X[n : n + 200])


def load_all() -> list[Data]:
    """Compute the features of all comparisons."""
    images, y = load_lesions(128, 115)
    train = pd.Series(y).groupby(y).head(PER_CLASS).index
    order = np.concatenate([train, np.setdiff1d(np.arange(len(y)), train)])
    images, y = images[order], y[order]
    extractors = {
        "pixels": Pixels(),
        "Fisher vectors": SIFTBoVW(encoding="fisher", n_words=64, random_state=0),
        "HOG": HOG(pixels_per_cell=(8, 8), cells_per_block=(2, 2)),
        "HOG, large cells": HOG(pixels_per_cell=(16, 16), cells_per_block=(2, 2)),
        "colours": ColorHistogram(grid=(4, 4)),
    }
    n = 8 * PER_CLASS
    data = [
        split(f"HAM10000 128 px, {name}", extractor.fit(images[:n]).transform(images), y, n)
        for name, extractor in extractors.items()
    ]
    images, y = load_lesions(32, None)
    pixels = Pixels().fit(images).transform(images)
    for n, n_components in ((5_000, 500), (9_700, 100)):
        pca = PCA(n_components, svd_solver="randomized", random_state=0).fit(pixels[:n])
        data.append(split("HAM10000 32 px, principal components", pca.transform(pixels), y, n))
    stored = np.load(data_folder() / "medmnist" / "breastmnist.npz")
    parts = ("train", "test")
    X, y = (
        np.concatenate([stored[f"{part}_{kind}"] for part in parts])
        for kind in ("images", "labels")
    )
    data.append(split("BreastMNIST, pixels", X.reshape(len(X), -1) / 255, y[:, 0], 546))
    X, y = load_digits(return_X_y=True)
    data.append(split("digits, pixels", X, y, 1_597))
    return data


def time_call(function: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time in seconds, and what the function returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def compare(data: Data, before: Any, now: Any) -> dict[str, float]:
    """Fit and predict with both in turn; least times over the rounds, and the difference."""
    seconds: dict[str, list[float]] = {
        "fit before": [],
        "fit": [],
        "predict before": [],
        "predict": [],
    }
    for _ in range(ROUNDS):
        probabilities = []
        for which, model in ((" before", before), ("", now)):
            spent, fitted = time_call(lambda model=model: clone(model).fit(data.X, data.y))
            seconds[f"fit{which}"].append(spent)
            spent, proba = time_call(lambda fitted=fitted: fitted.predict_proba(data.X_test))
            seconds[f"predict{which}"].append(spent)
            probabilities.append(proba)
        if seconds["fit before"][-1] > SLOW:
            break
    least = {name: min(values) for name, values in seconds.items()}
    return {**least, "difference": np.abs(probabilities[0] - probabilities[1]).max()}


def describe(data: Data, parameters: dict[str, Any], outcome: dict[str, float]) -> str:
    """Row of a table."""
    n, d = data.X.shape
    given = ", ".join(f"{name}={value}" for name, value in parameters.items()) or "defaults"
    ratio = outcome["fit before"] / outcome["fit"]
    predict = outcome["predict before"] / outcome["predict"]
    return (
        f"| {data.name} | {n:,} x {d:,} | {len(np.unique(data.y))} | {given} "
        f"| {outcome['fit before']:.2f} s | {outcome['fit']:.2f} s | {ratio:.1f} | {predict:.1f} "
        f"| {outcome['difference']:.0e} |"
    )


def compare_all(
    data: list[Data], before: Callable[..., Any], now: Callable[..., Any], values: list[dict]
) -> list[str]:
    """Compare both ways on all features, and return a table."""
    lines = [
        "| features | images | classes | parameters | fit before | fit | ratio | predict ratio "
        "| difference |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in data:
        for parameters in values:
            outcome = compare(each, before(**parameters), now(**parameters))
            lines.append(describe(each, parameters, outcome))
    return lines


def compare_accuracy(data: list[Data]) -> list[str]:
    """Compare scores of linear machines with those at the minimum, and return a table."""
    lines = [
        "| features | images | C | largest score | error before | error |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in data:
        scaler = StandardScaler().fit(each.X)
        X, X_test = scaler.transform(each.X), scaler.transform(each.X_test)
        for C in (1e-4, 1e-2, 1.0):
            exact = score_exactly(X, each.y, X_test, C)
            errors = [
                np.abs(cls(C=C).fit(X, each.y).decision_function(X_test) - exact).max()
                for cls in (PreviousLinearSVM, LinearSVM)
            ]
            lines.append(
                f"| {each.name} | {X.shape[0]:,} x {X.shape[1]:,} | {C:g} "
                f"| {np.abs(exact).max():.1f} | {errors[0]:.0e} | {errors[1]:.0e} |"
            )
    return lines


def score_exactly(X: NDArray, y: NDArray, X_test: NDArray, C: float) -> NDArray[np.float64]:
    """Scores at the minimum, by libsvm with the smallest tolerance that it reaches."""
    X, X_test = X.astype(np.float64), X_test.astype(np.float64)
    kernel, columns = X @ X.T + np.eye(len(X)) / (2 * C), []
    for label in np.unique(y) if len(np.unique(y)) > 2 else [1]:
        svc = SVC(kernel="precomputed", C=1e100, tol=1e-8).fit(kernel, y == label)
        columns.append(X_test @ X[svc.support_].T @ svc.dual_coef_[0] + svc.intercept_[0])
    return np.squeeze(np.stack(columns, axis=1))


def report() -> str:
    """Measure everything, and return the page as Markdown."""
    data = load_all()
    wide = [each for each in data if each.X.shape[1] > each.X.shape[0]]
    rbf = compare_all(data, previous_rbf_svm, rbf_svm, [{}, {"C": 10.0}])
    raw = compare_all(data[1:3], previous_rbf_svm, rbf_svm, [{"C": 10.0, "standardize": False}])
    linear = compare_all(data, previous_linear_svm, linear_svm, [{"C": 0.001}, {}])
    accuracy = compare_accuracy(wide[1:])
    where = collect_environment()
    about = [
        wrap(
            "Written by `python tests/benchmarks/kernel_machines.py` on "
            f"{where['processor']}, {where['cores']} cores, Python {where['python']}, scikit-learn "
            f"{where['libraries']['scikit-learn']}."
        ),
        wrap(
            "Seconds of processor time on one thread, for a fit with calibration (five inner folds "
            "and all images; two from 10,000 images on) and for the prediction of the next images "
            f"(at most 200). The least of {ROUNDS} rounds in one process, in which both ways take "
            f"turns; one round where a fit takes more than {SLOW} s. The last column is the "
            "largest difference of a probability. HAM10000 has the 7 diagnoses, and naevi are "
            "divided by the sex of the patient."
        ),
    ]
    sections = {
        "`rbf_svm`, against the machines of scikit-learn's `SVC`": [*rbf, *raw[2:]],
        "`linear_svm`, against the same after a QR decomposition": linear,
        "Accuracy of the linear machines": [
            wrap(
                "Largest error of a score of the machines of `linear_svm` on standardised features "
                "with more features than images, against libsvm with a tolerance of 1e-8."
            ),
            "",
            *accuracy,
        ],
    }
    lines = ["# Support vector machines", "", about[0], "", about[1], ""]
    for title, content in sections.items():
        lines += [f"## {title}", "", *content, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    limit_process_threads()
    warnings.simplefilter("ignore", ConvergenceWarning)
    page = report()
    (Path(__file__).parents[2] / "results" / "kernel_machines.md").write_text(page)
