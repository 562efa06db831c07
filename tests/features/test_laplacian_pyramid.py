import cv2
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from sklearn.datasets import load_digits

from features.laplacian_pyramid import (
    STATISTICS,
    LaplacianPyramid,
    build_pyramid,
    count_layers,
    expand_level,
    reduce_level,
)

PHOTOS = np.stack(
    [photo[100:140, 200:233] for photo in (data.astronaut(), data.chelsea(), data.coffee())]
)
DIGITS = np.rint(load_digits().images[:20, ..., None] * (255 / 16)).astype(np.uint8)

windows = st.tuples(
    st.integers(0, 250), st.integers(0, 400), st.integers(1, 50), st.integers(1, 50)
)


def photo_window(window):
    """A window of a photo as float32 (h, w, 3), and its channels as levels, (3, h, w)."""
    y, x, height, width = window
    photo = np.ascontiguousarray(data.chelsea()[y : y + height, x : x + width], np.float32)
    return photo, np.ascontiguousarray(photo.transpose(2, 0, 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows)
def test_reduce_equals_opencvs_pyr_down(window):
    photo, level = photo_window(window)
    np.testing.assert_allclose(
        reduce_level(level).transpose(1, 2, 0), cv2.pyrDown(photo), atol=1e-3
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows)
def test_expand_equals_opencvs_pyr_up_for_even_and_odd_sizes(window):
    photo, level = photo_window(window)
    height, width = photo.shape[:2]
    small = cv2.pyrDown(photo)
    expanded = expand_level(reduce_level(level), height, width)
    np.testing.assert_allclose(
        expanded.transpose(1, 2, 0), cv2.pyrUp(small, dstsize=(width, height)), atol=1e-3
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows, st.integers(1, 6))
def test_the_layers_and_the_low_pass_give_the_image_back(window, layers):
    _, level = photo_window(window)
    bands, image = build_pyramid(level, layers)
    assert len(bands) == layers
    for band in reversed(bands):
        image = expand_level(image, *band.shape[1:]) + band
    np.testing.assert_allclose(image, level, atol=1e-3)


def statistics_of(cell):
    """The five statistics of each channel, (c, 5)."""
    cell = cell.reshape(-1, cell.shape[-1]).astype(np.float64)
    moments = [cell.mean(0) / 255, cell.std(0) / 255, np.abs(cell).mean(0) / 255]
    if len(cell) == 1:
        return np.stack([*moments, moments[1], moments[1]], axis=1)
    return np.stack([*moments, scipy.stats.skew(cell), scipy.stats.kurtosis(cell)], axis=1)


def reference(photo, layers, grid=(1, 1)):
    """Features of one photo by OpenCV's pyramid and SciPy's statistics."""
    low, features = photo.astype(np.float32), []
    for _ in range(layers):
        fine, low = low, cv2.pyrDown(low)
        band = fine - cv2.pyrUp(low, dstsize=fine.shape[1::-1])
        cells = [
            cell
            for row in np.array_split(band, grid[0])
            for cell in np.array_split(row, grid[1], axis=1)
        ]
        features.append(np.stack([statistics_of(cell) for cell in cells], axis=1))  # (c, cells, 5)
    return np.concatenate([*(layer.ravel() for layer in features), low.ravel() / 255])


@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (4, 4), (1, 5)])
def test_features_are_the_statistics_of_opencvs_layers_in_each_cell_and_the_low_pass(grid):
    features = LaplacianPyramid(max_layer=3, grid=grid).fit_transform(PHOTOS)
    np.testing.assert_allclose(
        features, [reference(photo, 3, grid) for photo in PHOTOS], rtol=1e-3, atol=2e-4
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    corner=st.tuples(st.integers(0, 200), st.integers(0, 300)),
    size=st.tuples(st.integers(14, 60), st.integers(14, 60)),
)
def test_mean_deviation_and_low_pass_of_any_photo_are_those_of_opencvs_layers(corner, size):
    photo = np.ascontiguousarray(
        data.chelsea()[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    )
    extractor = LaplacianPyramid(max_layer=2, coarse_size=1000).fit(photo[None])
    names = extractor.get_feature_names_out()
    shown = np.array([not name.endswith(("skewness", "kurtosis")) for name in names])
    np.testing.assert_allclose(
        extractor.transform(photo[None])[0, shown], reference(photo, 2)[shown], atol=1e-5
    )


@pytest.mark.parametrize(
    ("shape", "layers", "low"),
    [
        ((8, 8, 1), 1, (4, 4)),
        ((24, 24, 1), 2, (6, 6)),
        ((28, 28, 1), 3, (4, 4)),
        ((32, 32, 3), 3, (4, 4)),
        ((128, 96, 1), 3, (8, 6)),
        ((200, 9, 3), 1, (7, 1)),
        ((5, 1, 1), 1, (3, 1)),
        ((1, 1, 3), 1, (1, 1)),
    ],
)
def test_small_images_have_fewer_layers_and_large_ones_a_bounded_low_pass(shape, layers, low):
    photo = np.ascontiguousarray(data.astronaut()[: shape[0], : shape[1], : shape[2]])[None]
    extractor = LaplacianPyramid().fit(photo)
    names = extractor.get_feature_names_out()
    assert count_layers(*shape[:2], 3) == layers
    assert extractor.transform(photo).shape == (
        1,
        shape[2] * (layers * len(STATISTICS) + low[0] * low[1]),
    )
    assert len(set(names)) == len(names) == extractor.transform(photo).shape[1]
    assert names[-1] == f"low_{low[0] - 1}_{low[1] - 1}_{'gray' if shape[2] == 1 else 'blue'}"


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_named_features_are_those_of_their_channel(channel):
    only = np.zeros_like(PHOTOS[:1])
    only[..., channel] = PHOTOS[:1, ..., channel]
    extractor = LaplacianPyramid().fit(only)
    names = extractor.get_feature_names_out()[extractor.transform(only)[0] != 0]
    assert {
        name.split("_")[2] if name.startswith("layer") else name.split("_")[3] for name in names
    } == {("red", "green", "blue")[channel]}


def test_the_named_feature_is_that_statistic_of_that_layer_and_channel():
    extractor = LaplacianPyramid().fit(PHOTOS)
    features = dict(
        zip(extractor.get_feature_names_out(), extractor.transform(PHOTOS).T, strict=True)
    )
    planes = np.ascontiguousarray(PHOTOS.transpose(0, 3, 1, 2), np.float32).reshape(
        -1, *PHOTOS.shape[1:3]
    )
    bands, low = build_pyramid(planes, 2)
    green = bands[1][1::3].reshape(3, -1)
    np.testing.assert_allclose(features["layer_1_green_std"], green.std(axis=1) / 255, rtol=1e-4)
    np.testing.assert_allclose(
        features["layer_1_green_kurtosis"], scipy.stats.kurtosis(green, axis=1), rtol=1e-3
    )
    np.testing.assert_allclose(
        features["low_2_1_red"], reduce_level(low)[::3, 2, 1] / 255, rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 1, 1), (1, 9, 3), (13, 5, 3), (60, 75, 3)])
