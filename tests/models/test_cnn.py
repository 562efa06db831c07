"""Tests of SimpleCNN."""

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from skimage.data import lfw_subset
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch.nn.functional import cross_entropy

from models.cnn import SimpleCNN
from models.network import Network, Pixels
from models.prediction import find_device
from models.simple_cnn import simple_body
from models.training import _split_batches


@pytest.fixture(scope="module")
def fitted(digit_images):
    X, y = digit_images
    return SimpleCNN(epochs=4, random_state=0, device="cpu").fit(X[:1200], y[:1200])


def quick(**parameters):
    return SimpleCNN(**{"epochs": 1, "random_state": 0, "device": "cpu", **parameters})


def weights(model):
    return [tensor.numpy() for tensor in model.network_.state_dict().values()]


def test_learns_digits_in_four_epochs(fitted, digit_images):
    X, y = digit_images
    assert fitted.score(X[1200:], y[1200:]) > 0.92
    assert fitted.score(X[:1200], y[:1200]) > 0.97


def test_reaches_95_percent_on_held_out_digits(digit_images):
    X, y = digit_images
    train = np.arange(len(X)) % 3 > 0
    assert quick(epochs=5).fit(X[train], y[train]).score(X[~train], y[~train]) > 0.95


def test_sgd_learns_too(digit_images):
    X, y = digit_images
    assert (
        quick(optimizer="sgd", learning_rate=0.01, epochs=3)
        .fit(X[:1200], y[:1200])
        .score(X[1200:], y[1200:])
        > 0.85
    )


def test_learns_photographs():
    images = (lfw_subset()[..., None] * 255).astype(np.uint8)
    y = np.repeat(["face", "other"], 100)
    model = quick(epochs=6).fit(images[::2], y[::2])
    assert model.classes_.tolist() == ["face", "other"]
    assert model.score(images[1::2], y[1::2]) > 0.85


def test_history_holds_plain_numbers_of_every_epoch(fitted):
    assert [epoch["epoch"] for epoch in fitted.history_] == [1, 2, 3, 4]
    assert all(
        type(epoch[key]) is float for epoch in fitted.history_ for key in ("loss", "accuracy")
    )
    assert fitted.history_[-1]["loss"] < fitted.history_[0]["loss"]
    assert 0.8 < fitted.history_[-1]["accuracy"] <= 1


def test_no_softmax_precedes_the_loss(fitted, digit_images):
    X, y = torch.tensor(digit_images[0]), torch.tensor(digit_images[1])
    torch.manual_seed(0)
    assert cross_entropy(Network(simple_body((8, 8, 1)), 10).eval()(X), y).item() == pytest.approx(
        np.log(10), abs=0.1
    )
    logits = fitted.network_(X)
    assert logits.min() < -1
    assert logits.max() > 1
    # with a softmax before the loss, the least possible value would be ln(1 + 9 / e) = 1.46
    assert fitted.history_[-1]["loss"] < 1.4


