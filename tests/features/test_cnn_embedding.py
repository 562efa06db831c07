"""Tests of features from a network."""

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from benchmark import load_study, run
from features.cnn_embedding import CNNEmbedding
from features.pca import PCA
from models.cnn import SimpleCNN
from models.resnet import ResNet18


def network(**parameters):
    return SimpleCNN(**{"epochs": 3, "device": "cpu", **parameters})


def test_features_are_those_of_the_network_trained_alike(digit_images):
    X, y = digit_images
    embedding = CNNEmbedding(network(), random_state=0).fit(X[:200], y[:200])
    alone = network(random_state=embedding.estimator_.random_state).fit(X[:200], y[:200])
    np.testing.assert_array_equal(embedding.transform(X[200:300]), alone.embed_images(X[200:300]))
    assert embedding.history_ == alone.history_


def test_labels_are_needed_and_used(digit_images):
    X, y = digit_images[0][:100], digit_images[1][:100]
    with pytest.raises(ValueError, match=r"CNNEmbedding learns from labels: fit\(images, y\)"):
        CNNEmbedding(network()).fit(X)
    first, second = (
        CNNEmbedding(network(), random_state=0).fit(X, labels).transform(X)
        for labels in (y, y[::-1])
    )
    assert not np.array_equal(first, second)


def test_given_weights_are_used_without_training_and_without_labels(digit_images, tmp_path):
    torch.manual_seed(3)
    weights = resnet18()
    torch.save(weights.state_dict(), tmp_path / "weights.pth")
    extractor = CNNEmbedding(
        ResNet18(weights=str(tmp_path / "weights.pth"), device="cpu"), train=False
    )
    assert extractor.stateless
    assert not extractor.uses_labels
    features = extractor.fit(digit_images[0][:3]).transform(digit_images[0][:3])
    body = extractor.estimator_.network_
    weights.fc = torch.nn.Identity()
    with torch.inference_mode():
        expected = weights.eval()(body.pixels(torch.tensor(digit_images[0][:3])))
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)


def test_without_training_there_must_be_weights():
    with pytest.raises(ValueError, match="must begin with given weights"):
        CNNEmbedding(network(), train=False).fit(np.zeros((2, 8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="must be None or a network, such as resnet18"):
        CNNEmbedding("resnet18").fit(np.zeros((2, 8, 8, 1), np.uint8), [0, 1])


def test_principal_components_of_an_embedding_learn_from_labels_too(digit_images):
    X, y = digit_images[0][:100], digit_images[1][:100]
    assert PCA(CNNEmbedding(network(epochs=1)), n_components=4).fit(X, y).transform(X).shape == (
        100,
        4,
    )


def test_any_model_and_resampler_work_on_deep_features_in_a_study(tmp_path):
    study = load_study(
        "digits",
        extractors=["cnn_embedding(estimator=simple_cnn(epochs=3)) + hog"],
        models=["logistic_regression"],
        strategies=["none", "smote"],
        split="holdout",
    )
    rows = run(study, out=tmp_path)
    assert list(rows["status"]) == ["ok", "ok"]
    assert rows["accuracy"].min() > 0.95
