"""Extractors that learn from a sample read no other images, and learn the same from any array."""

import numpy as np
import pytest

from features import HOG, PCA, KMeansPatches, SIFTBoVW
from features.image_rows import ImageRows
from features.kmeans_patches import _sample_patches

SAMPLING = [
    SIFTBoVW(n_words=10, n_sampled=200, random_state=0),
    SIFTBoVW(n_words=10, keypoints="detected", n_sampled=200, random_state=0),
    KMeansPatches(n_centroids=8, patch_size=3, n_sampled=60, random_state=0),
    PCA(HOG(pixels_per_cell=(4, 4)), n_components=5, n_sampled=40, random_state=0),
]


class CountingImages:
    """An array of images that records which of them are read."""

    def __init__(self, images):
        self.images, self.read = images, set()
        self.shape = images.shape

    def __getitem__(self, indices):
        self.read |= {*np.arange(len(self.images))[indices].tolist()}
        return self.images[indices]


@pytest.mark.parametrize("extractor", SAMPLING, ids=lambda extractor: type(extractor).__name__)
def test_a_sample_is_learned_from_and_nothing_else_is_read(digit_images, extractor):
    images, _ = digit_images
    counting, chosen = CountingImages(images), np.arange(100, 1100)
    from_rows = extractor.fit(ImageRows(counting, chosen)).transform(images[:20])
    from_array = extractor.fit(images[chosen]).transform(images[:20])
    assert np.array_equal(from_rows, from_array)
    assert counting.read <= {*chosen.tolist()}
    assert len(counting.read) <= 60, "at most one image per patch"


def test_patches_are_those_of_the_whole_array(digit_images):
    images, _ = digit_images
    patches = _sample_patches(images, 3, 5000, np.random.RandomState(0))
    positions = np.sort(np.random.RandomState(0).randint(len(images) * 36, size=5000))
    for patch, position in zip(patches[::50], positions[::50], strict=True):
        image, row, col = np.unravel_index(position, (len(images), 6, 6))
        assert np.array_equal(patch, images[image, row : row + 3, col : col + 3].ravel())


def test_changes_of_rows_follow_each_other():
    rows = ImageRows(
        np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1),
        np.array([5, 3, 1]),
        lambda images, indices: images + indices[:, None, None, None].astype(np.uint8),
    ).map_images(lambda images: np.repeat(images, 2, axis=1), (2, 1, 1))
    assert rows.shape == (3, 2, 1, 1)
    assert rows[1:].tolist() == [[[[6]], [[6]]], [[[2]], [[2]]]]
    assert np.asarray(rows).shape == rows.shape
