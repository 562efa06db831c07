import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.feature import graycomatrix, graycoprops
from sklearn.datasets import load_digits

from features.base import to_gray
from features.glcm import GLCM, PROPERTIES

ASTRONAUT, CHELSEA = data.astronaut(), data.chelsea()
PHOTOS = np.stack(
    [ASTRONAUT[y : y + 32, x : x + 32] for y in range(0, 480, 80) for x in range(0, 480, 80)]
)
DIGITS = np.rint(load_digits().images[:50, ..., None] * (255 / 16)).astype(np.uint8)
RIGHT, UP = 0.0, math.pi / 2
ANGLES = [
    k * math.pi / 12 for k in range(-5, 24)
]  # in all directions, with those where a sine is 0.5 but for its last digit


def by_scikit_image(images, distances, angles, levels, properties):
    """Properties of each image: property, distance, angle."""
    binned = (np.rint(to_gray(images)).astype(int) * levels // 256).astype(np.uint8)
    matrices = [
        graycomatrix(image, distances, angles, levels, symmetric=True, normed=True)
        for image in binned
    ]
    return [
        np.concatenate([graycoprops(matrix, name).ravel() for name in properties])
        for matrix in matrices
    ]


def assert_same_properties(images, *parameters):
    ours = GLCM(*parameters).fit_transform(images)
    np.testing.assert_allclose(ours, by_scikit_image(images, *parameters), atol=1e-5, rtol=1e-5)


@given(
    size=st.tuples(st.integers(8, 50), st.integers(8, 50)),
    corner=st.tuples(st.integers(0, 250), st.integers(0, 400)),
    channels=st.sampled_from([1, 3]),
    distances=st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True),
    angles=st.lists(st.sampled_from(ANGLES), min_size=1, max_size=6, unique=True)
    | st.lists(st.floats(-7, 7), min_size=1, max_size=1),
    levels=st.integers(2, 64) | st.just(256),
    properties=st.lists(st.sampled_from(PROPERTIES), min_size=1, unique=True),
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_properties_equal_those_of_scikit_image(
    size, corner, channels, distances, angles, levels, properties
):
    inside = np.s_[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1], :channels]
    assert_same_properties(
        np.stack([ASTRONAUT[inside], CHELSEA[inside]]), distances, angles, levels, properties
    )


def test_offsets_are_rounded_as_scikit_image_rounds_them():
    assert_same_properties(PHOTOS[:3], (1, 2, 3, 5), ANGLES, 16, ("contrast", "correlation"))


@pytest.mark.parametrize("levels", [2, 32, 256])
def test_properties_of_images_with_hardly_any_contrast_equal_those_of_scikit_image(levels):
    images = np.zeros((6, 64, 64, 1), np.uint8)
    images[:3] = np.array([0, 200, 255])[:, None, None, None]  # one level: the correlation is 1
    images[3, 5, 5] = 255  # one dot
    images[4], images[4, 0, 0] = 254, 255
    images[5, :, :32] = 128  # an edge
    assert_same_properties(images, (1, 5), (RIGHT, UP), levels, PROPERTIES)


def test_the_smallest_images_have_one_pair_per_offset_and_are_not_enlarged():
    extractor = GLCM((7,), (RIGHT, UP, math.pi / 4, 3 * math.pi / 4))
    assert extractor.min_size == 8
    assert_same_properties(
        DIGITS, extractor.distances, extractor.angles, extractor.levels, PROPERTIES
    )


def test_smaller_images_are_enlarged():
    extractor = GLCM(distances=(9,)).fit(DIGITS)
    assert extractor.min_size == 10
    features = extractor.transform(DIGITS)
    assert features.shape == (50, len(extractor.get_feature_names_out())) == (50, 16)
    assert (features.std(axis=0) > 0).all()


def test_features_of_an_image_do_not_depend_on_its_batch():
    extractor = GLCM().fit(PHOTOS)
    alone = np.concatenate([extractor.transform(PHOTOS[i : i + 1]) for i in range(len(PHOTOS))])
    np.testing.assert_array_equal(extractor.transform(PHOTOS), alone)


def test_the_name_of_a_feature_says_property_distance_and_angle():
    stripes = np.zeros((1, 12, 12, 1), np.uint8)
    stripes[:, ::2] = 255  # every other row: only what lies an odd number of rows away differs
    extractor = GLCM(
        distances=(1, 2), angles=(RIGHT, UP), levels=2, properties=("energy", "contrast")
    ).fit(stripes)
    names, features = extractor.get_feature_names_out(), extractor.transform(stripes)[0]
    assert len(names) == len(set(names)) == len(features) == 8
    assert list(names[features == 1]) == [f"glcm_contrast_distance1_angle{UP}"]
    assert set(names[features == 0]) == {
        f"glcm_contrast_distance{d}_angle{a}" for d, a in ((1, RIGHT), (2, RIGHT), (2, UP))
    }


def test_parameters_may_be_lists_as_a_study_file_writes_them():
    lists = {"distances": [1, 3], "angles": [0, 1.5], "properties": ["ASM"]}
    tuples = {name: tuple(value) for name, value in lists.items()}
    np.testing.assert_array_equal(
        GLCM(**lists).fit_transform(PHOTOS), GLCM(**tuples).fit_transform(PHOTOS)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"distances": 1},
        {"distances": ()},
        {"distances": (0,)},
        {"distances": (1.5,)},
        {"distances": (1, 1)},
        {"distances": ([1],)},
        {"angles": 0.0},
        {"angles": []},
        {"angles": ("0",)},
        {"angles": (float("nan"),)},
        {"angles": (True,)},
        {"angles": (1.5, 1.5)},
        {"levels": 1},
        {"levels": 257},
        {"levels": 8.0},
        {"properties": "ASM"},
        {"properties": ()},
        {"properties": ("entropy",)},
        {"properties": ("ASM", "ASM")},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        GLCM(**wrong).fit(DIGITS)
    assert repr(value) in str(refusal.value)
