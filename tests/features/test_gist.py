from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from sklearn.datasets import load_digits

from features.gist import GIST

ASTRONAUT, CHELSEA = data.astronaut(), data.chelsea()
PHOTOS = np.stack(
    [ASTRONAUT[y : y + 32, x : x + 32] for y in range(0, 480, 60) for x in range(0, 480, 60)]
)
DIGITS = np.rint(load_digits().images[:50, ..., None] * (255 / 16)).astype(np.uint8)


def frequencies(shape):
    """Cycles per pixel along rows and columns at each position of a Fourier transform."""
    fy, fx = (np.fft.fftfreq(side) for side in shape)
    return np.meshgrid(fx, fy)


def filtered(image, gain):
    return np.fft.ifft2(np.fft.fft2(image) * gain)


def prefiltered(gray, fc=4, border=5):
    """Whitening and local contrast normalisation, as in the authors' prefilt.m."""
    padded = np.pad(np.log(gray + 1), border, mode="symmetric")
    fx, fy = frequencies(padded.shape)
    gaussian = np.exp(-(fx**2 + fy**2) * max(padded.shape) ** 2 / (fc / np.sqrt(np.log(2))) ** 2)
    white = padded - filtered(padded, gaussian).real
    deviation = np.sqrt(np.abs(filtered(white**2, gaussian)))
    return (white / (0.2 + deviation))[border:-border, border:-border]


def gabor_gain(shape, scale, n, k):
    """Transfer function of a filter, as in the authors' createGabor.m."""
    fx, fy = frequencies(shape)
    angle = np.angle(fx + 1j * fy) + np.pi * k / n
    angle += 2 * np.pi * (angle < -np.pi) - 2 * np.pi * (angle > np.pi)
    distance = np.hypot(fx, fy) / (0.3 / 1.85**scale) - 1
    return np.exp(-10 * 0.35 * distance**2 - 2 * np.pi * (16 * n**2 / 32**2) * angle**2)


def by_definition(image, orientations_per_scale, grid, border=32):
    """GIST of an image in double precision, step by step as in LMgist.m.

    The values are equal to those of LMgist.m if the sides are even and equal.
    """
    gray = image.astype(float).mean(axis=2)
    gray -= gray.min()
    padded = np.pad(prefiltered(255 * gray / max(1, gray.max())), border, mode="symmetric")
    rows, columns = (
        np.fix(np.linspace(0, side, n + 1)).astype(int)
        for side, n in zip(gray.shape, grid, strict=True)
    )
    features = []
    for scale, n in enumerate(orientations_per_scale):
        for k in range(n):
            energy = np.abs(filtered(padded, gabor_gain(padded.shape, scale, n, k)))[
                border:-border, border:-border
            ]
            cells = [energy[top:bottom] for top, bottom in pairwise(rows)]
            features += [
                cell[:, left:right].mean() for cell in cells for left, right in pairwise(columns)
            ]
    return features


def crops(height, width, channels, top, left):
    """The same crop of two photographs: neighbours in a batch, as different as photographs are."""
    inside = np.s_[top : top + height, left : left + width, :channels]
    return np.stack([ASTRONAUT[inside], CHELSEA[inside]])


def stripes(frequency, angle):
    """Gray image of a wave; the angle is counted from the rows upwards."""
    y, x = np.mgrid[:64, :64]
    wave = np.cos(2 * np.pi * frequency * (x * np.cos(angle) - y * np.sin(angle)))
    return np.rint(127 + 100 * wave).astype(np.uint8)[None, ..., None]


