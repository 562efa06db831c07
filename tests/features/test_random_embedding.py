"""Features of a network with random weights."""

import numpy as np
from skimage import data
from sklearn.linear_model import LogisticRegression

from features.cnn_embedding import CNNEmbedding
from features.random_embedding import RandomEmbedding
from models.cnn import SimpleCNN

PHOTOS = np.stack([data.astronaut()[:300, :200], data.chelsea()[:300, :200]])


def test_features_are_those_of_the_untrained_network(digit_images):
    images = digit_images[0][:20]
    network = SimpleCNN(max_side=64, device="cpu", random_state=5).build_untrained(images)
    expected = np.vstack([network.embed_images(image[None]) for image in images])
    np.testing.assert_array_equal(RandomEmbedding(5).fit_transform(images), expected)


def test_the_bits_of_the_features_do_not_depend_on_the_other_images(digit_images):
    images = digit_images[0][:50]
    extractor = RandomEmbedding().fit(images)
    together = extractor.transform(images)
    for part in (slice(0, 1), slice(3, 20), slice(10, 50)):
        np.testing.assert_array_equal(extractor.transform(images[part]), together[part])


def test_weights_depend_on_random_state_and_on_nothing_else(digit_images):
    images = digit_images[0]
    features = RandomEmbedding().fit(images[:10]).transform(images[:5])
    np.testing.assert_array_equal(
        RandomEmbedding().fit(images[90:]).transform(images[:5]), features
    )
    assert not np.allclose(RandomEmbedding(1).fit(images[:10]).transform(images[:5]), features)


def test_the_seed_of_a_study_does_not_change_the_weights(digits, make_cell, tmp_path):
    from benchmark.evaluation.components import build_components

    seeds = [
        build_components(make_cell(digits, extractor="random_embedding", seed=seed), digits)
        .extractors[0]
        .random_state
        for seed in (0, 1)
    ]
    assert seeds == [0, 0], "the cached features are those of both"


def test_images_of_any_size_are_embedded():
    assert RandomEmbedding().fit_transform(PHOTOS).shape == (2, 128)
    assert RandomEmbedding().fit_transform(PHOTOS[:, :3, :2]).shape == (2, 128)


def test_features_of_the_trained_network_beat_it(digit_images):
    images, y = digit_images

    def accuracy(extractor):
        features = extractor.fit(images[:600], y[:600]).transform(images[:1200])
        model = LogisticRegression(max_iter=2000).fit(features[:600], y[:600])
        return model.score(features[600:], y[600:1200])

    trained = accuracy(CNNEmbedding(SimpleCNN(epochs=20, device="cpu"), random_state=0))
    assert trained > accuracy(RandomEmbedding()) > 0.5


def test_images_in_reverse_order_have_the_same_features(digit_images):
    images = digit_images[0][:3]
    extractor = RandomEmbedding().fit(images)
    np.testing.assert_array_equal(
        extractor.transform(images[::-1]), extractor.transform(images)[::-1]
    )