def test_probabilities_are_float64_and_sum_to_one(fitted, digit_images):
    probabilities = fitted.predict_proba(digit_images[0])
    assert probabilities.dtype == np.float64
    assert probabilities.shape == (len(digit_images[0]), 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(fitted.predict(digit_images[0]), probabilities.argmax(axis=1))


def test_prediction_does_not_depend_on_the_other_images(fitted, digit_images):
    X = digit_images[0]  # more than one batch of 1,024
    np.testing.assert_allclose(
        fitted.predict_proba(X)[1500:], fitted.predict_proba(X[1500:]), atol=1e-6
    )


def test_pixels_are_normalised_to_mean_and_deviation_one_half():
    pixels = Pixels()
    images = torch.tensor([0, 51, 255, 204] * 4, dtype=torch.uint8).reshape(1, 4, 4, 1)
    torch.testing.assert_close(pixels(images)[0, 0, 0], torch.tensor([-1.0, -0.6, 1.0, 0.6]))


def test_layers_are_those_of_the_article():
    network = Network(simple_body((28, 20, 3)), 7)
    layers = [network.pixels, *network.body, network.last]
    names = [type(layer).__name__ for layer in layers]
    block = ["Conv2d", "MaxPool2d", "ReLU", "BatchNorm2d"]  # ReLU and pooling may change places
    assert names == [
        "Pixels",
        *block,
        *block,
        "Flatten",
        "Dropout",
        "Linear",
        "ReLU",
        "Dropout",
        "Linear",
    ]
    assert [layer.out_channels for layer in layers if isinstance(layer, torch.nn.Conv2d)] == [
        32,
        64,
    ]
    dense = [
        (layer.in_features, layer.out_features)
        for layer in layers
        if isinstance(layer, torch.nn.Linear)
    ]
    assert dense == [(64 * 7 * 5, 128), (128, 7)]


def test_pooling_before_relu_is_what_the_article_writes():
    torch.manual_seed(0)
    layers = list(simple_body((8, 8, 3)).layers.eval())
    as_written = torch.nn.Sequential(*(layers[i] for i in (0, 2, 1, 3, 4, 6, 5, 7)), *layers[8:])
    images = torch.randn(5, 3, 8, 8)
    assert torch.equal(torch.nn.Sequential(*layers)(images), as_written(images))


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 9, 3), (33, 18, 1)])
def test_any_image_size_and_one_or_three_channels(shape):
    X = np.random.default_rng(0).integers(0, 256, (9, *shape), dtype=np.uint8)
    model = quick(batch_size=4).fit(X, np.arange(9) % 3)  # the last batch holds one image
    assert model.predict_proba(X[:1]).shape == (1, 3)


def test_read_only_and_reversed_images_are_taken_as_they_are(fitted, digit_images):
    X = digit_images[0][:50].copy()
    X.flags.writeable = False
    np.testing.assert_array_equal(fitted.predict_proba(X[::-1])[::-1], fitted.predict_proba(X))
    quick().fit(X, digit_images[1][:50])


@pytest.mark.parametrize(("n", "sizes"), [(9, [4, 4]), (8, [4, 4]), (10, [4, 4, 2]), (3, [3])])
def test_a_last_batch_of_one_is_left_out(n, sizes):
    batches = _split_batches(torch.randperm(n), 4)
    assert [len(batch) for batch in batches] == sizes
    assert len(set(torch.cat(batches).tolist())) == sum(sizes)


