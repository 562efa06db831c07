import re

import numpy as np
import pytest
from skimage import data
from sklearn import decomposition
from sklearn.datasets import load_digits

from benchmark.plugins.registry import build_component, resolve_spec
from benchmark.plugins.spec import Spec
from features.hog import HOG
from features.pca import PCA
from features.pixels import Pixels
from features.sift_bovw import SIFTBoVW

DIGITS = np.rint(load_digits().images[:300, ..., None] * (255 / 16)).astype(np.uint8)
PHOTOS = np.stack(
    [data.astronaut()[y : y + 32, x : x + 32] for y in range(0, 480, 40) for x in range(0, 480, 40)]
)


@pytest.mark.parametrize("extractor", [HOG(), Pixels(), None], ids=str)
@pytest.mark.parametrize("whiten", [False, True])
def test_components_are_scikit_learn_s_of_the_features(extractor, whiten):
    ours = PCA(extractor, 10, whiten, random_state=0).fit(DIGITS[:200]).transform(DIGITS[200:])
    features = (extractor or Pixels()).fit_transform(DIGITS)
    theirs = (
        decomposition.PCA(10, whiten=whiten, random_state=0)
        .fit(features[:200])
        .transform(features[200:])
    )
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-3)


def test_a_study_names_the_extractor_inside_with_its_parameters():
    built = build_component(
        resolve_spec(
            "extractor",
            Spec.parse({"pca": {"extractor": {"hog": {"orientations": 6}}, "n_components": 5}}),
        )
    )
    assert built.extractor.orientations == 6
    assert built.fit_transform(PHOTOS).shape == (len(PHOTOS), 5)
    assert (
        Spec.parse("pca(extractor=hog(orientations=6), n_components=5)").label
        == "pca(extractor=hog(orientations=6), n_components=5)"
    )


def test_components_beyond_images_or_features_are_zero():
    features = PCA(HOG(), 30).fit_transform(PHOTOS[:8])
    assert features.shape == (8, 30)
    assert (features[:, 8:] == 0).all()
    assert np.abs(features[:, :7]).min(axis=0).max() > 0


@pytest.mark.parametrize("n", [1, 2, 10])
def test_whitened_components_are_no_noise_where_images_are_few_or_equal(n):
    for images in (DIGITS[:n], np.repeat(DIGITS[:1], n, axis=0)):
        assert np.abs(PCA(None, 10, whiten=True).fit(images).transform(DIGITS)).max() < 50


def test_one_random_state_seeds_the_extractor_inside_too():
    first, again = (PCA(SIFTBoVW(20), 4, random_state=0).fit_transform(PHOTOS) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_an_extractor_that_learns_learns_from_the_training_images_only():
    extractor = PCA(SIFTBoVW(20, random_state=0), 4, random_state=0).fit(PHOTOS[:50])
    alone = SIFTBoVW(20, random_state=0).fit(PHOTOS[:50])
    np.testing.assert_array_equal(extractor.extractor_.vocabulary_.words, alone.vocabulary_.words)


def test_at_most_n_sampled_images_are_decomposed():
    assert PCA(None, 5, n_sampled=50, random_state=0).fit(DIGITS).projection_.n_samples_ == 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_components": 0},
        {"n_sampled": 1.5},
        {"extractor": 3},
        {"extractor": HOG},
        {"whiten": "x"},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' .*{re.escape(repr(value))}"):
        PCA(**wrong).fit(DIGITS)


def test_parameters_of_the_extractor_inside_are_checked():
    with pytest.raises(ValueError, match="'orientations' parameter of HOG"):
        PCA(HOG(orientations=0)).fit(DIGITS)
