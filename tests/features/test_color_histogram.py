import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from sklearn.datasets import load_digits

from features.color_histogram import COLOR_SPACES, ColorHistogram

PHOTOS = np.stack(
    [photo[100:123, 200:231] for photo in (data.astronaut(), data.chelsea(), data.coffee())]
)
DIGITS = np.rint(load_digits().images[:20, ..., None] * (255 / 16)).astype(np.uint8)
CONVERSIONS = {
    "rgb": None,
    "hsv": cv2.COLOR_RGB2HSV,
    "lab": cv2.COLOR_RGB2Lab,
    "gray": cv2.COLOR_RGB2GRAY,
}


def cells_of(image, color_space, grid):
    """Cells of an image, each (pixels, channels), and the range of values of each channel."""
    converted = (
        image if CONVERSIONS[color_space] is None else cv2.cvtColor(image, CONVERSIONS[color_space])
    )
    converted = converted.reshape(*image.shape[:2], -1)
    ranges = [
        (0, 180 if color_space == "hsv" and channel == 0 else 256)
        for channel in range(converted.shape[-1])
    ]
    cells = [
        cell
        for row in np.array_split(converted, grid[0])
        for cell in np.array_split(row, grid[1], axis=1)
    ]
    return [cell.reshape(-1, converted.shape[-1]) for cell in cells], ranges


def marginal_reference(image, color_space, bins, grid):
    cells, ranges = cells_of(image, color_space, grid)
    return np.concatenate(
        [
            np.histogram(cell[:, i], bins, limits)[0] / len(cell)
            for cell in cells
            for i, limits in enumerate(ranges)
        ]
    )


def joint_reference(image, color_space, bins, grid):
    cells, ranges = cells_of(image, color_space, grid)
    return np.concatenate(
        [np.histogramdd(cell, bins, ranges)[0].ravel() / len(cell) for cell in cells]
    )


