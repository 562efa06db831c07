import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.feature import local_binary_pattern
from sklearn.datasets import load_digits

from features.base import to_gray
from features.lbp import LBP, METHODS

ASTRONAUT, CHELSEA = data.astronaut(), data.chelsea()
PHOTOS = np.stack(
    [ASTRONAUT[y : y + 32, x : x + 32] for y in range(0, 480, 80) for x in range(0, 480, 80)]
)
DIGITS = np.rint(load_digits().images[:50, ..., None] * (255 / 16)).astype(np.uint8)


def by_scikit_image(images, n_points, radius, method="uniform", grid=(1, 1)):
    """Share of each code of scikit-image in each cell, cell by cell."""
    n_codes = n_points + 2 if method == "uniform" else n_points * (n_points - 1) + 3
    return [
        [
            count / cell.size
            for row in np.array_split(
                local_binary_pattern(gray, n_points, radius, method).astype(int), grid[0]
            )
            for cell in np.array_split(row, grid[1], axis=1)
            for count in np.bincount(cell.ravel(), minlength=n_codes)
        ]
        for gray in np.rint(to_gray(images)).astype(np.uint8)
    ]


def assert_same_codes(images, *parameters):
    """Compare histograms with a tolerance far below the share of a single pixel."""
    np.testing.assert_allclose(
        LBP(*parameters).fit_transform(images),
        by_scikit_image(images, *parameters),
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("method", METHODS)
@given(
    size=st.tuples(st.integers(7, 70), st.integers(7, 70)),
    corner=st.tuples(st.integers(0, 230), st.integers(0, 380)),
    channels=st.sampled_from([1, 3]),
    level=st.sampled_from(
        [1, 1, 64]
    ),  # few gray levels: many points exactly as bright as the pixel
    n_points=st.integers(4, 24),
    radius=st.sampled_from([1.0, 2.0, 3.0]) | st.floats(0.5, 3),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_histograms_count_the_codes_of_scikit_image(
    method, size, corner, channels, level, n_points, radius, grid
):
    inside = np.s_[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1], :channels]
    images = np.stack([ASTRONAUT[inside], CHELSEA[inside]]) // level * level
    assert_same_codes(images, n_points, radius, method, grid)


@pytest.mark.parametrize("n_points", [8, 16, 24])
@pytest.mark.parametrize("radius", [1.0, 2.0, 3.0])
def test_rounding_decides_for_one_gray_level_as_it_does_in_scikit_image(n_points, radius):
    levels = np.array([0, 1, 77, 100, 254, 255], np.uint8)
    assert_same_codes(
        np.broadcast_to(levels[:, None, None, None], (6, 40, 140, 1)),
        n_points,
        radius,
        "nri_uniform",
    )


@pytest.mark.parametrize("n_points", [3, 5, 31, 32])
@pytest.mark.parametrize("method", METHODS)
def test_the_fewest_and_the_most_points_and_wide_circles_are_as_in_scikit_image(n_points, method):
    assert_same_codes(PHOTOS[:4], n_points, 12.0, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", [(1, 1), (5, 3)])
def test_the_histogram_of_each_cell_sums_to_one(method, grid):
    features = LBP(method=method, grid=grid).fit_transform(DIGITS)
    np.testing.assert_allclose(
        features.reshape(len(DIGITS), grid[0] * grid[1], -1).sum(axis=2), 1, rtol=1e-6
    )


def test_features_of_an_image_do_not_depend_on_its_batch():
    extractor = LBP(16, 2.0, grid=(2, 2)).fit(PHOTOS)
    alone = np.concatenate([extractor.transform(PHOTOS[i : i + 1]) for i in range(len(PHOTOS))])
    np.testing.assert_array_equal(extractor.transform(PHOTOS), alone)


def test_images_are_enlarged_to_hold_a_circle_and_a_pixel_for_each_cell():
    assert LBP(R=1.0).min_size == 3
    assert LBP(R=4.5).min_size == 11
    assert LBP(grid=(2, 9)).min_size == 9
    assert np.isfinite(LBP(grid=(9, 20)).fit_transform(DIGITS)).all()


def test_the_name_of_a_feature_says_cell_and_code():
    one_dot = np.zeros((1, 12, 12, 1), np.uint8)
    one_dot[:, 2, 9] = 200  # at the top right
    extractor = LBP(grid=(2, 2)).fit(one_dot)
    names, features = extractor.get_feature_names_out(), extractor.transform(one_dot)[0]
    assert len(names) == len(set(names)) == len(features)
    share = dict(zip(names, features, strict=True))
    # nothing around the dot is as bright; all other pixels are not brighter than their surroundings
    assert share["lbp_cell0_1_code0"] == np.float32(1 / 36)
    assert share["lbp_cell0_1_code8"] == np.float32(35 / 36)
    assert share["lbp_cell1_0_code8"] == 1


def test_the_grid_may_be_a_list_as_a_study_file_writes_it():
    np.testing.assert_array_equal(
        LBP(grid=[2, 3]).fit_transform(PHOTOS), LBP(grid=(2, 3)).fit_transform(PHOTOS)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"P": 2},
        {"P": 33},
        {"P": 8.0},
        {"R": 0},
        {"R": -1.0},
        {"R": float("nan")},
        {"R": float("inf")},
        {"R": "1"},
        {"R": True},
        {"method": "ror"},
        {"grid": 2},
        {"grid": (2,)},
        {"grid": (2, 0)},
        {"grid": (2, 1.5)},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        LBP(**wrong).fit(DIGITS)
    assert repr(value) in str(refusal.value)
