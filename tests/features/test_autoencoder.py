"""Tests of the autoencoder."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.autoencoder import Autoencoder
from models.augmentation import apply_cutout


@pytest.fixture(scope="module")
def fitted(digit_images):
    return Autoencoder(n_components=16, epochs=12, device="cpu", random_state=0).fit(
        digit_images[0][:1000]
    )


def error(extractor, seen, wanted):
    return np.square(extractor.reconstruct_images(seen).astype(float) - wanted).mean()


def test_held_out_images_are_reconstructed_better_than_by_their_mean(fitted, digit_images):
    held = digit_images[0][1000:]
    assert (
        error(fitted, held, held)
        < 0.35 * np.square(held - digit_images[0][:1000].mean(axis=0)).mean()
    )


def test_codes_serve_a_linear_model(fitted, digit_images):
    X, y = fitted.transform(digit_images[0]), digit_images[1]
    assert X.shape == (len(y), 16)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        X[:1000], y[:1000]
    )
    assert model.score(X[1000:], y[1000:]) > 0.85


def test_history_falls_and_has_no_accuracy(fitted):
    losses = [epoch["loss"] for epoch in fitted.history_]
    assert len(losses) == 12
    assert losses[-1] < 0.5 * losses[0]
    assert set(fitted.history_[0]) == {"epoch", "loss"}


@pytest.mark.slow
def test_masked_training_tolerates_missing_regions(digit_images):
    X = np.kron(digit_images[0], np.ones((1, 2, 2, 1), np.uint8))
    plain, masked = (
        Autoencoder(n_components=16, epochs=20, masking=m, device="cpu", random_state=0).fit(
            X[:1000]
        )
        for m in (False, True)
    )
    hidden = apply_cutout(torch.tensor(X[1000:]), torch.Generator().manual_seed(1)).numpy()
    assert error(masked, hidden, X[1000:]) < error(plain, hidden, X[1000:])


@pytest.mark.parametrize("shape", [(5, 9, 1), (33, 20, 3)])
def test_reconstructions_have_the_shape_of_the_images(shape):
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    extractor = Autoencoder(epochs=1, device="cpu", random_state=0).fit(images)
    assert extractor.reconstruct_images(images).shape == images.shape
    assert Autoencoder(epochs=1, device="cpu").fit(images[:1]).transform(images).shape == (6, 64)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "'n_components' .*Got 0"),
        ({"epochs": 0}, "'epochs' .*Got 0"),
        ({"masking": 1}, "'masking' .*Got 1"),
    ],
)
def test_invalid_values_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(**parameters).fit(np.zeros((4, 8, 8, 1), np.uint8))