@pytest.mark.parametrize("level", [0, 1, 77, 255])
def test_flat_images_have_empty_layers_and_their_own_value_as_low_pass(shape, level):
    extractor = LaplacianPyramid()
    features = extractor.fit_transform(np.full((2, *shape), level, np.uint8))
    is_low = np.char.startswith(extractor.get_feature_names_out().astype(str), "low")
    np.testing.assert_array_equal(features[:, ~is_low], 0)
    np.testing.assert_allclose(features[:, is_low], level / 255, rtol=1e-6)


def test_a_deviation_of_less_than_a_thousandth_of_a_gray_level_has_no_shape():
    image = np.full((1, 512, 512, 1), 100, np.uint8)
    image[0, 200, 200] = 101
    extractor = LaplacianPyramid().fit(image)
    features = dict(
        zip(extractor.get_feature_names_out(), extractor.transform(image)[0], strict=True)
    )
    assert features["layer_0_gray_std"] * 255 > 1e-3
    assert features["layer_0_gray_kurtosis"] > 1000
    assert 0 < features["layer_1_gray_std"] * 255 < 1e-3
    assert features["layer_1_gray_skewness"] == features["layer_1_gray_kurtosis"] == 0


@pytest.mark.parametrize("images", [PHOTOS, DIGITS], ids=["photos", "digits"])
def test_features_of_an_image_do_not_depend_on_its_batch(images):
    extractor = LaplacianPyramid().fit(images)
    alone = np.vstack([extractor.transform(image[None]) for image in images])
    np.testing.assert_array_equal(extractor.transform(images), alone)


