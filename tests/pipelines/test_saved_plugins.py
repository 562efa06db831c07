"""A pipeline with plug-ins: saved with their source, read back with the same file and no other, and refused before the training."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

NETS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from models.network_classifier import NetworkClassifier


class Tiny(NetworkClassifier):
    def __init__(self, epochs=1, learning_rate=1e-3, optimizer="adam", weight_decay=0.0, batch_size=32, schedule="constant",
                 augmentation=(), label_smoothing=0.0, ema=None, validation=0.0, patience=None, loss="cross_entropy",
                 class_weight=None, deferred_reweighting=False, two_phase=False, compile=False, device="auto", random_state=None):
        super().__init__(**{name: value for name, value in locals().items() if name not in ("self", "__class__")})

    def make_body(self, images):
        from torch import nn
        from models.network import Body, Pixels
        return Body(nn.Sequential(nn.Conv2d(images.shape[3], 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()), 16, Pixels())


class Raw(ClassifierMixin, BaseEstimator):
    takes = "images"

    def __init__(self, epochs=1):
        self.epochs = epochs

    def fit(self, X, y):
        from torch import nn
        if len(X) > 100:
            raise AssertionError("the whole training was begun")
        self.classes_ = np.unique(y)
        self.net_ = nn.Linear(X[0].size, len(self.classes_))
        return self

    def predict_proba(self, X):
        import torch
        with torch.no_grad():
            return torch.softmax(self.net_(torch.tensor(X.reshape(len(X), -1)).float()), dim=1).double().numpy()
"""
CLASSICAL = '''
import numpy as np
from features.base import Extractor
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB


class MyMeans(Extractor):
    stateless = False

    def learn(self, images):
        self.mean_ = images.mean(axis=0)

    def extract(self, batch):
        return (batch - self.mean_).reshape(len(batch), -1)


class Forgetful(ClassifierMixin, BaseEstimator):
    """Keeps what it learned where no file finds it."""

    def fit(self, X, y):
        if len(X) > 100:
            raise AssertionError("the whole training was begun")
        self.classes_ = np.unique(y)
        self.inner_ = lambda X: np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
        return self

    def predict_proba(self, X):
        return self.inner_(X)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch, digits):
    """Folder of two plug-in files and an image, where the commands are given."""
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "mine.py").write_text(CLASSICAL)
    Image.fromarray(digits.images[0, ..., 0]).save(tmp_path / "zero.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("mine.py", ["--extractor", "my_means", "--model", "knn"]),
        ("mine.py", ["--extractor", "mine.py:MyMeans + hog", "--model", "knn"]),
        ("mine.py", ["--extractor", "pca(extractor=my_means, n_components=5)", "--model", "knn"]),
        ("nets.py", ["--model", "tiny"]),
        ("nets.py", ["--extractor", "cnn_embedding(estimator=tiny)", "--model", "knn"]),
    ],
)
def test_a_pipeline_with_a_plug_in_is_saved_and_asked(file, arguments, folder, command):
    said = command("fit", "--dataset", "digits", *arguments, "--plugin", file, "--save", "it.pipeline")
    assert f"--plugin {folder / file}" in said.out
    with zipfile.ZipFile("it.pipeline") as archive:
        assert archive.read(f"plugins/{file}") == (folder / file).read_bytes()
    (record,) = json.loads(command("predict", "it.pipeline", "zero.png", "--plugin", file, "--format", "json").out)
    assert np.isclose(sum(record["probabilities"].values()), 1)


def test_the_plug_in_is_asked_for_in_a_line_and_is_never_run_from_the_file(folder, command):
    command("fit", "--dataset", "digits", "--extractor", "my_means", "--model", "knn", "--plugin", "mine.py", "--save", "it.pipeline")
    said = command("predict", "it.pipeline", "zero.png", expect=2).err
    assert "it.pipeline needs its plug-in: add --plugin mine.py" in said
    assert len(said.strip().splitlines()) == 1
    (folder / "mine.py").write_text(CLASSICAL + "\nraise SystemExit('it was run')\n")
    said = command("predict", "it.pipeline", "zero.png", "--plugin", "mine.py", expect=2).err
    assert "was trained with another version of mine.py" in said
    assert "it was run" not in said
    (folder / "copy.py").write_text(CLASSICAL)
    assert "must be named mine.py" in command("predict", "it.pipeline", "zero.png", "--plugin", "copy.py", expect=2).err
    assert "no plug-in file nowhere.py" in command("predict", "it.pipeline", "zero.png", "--plugin", "nowhere.py", expect=2).err


@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("nets.py", ["--model", "raw"], "Raw.net_ belongs to torch: "),
        ("mine.py", ["--model", "forgetful", "--extractor", "pixels"], "cannot be saved: it holds <lambda> of the plug-in mine.py"),
    ],
)
def test_what_cannot_be_saved_is_refused_in_a_line_before_the_training(file, arguments, words, folder, command):
    said = command("fit", "--dataset", "digits", *arguments, "--plugin", file, "--save", "it.pipeline", expect=2).err
    assert words in said
    assert "the whole training was begun" not in said
    assert len(said.strip().splitlines()) == 1
    assert not (folder / "it.pipeline").exists()