def test_same_seed_same_network_bit_for_bit(digit_images):
    X, y = digit_images[0][:200], digit_images[1][:200]
    first = quick(epochs=2).fit(X, y)
    torch.rand(3)  # must have no effect
    again, another_seed = clone(first).fit(X, y), quick(epochs=2, random_state=1).fit(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert first.history_ == again.history_
    assert not all(
        np.array_equal(a, b) for a, b in zip(weights(first), weights(another_seed), strict=True)
    )


def test_the_caller_s_generators_and_settings_are_left_alone(digit_images):
    torch_state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    flags = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    quick().fit(digit_images[0][:50], digit_images[1][:50]).predict(digit_images[0][:5])
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == flags


def test_balanced_weights_shift_predictions_to_the_rare_class(digit_images):
    X, y = digit_images
    rows = np.concatenate([np.flatnonzero(y == 3)[:150], np.flatnonzero(y == 8)[:6]])
    test = X[np.flatnonzero(y == 8)[50:]]
    plain, balanced = (
        quick(class_weight=weight, epochs=2).fit(X[rows], y[rows]) for weight in (None, "balanced")
    )
    assert (balanced.predict(test) == 8).sum() > 20 + (plain.predict(test) == 8).sum()


def test_multilabel_targets_get_a_probability_each(digit_images):
    X, y = digit_images
    labels = np.column_stack([y % 2 == 0, y > 4, y == 3]).astype(int)
    model = quick(epochs=4).fit(X[:1200], labels[:1200])
    probabilities = model.predict_proba(X[1200:])
    assert model.classes_.tolist() == [0, 1, 2]
    assert abs(probabilities.sum(axis=1) - 1).max() > 0.5
    np.testing.assert_array_equal(model.predict(X[1200:]), probabilities > 0.5)
    assert (model.predict(X[1200:]) == labels[1200:]).mean() > 0.9


def test_balanced_weights_make_a_rare_label_likelier(digit_images):
    X, y = digit_images[0][:400], digit_images[1][:400]
    labels = np.column_stack([y == 3, y > 4, np.zeros(400), np.ones(400)])
    plain, balanced = (
        quick(class_weight=weight).fit(X, labels).predict_proba(X) for weight in (None, "balanced")
    )
    assert balanced[y == 3, 0].mean() > 0.15 + plain[y == 3, 0].mean()
    assert np.isfinite(balanced).all()


def test_a_fitted_model_survives_pickle_and_deepcopy(fitted, digit_images):
    expected = fitted.predict_proba(digit_images[0][:20])
    for duplicate in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(duplicate.predict_proba(digit_images[0][:20]), expected)


def test_divergence_is_refused_with_advice(digit_images):
    with pytest.raises(FloatingPointError, match="lower learning_rate, now 1e\\+20"):
        quick(optimizer="sgd", learning_rate=1e20, epochs=3).fit(
            digit_images[0][:200], digit_images[1][:200]
        )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("optimizer", "rmsprop", "one of 'adam', 'adamw', 'sgd'"),
        ("learning_rate", 0, "a float in the range (0.0, inf)"),
        ("learning_rate", float("nan"), "a float in the range (0.0, inf)"),
        ("batch_size", 1, "an int in the range [2, inf)"),
        ("epochs", 2.5, "an int in the range [1, inf)"),
        (
            "class_weight",
            "equal",
            "None, one of 'balanced' or a dict with a number above 0 for each class",
        ),
        ("device", "tpu", "'auto', 'cpu', 'cuda' or 'cuda:N'"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(name, value, allowed, digit_images):
    with pytest.raises(ValueError, match=re.escape(f"must be {allowed}. Got {value!r}")):
        quick(**{name: value}).fit(digit_images[0][:10], digit_images[1][:10])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 3, 8, 1), np.uint8), [0, 1, 0, 1], "at least 4 x 4"),
        (np.zeros((4, 8, 8, 2), np.uint8), [0, 1, 0, 1], "1 or 3"),
        (np.zeros((4, 8, 8, 1), np.float32), [0, 1, 0, 1], "uint8"),
        (np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1], "n, h, w"),
        (np.zeros((4, 8, 8, 1), np.uint8), [0, 1, 0], "labels"),
        (np.zeros((4, 8, 8, 1), np.uint8), [2, 2, 2, 2], "two classes"),
        (np.zeros((1, 8, 8, 1), np.uint8), [0], "two training images"),
        (np.zeros((2, 8, 8, 1), np.uint8), [[0, 2], [1, 0]], "must be 0 or 1"),
    ],
)
def test_bad_images_and_targets_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, y)


def test_prediction_refuses_other_image_sizes_and_unfitted_models(fitted):
    with pytest.raises(ValueError, match=r"fitted on images of shape \(8, 8, 1\)"):
        fitted.predict(np.zeros((2, 9, 8, 1), np.uint8))
    with pytest.raises(NotFittedError):
        quick().predict(np.zeros((2, 8, 8, 1), np.uint8))


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests what happens without a CUDA device")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused():
    assert find_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match="no CUDA device"):
        find_device("cuda:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_learns_and_repeats_itself(digit_images):
    X, y = digit_images
    first, again = (quick(epochs=3, device="cuda").fit(X[:1200], y[:1200]) for _ in range(2))
    assert first.score(X[1200:], y[1200:]) > 0.9
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))


def test_importing_and_building_the_model_needs_neither_torch_nor_opencv():
    code = (
        "import sys; from models.cnn import SimpleCNN; SimpleCNN(); "
        "sys.exit(bool({'torch', 'cv2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