parameters = {
    "color_space": st.sampled_from(["rgb", "hsv", "lab", "gray"]),
    "grid": st.tuples(st.integers(1, 4), st.integers(1, 4)),
    "corner": st.tuples(st.integers(0, 250), st.integers(0, 400)),
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(bins=st.integers(1, 256), **parameters)
def test_channel_histograms_equal_numpys_cell_by_cell(color_space, bins, grid, corner):
    y, x = corner
    photo = data.chelsea()[y : y + 17, x : x + 22]
    features = ColorHistogram(color_space, bins, grid=grid).fit_transform(photo[None])[0]
    np.testing.assert_allclose(
        features, marginal_reference(photo, color_space, bins, grid), atol=1e-6
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(bins=st.integers(1, 12), **parameters)
def test_joint_histograms_equal_numpys_cell_by_cell(color_space, bins, grid, corner):
    y, x = corner
    photo = data.coffee()[y : y + 17, x : x + 22]
    features = ColorHistogram(color_space, bins, joint=True, grid=grid).fit_transform(photo[None])[
        0
    ]
    np.testing.assert_allclose(features, joint_reference(photo, color_space, bins, grid), atol=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(60, 150), st.integers(60, 150)),
    bins=st.integers(1, 256),
    grid=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    color_space=parameters["color_space"],
)
def test_cells_of_thousands_of_pixels_are_counted_as_small_ones_are(size, bins, grid, color_space):
    photo = np.ascontiguousarray(data.chelsea()[: size[0], : size[1]])
    features = ColorHistogram(color_space, bins, grid=grid).fit_transform(photo[None])[0]
    np.testing.assert_allclose(
        features, marginal_reference(photo, color_space, bins, grid), atol=1e-6
    )


@pytest.mark.parametrize("color_space", sorted(COLOR_SPACES))
@pytest.mark.parametrize("joint", [False, True])
def test_features_of_an_image_do_not_depend_on_its_batch(color_space, joint):
    extractor = ColorHistogram(color_space, joint=joint, grid=(2, 3)).fit(PHOTOS)
    alone = np.vstack([extractor.transform(photo[None]) for photo in PHOTOS])
    np.testing.assert_array_equal(extractor.transform(PHOTOS), alone)


def test_each_histogram_of_a_cell_sums_to_one_though_cells_differ_in_size():
    features = ColorHistogram(bins=8, grid=(3, 4)).fit_transform(PHOTOS)
    np.testing.assert_allclose(
        features.reshape(len(PHOTOS), 3 * 4 * 3, 8).sum(axis=2), 1, rtol=1e-6
    )


@pytest.mark.parametrize("color_space", sorted(COLOR_SPACES))
def test_gray_images_are_counted_as_gray_in_every_color_space(color_space):
    reference = np.stack([np.histogram(image, 16, (0, 256))[0] / image.size for image in DIGITS])
    for joint in (False, True):
        features = ColorHistogram(color_space, bins=16, joint=joint).fit_transform(DIGITS)
        np.testing.assert_allclose(features, reference, atol=1e-6)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("color_space", sorted(COLOR_SPACES))
def test_the_named_feature_holds_the_share_of_a_pure_color(color_space, joint):
    red = np.zeros_like(PHOTOS[:1]) + np.array([255, 0, 0], np.uint8)
    extractor = ColorHistogram(color_space, bins=4, joint=joint, grid=(1, 2)).fit(red)
    names = extractor.get_feature_names_out()
    full = set(names[extractor.transform(red)[0] == 1])
    bins = {
        "rgb": ["red_3", "green_0", "blue_0"],
        "hsv": ["hue_0", "saturation_3", "value_3"],
        "lab": ["lightness_2", "a_3", "b_3"],
        "gray": ["gray_1"],
    }[color_space]
    expected = ["_".join(bins)] if joint else bins
    assert full == {f"cell_0_{column}_{name}" for column in (0, 1) for name in expected}
    assert len(set(names)) == len(names)


def test_the_cell_in_a_name_is_row_then_column():
    image = np.zeros((1, 10, 9, 3), np.uint8)
    image[:, :5, 6:] = 255  # white at the top right
    extractor = ColorHistogram("gray", bins=2, grid=(2, 3)).fit(image)
    white = extractor.get_feature_names_out()[extractor.transform(image)[0] == 1]
    assert "cell_0_2_gray_1" in white
    assert "cell_1_2_gray_0" in white


def test_images_smaller_than_the_grid_are_enlarged_so_that_no_cell_is_empty():
    features = ColorHistogram(bins=8, grid=(10, 2)).fit_transform(DIGITS)
    np.testing.assert_allclose(features.reshape(len(DIGITS), 20, 8).sum(axis=2), 1, rtol=1e-6)


def test_a_grid_read_from_yaml_as_a_list_is_as_good_as_a_tuple():
    tuple_grid, list_grid = (
        ColorHistogram(grid=grid).fit_transform(PHOTOS) for grid in ((2, 3), [2, 3])
    )
    np.testing.assert_array_equal(tuple_grid, list_grid)


@pytest.mark.parametrize(("bins", "grid"), [(8, (4, 4)), (16, (1, 1)), (32, (2, 2)), (64, (1, 1))])
def test_joint_histograms_of_a_batch_take_64_megabytes_at_most(bins, grid):
    extractor = ColorHistogram(bins=bins, joint=True, grid=grid).fit(PHOTOS)
    longest = max(
        batch.stop - batch.start
        for batch in extractor.batch_slices(np.broadcast_to(PHOTOS[:1], (2000, *PHOTOS.shape[1:])))
    )
    assert longest * grid[0] * grid[1] * bins**3 * 4 <= 2**26


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("color_space", "cmyk", "hsv"),
        ("bins", 0, "[1, 256]"),
        ("bins", 257, "[1, 256]"),
        ("bins", 8.0, "[1, 256]"),
        ("bins", True, "[1, 256]"),
        ("grid", (0, 2), "a list of 2 items, each an int"),
        ("grid", (2,), "a list of 2 items, each an int"),
        ("grid", 2, "a list of 2 items, each an int"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_name_value_and_what_is_allowed(
    parameter, value, allowed
):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter") as refusal:
        ColorHistogram(**{parameter: value}).fit_transform(PHOTOS)
    assert repr(value) in str(refusal.value)
    assert allowed in str(refusal.value)
