"""The study of ``end_to_end.py`` as somebody would write it without this library.

Features by scikit-image and NumPy, models by scikit-learn, a network by torch with a
``DataLoader``, one joblib job per fold. ``python by_hand.py FOLDER`` reads ``images.npy``,
``labels.npy`` and ``folds.npy`` (the test fold of each image) and writes ``scores.json``.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from skimage.feature import hog, local_binary_pattern
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

N_JOBS = 2
HOG = "hog(cells_per_block=(2, 2))"  # its label in the library


def hog_features(image):
    """Histograms of oriented gradients in cells of 4x4 pixels, normalised in blocks of 2x2."""
    gray = image.shape[-1] == 1
    return hog(
        image[..., 0] if gray else image,
        pixels_per_cell=(4, 4),
        cells_per_block=(2, 2),
        channel_axis=None if gray else -1,
    )


def lbp_features(image):
    """Histogram of uniform local binary patterns."""
    gray = image[..., 0] if image.shape[-1] == 1 else image @ [0.299, 0.587, 0.114]
    codes = local_binary_pattern(np.uint8(gray), 8, 1, "uniform")
    return np.bincount(codes.astype(int).ravel(), minlength=10) / codes.size


def extract_all(images):
    """Feature matrices by extractor."""
    functions = {"pixels": np.ravel, HOG: hog_features, "lbp": lbp_features}
    return {
        name: np.array(Parallel(N_JOBS)(delayed(function)(image) for image in images))
        for name, function in functions.items()
    }


def make_models():
    """Unfitted models; the support vector machines with calibrated probabilities."""
    return {
        "logistic_regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "linear_svm(C=0.001)": CalibratedClassifierCV(
            make_pipeline(StandardScaler(), LinearSVC(C=0.001)), ensemble=False
        ),
        "rbf_svm": CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC()), ensemble=False),
        "knn": make_pipeline(StandardScaler(), KNeighborsClassifier()),
        "random_forest": RandomForestClassifier(),
    }


def train_network(images, labels, n_classes, epochs=20):
    """Train two convolutions and two dense layers."""
    height, width = images.shape[1:3]
    layers = []
    for n_in, n_out in ((images.shape[3], 32), (32, 64)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(n_out)]
    layers += [nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * (height // 4) * (width // 4), 128)]
    network = nn.Sequential(*layers, nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, n_classes))
    dataset = TensorDataset(to_tensor(images), torch.tensor(labels))
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(epochs):
        for batch, target in DataLoader(dataset, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch), target).backward()
            optimizer.step()
    return network.eval()


def to_tensor(images):
    """Images as the network takes them: floats from -1 to 1, channels first."""
    return torch.tensor(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def score(labels, proba):
    """Return the six metrics of a leaderboard."""
    predicted, classes = proba.argmax(axis=1), np.arange(proba.shape[1])
    averages = {"labels": classes, "average": "macro", "zero_division": 0}
    return {
        "accuracy": accuracy_score(labels, predicted),
        "precision": precision_score(labels, predicted, **averages),
        "recall": recall_score(labels, predicted, **averages),
        "f1": f1_score(labels, predicted, **averages),
        "auc": roc_auc_score(labels, proba, multi_class="ovr"),
        "log_loss": log_loss(labels, proba, labels=classes),
    }


def evaluate_fold(images, matrices, labels, test):
    """Train every model and the network, and score them on the test images."""
    torch.set_num_threads(1)
    scores = []
    for extractor, matrix in matrices.items():
        for name, model in make_models().items():
            start = time.perf_counter()
            model.fit(matrix[~test], labels[~test])
            row = {"extractor": extractor, "model": name, "fit_s": time.perf_counter() - start}
            scores.append({**row, **score(labels[test], model.predict_proba(matrix[test]))})
    start = time.perf_counter()
    network = train_network(images[~test], labels[~test], labels.max() + 1)
    row = {"extractor": "images", "model": "simple_cnn", "fit_s": time.perf_counter() - start}
    with torch.no_grad():
        proba = network(to_tensor(images[test])).double().softmax(1).numpy()
    return [*scores, {**row, **score(labels[test], proba)}]


def main(folder):
    """Run the study on the arrays in a folder, and write the scores."""
    images, labels, folds = (np.load(folder / f"{n}.npy") for n in ("images", "labels", "folds"))
    matrices = extract_all(images)
    scores = Parallel(N_JOBS)(
        delayed(evaluate_fold)(images, matrices, labels, folds == fold) for fold in np.unique(folds)
    )
    text = json.dumps([row for fold in scores for row in fold])
    (folder / "scores.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