def test_coarse_size_bounds_the_low_pass():
    features = LaplacianPyramid(max_layer=1, coarse_size=5).fit_transform(PHOTOS)
    # 40 x 33 -> 20 x 17 -> 10 x 9 -> 5 x 5
    assert features.shape == (3, 3 * (len(STATISTICS) + 5 * 5))


def test_the_cell_in_a_name_is_row_then_column():
    image = np.zeros((1, 32, 32, 1), np.uint8)
    image[:, :16:2, 22:] = 255  # stripes at the top right
    extractor = LaplacianPyramid(max_layer=1, grid=(2, 3)).fit(image)
    features = dict(
        zip(extractor.get_feature_names_out(), extractor.transform(image)[0], strict=True)
    )
    assert features["layer_0_gray_cell_0_2_std"] > 0.3
    assert features["layer_0_gray_cell_1_0_std"] == features["layer_0_gray_cell_0_0_std"] == 0
    assert len(features) == 2 * 3 * len(STATISTICS) + 8 * 8


def test_layers_too_small_for_the_grid_are_left_out():
    photo = np.ascontiguousarray(data.astronaut()[None, :32, :32])
    layers = {
        grid: {
            name[:7] for name in LaplacianPyramid(grid=(grid, 1)).fit(photo).get_feature_names_out()
        }
        for grid in (8, 9, 17)
    }
    n_layers = [sum(name.startswith("layer") for name in names) for names in layers.values()]
    assert n_layers == [3, 2, 1]
    assert count_layers(32, 32, 3, 9) == 2


def test_images_smaller_than_the_grid_are_enlarged():
    extractor = LaplacianPyramid(grid=(3, 12)).fit(DIGITS)
    features = extractor.transform(DIGITS)
    assert features.shape == (20, len(extractor.get_feature_names_out()))
    assert (
        len(set(extractor.get_feature_names_out()))
        == features.shape[1]
        == 3 * 12 * len(STATISTICS) + 6 * 6
    )


def test_a_grid_read_from_yaml_as_a_list_is_as_good_as_a_tuple():
    tuple_grid, list_grid = (
        LaplacianPyramid(grid=grid).fit_transform(PHOTOS) for grid in ((2, 3), [2, 3])
    )
    np.testing.assert_array_equal(tuple_grid, list_grid)


@pytest.mark.parametrize("parameter", ["max_layer", "coarse_size"])
@pytest.mark.parametrize("value", [0, -1, 2.0, None, True])
def test_a_wrong_parameter_is_refused_with_its_name_value_and_what_is_allowed(parameter, value):
    with pytest.raises(
        ValueError, match=f"'{parameter}' .* must be an int in the range .*Got {value!r}"
    ):
        LaplacianPyramid(**{parameter: value}).fit_transform(DIGITS)


@pytest.mark.parametrize("grid", [(0, 2), (2,), 2, (2, 1.5), "22"])
def test_a_wrong_grid_is_refused(grid):
    with pytest.raises(ValueError, match=r"'grid' .* must be a list of 2 items"):
        LaplacianPyramid(grid=grid).fit(DIGITS)
