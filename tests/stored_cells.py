"""Cells with given wrong predictions, stored as ``run`` does, for tests of comparisons."""

import numpy as np

from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.results.store import Store
from benchmark.scoring import metrics
from benchmark.scoring.predictions import Predictions

HOG, PIXELS = ("hog", "smote", "rbf_svm", "none"), ("pixels", "none", "knn", "none")


def predicted(y, wrong, n_classes=2, groups=None):
    """Predictions that are correct except for the images in ``wrong``."""
    y = np.asarray(y)
    labels = np.where(np.isin(np.arange(len(y)), wrong), (y + 1) % n_classes, y)
    proba = np.full((len(y), n_classes), 0.2 / (n_classes - 1))
    proba[np.arange(len(y)), labels] = 0.8
    classes = tuple(f"class {k}" for k in range(n_classes))
    return Predictions(y, proba, classes, np.arange(len(y)), groups=groups)


def add(
    folder,
    configuration,
    predictions,
    dataset="breast",
    split="official",
    fold=0,
    seed=0,
    status="ok",
    **more,
):
    """Store one cell as ``run`` does."""
    labels = {
        "dataset": dataset,
        "fingerprint": dataset,
        "size": None,
        "imbalance": "none",
        "train_size": 1.0,
        "occlusion": "none",
        "split": split,
    }
    labels |= (
        {"tuning": "none"}
        | dict(zip(CONFIGURATION_AXES, configuration, strict=False))
        | {"seed": seed, "fold": fold}
        | more
    )
    key = "-".join(map(str, labels.values()))
    predictions.save(folder / "predictions" / f"{key}.npz")
    n = len(predictions.y_true)
    with Store(folder) as store:
        store.record_planned_cells([(labels, key)])
        per_class = {
            name: {**of, "train": 10}
            for name, of in metrics.compute_class_metrics(predictions).items()
        }
        sizes = {"n_train": 2 * n, "n_images": 3 * n, "n_test": n, "fit_s": 0.1, "predict_s": 0.1}
        values = (
            {**metrics.compute_metrics(predictions), **sizes, "per_class": per_class}
            if status == "ok"
            else {}
        )
        store.add_row({"key": key, "status": status, "reason": "", **labels, **values})
    return key


def folds_of(tmp_path, configuration, wrong, y, **more):
    """Store three folds of a configuration, with ``wrong`` incorrect predictions on each."""
    for fold, k in enumerate(wrong):
        add(
            tmp_path,
            configuration,
            predicted(y, range(k)),
            split="stratified_kfold",
            fold=fold,
            **more,
        )