@given(
    sides=st.tuples(st.integers(16, 70), st.integers(16, 70))
    | st.integers(8, 32).map(lambda half: (2 * half, 2 * half)),
    channels=st.sampled_from([1, 3]),
    corner=st.tuples(st.integers(0, 230), st.integers(0, 380)),
    level=st.sampled_from([1, 1, 64]),
    orientations_per_scale=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_features_are_those_of_the_definition(
    sides, channels, corner, level, orientations_per_scale, grid
):
    images = crops(*sides, channels, *corner) // level * level
    reference = [by_definition(image, orientations_per_scale, grid) for image in images]
    ours = GIST(tuple(orientations_per_scale), grid).fit_transform(images)
    np.testing.assert_allclose(
        ours, reference, rtol=1e-4, atol=4e-6
    )  # of values up to 1, by a transform in single precision


def test_a_transposed_image_has_transposed_features():
    images = crops(40, 60, 3, 100, 200)
    upright = GIST(grid=(2, 3)).fit_transform(images)[:, : 8 * 2 * 3].reshape(2, 8, 2, 3)
    lying = (
        GIST(grid=(3, 2))
        .fit_transform(images.transpose(0, 2, 1, 3))[:, : 8 * 3 * 2]
        .reshape(2, 8, 3, 2)
    )
    # for each of 8 orientations, the one that is its mirror image at the diagonal
    mirrored = [(4 - k) % 8 for k in range(8)]
    np.testing.assert_allclose(lying[:, mirrored].transpose(0, 1, 3, 2), upright, rtol=0.02)


def test_the_scale_of_gray_values_does_not_matter():
    dark = PHOTOS // 4
    extractor = GIST().fit(dark)
    np.testing.assert_allclose(
        extractor.transform(dark * 3 + 17), extractor.transform(dark), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("scale", range(3))
@pytest.mark.parametrize("eighth", range(8))
def test_the_largest_feature_of_a_wave_is_named_after_its_scale_and_orientation(scale, eighth):
    wave = stripes(0.3 / 1.85**scale, np.pi * eighth / 8)
    extractor = GIST((8, 8, 8), grid=(1, 1)).fit(wave)
    largest = extractor.transform(wave)[0].argmax()
    assert (
        extractor.get_feature_names_out()[largest]
        == f"gist_scale{scale}_orientation{eighth}_cell0_0"
    )


def test_the_largest_feature_is_named_after_the_cell_that_holds_the_wave():
    image = np.full((1, 64, 96, 1), 127, np.uint8)
    image[:, 48:, 24:48] = stripes(0.3, 0)[:, :16, :24]
    extractor = GIST().fit(image)
    names, features = extractor.get_feature_names_out(), extractor.transform(image)[0]
    assert len(set(names)) == len(names) == len(features)
    assert names[features.argmax()] == "gist_scale0_orientation0_cell3_1"


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (11, 91, 203)])
def test_an_image_without_contrast_has_zero_features(colour):
    assert (GIST().fit_transform(np.full((2, 17, 30, 3), colour, np.uint8)) == 0).all()


def test_features_of_an_image_do_not_depend_on_its_batch():
    extractor = GIST().fit(PHOTOS)
    alone = np.concatenate([extractor.transform(PHOTOS[i : i + 1]) for i in range(len(PHOTOS))])
    np.testing.assert_allclose(extractor.transform(PHOTOS), alone, rtol=1e-4, atol=1e-6)


def test_digits_are_enlarged_to_16_pixels_and_to_a_pixel_a_cell():
    assert GIST().min_size == 16
    extractor = GIST((3,), grid=(20, 5)).fit(DIGITS)
    assert (
        extractor.transform(DIGITS).shape
        == (50, 3 * 20 * 5)
        == (50, len(extractor.get_feature_names_out()))
    )


def test_a_filter_too_narrow_for_any_frequency_of_the_image_has_no_energy():
    features = GIST([8] * 12, grid=(1, 1)).fit_transform(PHOTOS[:2])
    assert (features[:, -1] == 0).all()


def test_lists_are_allowed_as_a_study_file_writes_them():
    lists = GIST(orientations_per_scale=[4, 2], grid=[2, 3]).fit_transform(PHOTOS[:5])
    np.testing.assert_array_equal(
        lists, GIST(orientations_per_scale=(4, 2), grid=(2, 3)).fit_transform(PHOTOS[:5])
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientations_per_scale": ()},
        {"orientations_per_scale": 8},
        {"orientations_per_scale": (8, 0)},
        {"orientations_per_scale": (8, 2.5)},
        {"orientations_per_scale": (8, True)},
        {"grid": 4},
        {"grid": (4, 0)},
        {"grid": (4, 4, 4)},
        {"grid": (4, "4")},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        GIST(**wrong).fit(DIGITS)
    assert repr(value) in str(refusal.value)
