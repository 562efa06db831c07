"""The batch bounds the memory beside the features, for any number and size of images."""

import tracemalloc

import numpy as np
import pytest
from optional_packages import names_to_test
from skimage import data

from benchmark.plugins.registry import build_component, registered_targets, resolve_spec
from benchmark.plugins.spec import Spec

QUICK = {
    "kmeans_patches": "kmeans_patches(n_centroids=50, n_sampled=2000)",
    "sift_bovw": "sift_bovw(n_words=50, n_sampled=2000)",
    "autoencoder": "autoencoder(epochs=1)",
    "cnn_embedding": "cnn_embedding(estimator=simple_cnn(epochs=1))",
}
MOST = 100e6  # bytes; six times as many are promised


def crops(side, n):
    photo = np.tile(data.astronaut(), (3, 3, 1))
    random = np.random.default_rng(0)
    return (photo[y : y + side, x : x + side] for y, x in random.integers(0, 500, (n, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("name", names_to_test(registered_targets("extractor")))
@pytest.mark.parametrize(("side", "n"), [(32, 3000), (512, 6)])
def test_transforming_a_memory_map_takes_little_memory_beside_its_result(name, side, n, tmp_path):
    images = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (n, side, side, 3))
    for i, crop in enumerate(crops(side, n)):
        images[i] = crop
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    extractor = build_component(resolve_spec("extractor", Spec.parse(QUICK.get(name, name)))).fit(
        images[:20], np.arange(len(images[:20])) % 2
    )
    extractor.transform(images[:1])  # fills caches that are filled once
    tracemalloc.start()
    features = extractor.transform(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - features.nbytes < MOST
