import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.feature import hog
from sklearn.datasets import load_digits

from features.hog import BLOCK_NORMS, HOG

ASTRONAUT, CHELSEA = data.astronaut(), data.chelsea()
PHOTOS = np.stack(
    [ASTRONAUT[y : y + 32, x : x + 32] for y in range(0, 480, 40) for x in range(0, 480, 40)]
)
DIGITS = np.rint(load_digits().images[:50, ..., None] * (255 / 16)).astype(np.uint8)
TWO_COUNTS = st.tuples(st.integers(1, 8), st.integers(1, 8))
FEW_CELLS = st.tuples(st.integers(1, 3), st.integers(1, 3))


def by_scikit_image(
    image, orientations, pixels_per_cell, cells_per_block, block_norm, transform_sqrt
):
    gray = image.shape[-1] == 1
    return hog(
        image[..., 0] if gray else image,
        orientations,
        pixels_per_cell,
        cells_per_block,
        block_norm,
        transform_sqrt=transform_sqrt,
        channel_axis=None if gray else -1,
    )


def crops(height, width, channels, top, left):
    """The same crop of two photographs: neighbours in a batch, as different as photographs are."""
    inside = np.s_[top : top + height, left : left + width, :channels]
    return np.stack([ASTRONAUT[inside], CHELSEA[inside]])


@pytest.mark.parametrize("block_norm", BLOCK_NORMS)
@given(
    beyond_one_block=st.tuples(st.integers(0, 24), st.integers(0, 24)),
    channels=st.sampled_from([1, 3]),
    corner=st.tuples(st.integers(0, 250), st.integers(0, 400)),
    level=st.sampled_from(
        [1, 1, 64]
    ),  # few gray levels: many angles exactly on the edge of a bin, many equal channels
    orientations=st.integers(1, 28),
    pixels_per_cell=TWO_COUNTS,
    cells_per_block=FEW_CELLS,
    transform_sqrt=st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_features_equal_those_of_scikit_image(
    block_norm,
    beyond_one_block,
    channels,
    corner,
    level,
    orientations,
    pixels_per_cell,
    cells_per_block,
    transform_sqrt,
):
    parameters = orientations, pixels_per_cell, cells_per_block, block_norm, transform_sqrt
    ours = HOG(*parameters)
    height, width = (ours.min_size + more for more in beyond_one_block)
    images = crops(height, width, channels, *corner) // level * level
    reference = [by_scikit_image(image, *parameters) for image in images]
    np.testing.assert_allclose(ours.fit_transform(images), reference, atol=1e-5, rtol=0)


@pytest.mark.parametrize("orientations", range(1, 29))
def test_a_right_angle_falls_into_the_bin_that_scikit_image_puts_it_in(orientations):
    stairs = np.kron(np.tri(8, dtype=np.uint8), np.full((2, 2), 200, np.uint8))[
        ..., None
    ]  # edges at 0, 45 and 90 degrees
    images = np.stack([stairs, stairs[::-1], stairs[:, ::-1], stairs[::-1, ::-1]])
    reference = [
        by_scikit_image(image, orientations, (4, 4), (2, 2), "L1", False) for image in images
    ]
    ours = HOG(orientations, (4, 4), (2, 2), "L1").fit_transform(images)
    np.testing.assert_allclose(ours, reference, atol=1e-5, rtol=0)


def test_digits_are_enlarged_to_hold_exactly_one_block():
    assert HOG().fit_transform(DIGITS).shape == (50, 3 * 3 * 9)
    assert HOG(pixels_per_cell=(4, 4), cells_per_block=(2, 2)).min_size == 8  # not enlarged
    assert HOG(pixels_per_cell=(4, 8), cells_per_block=(3, 2)).min_size == 16


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientations": 0},
        {"orientations": 361},
        {"orientations": 2.5},
        {"orientations": True},
        {"pixels_per_cell": 8},
        {"pixels_per_cell": (8, 0)},
        {"pixels_per_cell": (8, 8, 8)},
        {"cells_per_block": (2, "2")},
        {"block_norm": "l2"},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        HOG(**wrong).fit(DIGITS)
    assert repr(value) in str(refusal.value)


def test_sizes_may_be_lists_as_a_study_file_writes_them():
    lists = HOG(pixels_per_cell=[4, 4], cells_per_block=[2, 2]).fit_transform(PHOTOS[:5])
    np.testing.assert_array_equal(
        lists, HOG(pixels_per_cell=(4, 4), cells_per_block=(2, 2)).fit_transform(PHOTOS[:5])
    )


@pytest.mark.parametrize("block_norm", BLOCK_NORMS)
@pytest.mark.parametrize("value", [0, 127, 255])
def test_an_image_without_contrast_has_zero_features(block_norm, value):
    flat = np.full((2, 17, 30, 3), value, np.uint8)
    assert (HOG(block_norm=block_norm).fit_transform(flat) == 0).all()


def test_features_of_an_image_do_not_depend_on_its_batch():
    extractor = HOG().fit(PHOTOS)
    together = extractor.transform(PHOTOS)
    alone = np.concatenate([extractor.transform(PHOTOS[i : i + 1]) for i in range(len(PHOTOS))])
    np.testing.assert_array_equal(together, alone)


def test_name_of_a_feature_says_block_cell_and_orientation():
    one_dot = np.zeros((1, 16, 24, 1), np.uint8)
    # gradients at 0 and 90 degrees, all in cell (2, 4), which is in four blocks
    one_dot[:, 10, 18] = 200
    extractor = HOG(pixels_per_cell=(4, 4), cells_per_block=(2, 2)).fit(one_dot)
    names, features = extractor.get_feature_names_out(), extractor.transform(one_dot)[0]
    assert len(names) == len(set(names)) == len(features)
    blocks = ["block1_3_cell1_1", "block1_4_cell1_0", "block2_3_cell0_1", "block2_4_cell0_0"]
    assert list(names[features > 0]) == [
        f"hog_{block}_orientation{k}" for block in blocks for k in (0, 4)
    ]


def test_names_count_the_blocks_of_enlarged_images():
    extractor = HOG().fit(DIGITS)
    assert len(extractor.get_feature_names_out()) == extractor.transform(DIGITS).shape[1]


@pytest.mark.parametrize(("side", "cell"), [(6, 2), (16, 2), (50, 6), (64, 8), (128, 16), (90, 11)])
def test_automatic_cells_divide_the_shorter_side_into_eight(side, cell):
    images = crops(side, side + side // 2, 3, 100, 120)
    given_cells = HOG(pixels_per_cell=(cell, cell), cells_per_block=(2, 2))
    automatic = HOG(pixels_per_cell="auto", cells_per_block=(2, 2))
    assert np.array_equal(automatic.fit_transform(images), given_cells.fit_transform(images))
    assert list(automatic.get_feature_names_out()) == list(given_cells.get_feature_names_out())


def test_blocks_of_more_automatic_cells_than_an_image_has_are_refused():
    with pytest.raises(ValueError, match="divides an image into 8 cells"):
        HOG(pixels_per_cell="auto", cells_per_block=(9, 2)).fit(np.zeros((1, 64, 64, 1), np.uint8))
