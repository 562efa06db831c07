import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d
from skimage import data
from skimage.filters import gabor, gabor_kernel
from sklearn.datasets import load_digits

from features.base import to_gray
from features.gabor import Gabor

ASTRONAUT, CHELSEA = data.astronaut(), data.chelsea()
PHOTOS = np.stack(
    [ASTRONAUT[y : y + 32, x : x + 32] for y in range(0, 480, 40) for x in range(0, 480, 40)]
)
DIGITS = np.rint(load_digits().images[:50, ..., None] * (255 / 16)).astype(np.uint8)


def by_scikit_image(image, frequencies, orientations, grid):
    """Statistics of the magnitudes of scikit-image's responses, cell by cell."""
    gray = to_gray(image[None])[0] / 255.0
    responses = [
        gabor(gray, f, np.pi * k / orientations, mode="reflect")
        for f in frequencies
        for k in range(orientations)
    ]
    magnitude = np.stack([np.hypot(*response) for response in responses])
    cells = [
        cell
        for row in np.array_split(magnitude, grid[0], axis=1)
        for cell in np.array_split(row, grid[1], axis=2)
    ]
    return np.concatenate(
        [
            np.stack([cell.mean(axis=(1, 2)), cell.std(axis=(1, 2))], axis=1).ravel()
            for cell in cells
        ]
    )


def crops(height, width, channels, top, left):
    """The same crop of two photographs: neighbours in a batch, as different as photographs are."""
    inside = np.s_[top : top + height, left : left + width, :channels]
    return np.stack([ASTRONAUT[inside], CHELSEA[inside]])


def stripes(frequency, orientation, orientations, height=64, width=64):
    """Gray image of a wave that runs in one of the orientations."""
    y, x = np.mgrid[:height, :width]
    angle = np.pi * orientation / orientations
    wave = np.cos(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)))
    return np.rint(127 + 100 * wave).astype(np.uint8)[None, ..., None]


@pytest.mark.parametrize("orientations", range(1, 8))
@given(
    sides=st.tuples(st.integers(7, 24), st.integers(7, 24)),
    channels=st.sampled_from([1, 3]),
    corner=st.tuples(st.integers(0, 250), st.integers(0, 400)),
    frequencies=st.lists(st.floats(0.07, 0.5), min_size=1, max_size=2, unique=True),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
@settings(max_examples=8, deadline=None, derandomize=True)
def test_features_are_the_statistics_of_scikit_images_responses(
    orientations, sides, channels, corner, frequencies, grid
):
    images = crops(*sides, channels, *corner)
    reference = [by_scikit_image(image, frequencies, orientations, grid) for image in images]
    ours = Gabor(tuple(frequencies), orientations, grid).fit_transform(images)
    np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(67, 67), (33, 95)])
def test_features_of_single_pixels_are_the_same_in_images_that_take_several_matrices(shape):
    images = crops(*shape, 3, 100, 150)
    parameters = (0.25, 0.41), 4, (min(shape), min(shape))
    reference = [by_scikit_image(image, *parameters) for image in images]
    np.testing.assert_allclose(
        Gabor(*parameters).fit_transform(images), reference, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (4, 3), (6, 2)])
def test_an_image_much_smaller_than_the_kernel_is_reflected_again_and_again(shape):
    # scikit-image is no reference here: SciPy reads beyond such a small image
    images = crops(*shape, 1, 100, 150)
    kernel = gabor_kernel(0.06, np.pi / 3)
    borders = [(side // 2, side // 2) for side in kernel.shape]
    responses = [
        convolve2d(np.pad(image[..., 0] / 255, borders, mode="symmetric"), kernel, mode="valid")
        for image in images
    ]
    ours = Gabor(frequencies=(0.06,), orientations=3).fit_transform(images)[:, 2:4]
    np.testing.assert_allclose(
        ours, [[abs(r).mean(), abs(r).std()] for r in responses], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("orientation", range(6))
@pytest.mark.parametrize("frequency", [0.1, 0.2, 0.4])
def test_the_largest_feature_of_a_wave_is_named_after_its_frequency_and_orientation(
    frequency, orientation
):
    extractor = Gabor(orientations=6).fit(stripes(frequency, orientation, 6))
    means = extractor.transform(stripes(frequency, orientation, 6))[0, ::2]
    assert (
        extractor.get_feature_names_out()[::2][means.argmax()]
        == f"gabor_cell0_0_frequency{frequency}_orientation{orientation}_mean"
    )


def test_the_largest_feature_is_named_after_the_cell_that_holds_the_wave():
    image = np.full((1, 60, 90, 1), 127, np.uint8)
    image[:, 40:, 30:60] = stripes(0.4, 0, 4, 20, 30)
    extractor = Gabor(grid=(3, 3)).fit(image)
    names, features = extractor.get_feature_names_out(), extractor.transform(image)[0]
    assert len(set(names)) == len(names) == len(features)
    assert names[features.argmax()] == "gabor_cell2_1_frequency0.4_orientation0_mean"


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_uniform_image_has_no_spread_and_hardly_any_response(value):
    features = (
        Gabor(grid=(2, 3)).fit_transform(np.full((2, 17, 30, 3), value, np.uint8)).reshape(2, -1, 2)
    )
    np.testing.assert_allclose(features[..., 1], 0, atol=1e-6)
    assert (features[..., 0] < 0.01).all()


def test_features_of_an_image_do_not_depend_on_its_batch():
    extractor = Gabor(grid=(2, 2)).fit(PHOTOS)
    alone = np.concatenate([extractor.transform(PHOTOS[i : i + 1]) for i in range(len(PHOTOS))])
    np.testing.assert_allclose(extractor.transform(PHOTOS), alone, rtol=1e-5, atol=1e-7)


def test_an_image_with_fewer_pixels_than_cells_is_enlarged():
    extractor = Gabor(grid=(12, 3)).fit(DIGITS)
    assert (
        extractor.transform(DIGITS).shape
        == (50, 12 * 3 * 3 * 4 * 2)
        == (50, len(extractor.get_feature_names_out()))
    )


def test_lists_are_allowed_as_a_study_file_writes_them():
    lists = Gabor(frequencies=[0.1, 0.3], grid=[2, 2]).fit_transform(PHOTOS[:5])
    np.testing.assert_array_equal(
        lists, Gabor(frequencies=(0.1, 0.3), grid=(2, 2)).fit_transform(PHOTOS[:5])
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"frequencies": ()},
        {"frequencies": 0.1},
        {"frequencies": (0.1, 0.1)},
        {"frequencies": (0.1, 0.6)},
        {"frequencies": (0.0, 0.1)},
        {"frequencies": (0.1, float("nan"))},
        {"frequencies": (0.1, "0.2")},
        {"orientations": 0},
        {"orientations": 2.5},
        {"orientations": True},
        {"grid": 2},
        {"grid": (2, 0)},
        {"grid": (2, 2, 2)},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        Gabor(**wrong).fit(DIGITS)
    assert repr(value) in str(refusal.value)
