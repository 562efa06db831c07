import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage import data
from sklearn.datasets import load_digits

from features.shape_histogram import ShapeHistogram, hu_moments, log_magnitude, sobel_gradients

PHOTOS = np.stack(
    [photo[100:140, 200:230] for photo in (data.astronaut(), data.chelsea(), data.coffee())]
)
DIGITS = np.rint(load_digits().images[:20, ..., None] * (255 / 16)).astype(np.uint8)
FACES = np.rint(data.lfw_subset()[:100, ..., None] * 255).astype(np.uint8)

windows = st.tuples(
    st.integers(0, 250), st.integers(0, 400), st.integers(1, 50), st.integers(1, 50)
)


def gray_window(window):
    y, x, height, width = window
    return np.ascontiguousarray(
        cv2.cvtColor(data.chelsea(), cv2.COLOR_RGB2GRAY)[y : y + height, x : x + width]
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows)
def test_gradients_equal_opencvs_sobel(window):
    gray = gray_window(window)
    right, down = sobel_gradients(gray[None])
    np.testing.assert_array_equal(
        right[0], cv2.Sobel(gray, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
    )
    np.testing.assert_array_equal(
        down[0], cv2.Sobel(gray, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows)
def test_hu_moments_equal_opencvs(window):
    gray = gray_window(window)
    reference = cv2.HuMoments(cv2.moments(gray)).ravel()
    np.testing.assert_allclose(hu_moments(gray[None])[0], reference, rtol=1e-3, atol=1e-24)


def test_hu_features_of_faces_are_the_signed_logarithms_of_opencvs_moments():
    reference = np.array([cv2.HuMoments(cv2.moments(face)).ravel() for face in FACES])
    reference = -np.sign(reference) * np.log10(np.abs(reference))
    features = ShapeHistogram().fit_transform(FACES)
    np.testing.assert_allclose(features[:, -7:], reference, rtol=1e-3)


def test_a_black_image_has_no_moments():
    assert (hu_moments(np.zeros((1, 9, 7), np.uint8)) == 0).all()


def test_logarithms_of_zero_and_of_rounding_noise_are_zero():
    np.testing.assert_allclose(
        log_magnitude(np.array([0.0, 1e-40, -1e-31, 1e-4, -1e-4])), [0, 0, 0, 4, -4]
    )


def direction_reference(gray, bins, threshold):
    """Histogram of an image, computed from OpenCV's gradients by a loop."""
    right, down = (
        cv2.Sobel(gray, cv2.CV_64F, *order, borderType=cv2.BORDER_REPLICATE)
        for order in ((1, 0), (0, 1))
    )
    magnitude = np.hypot(right, down)
    histogram = np.zeros(bins)
    for y, x in zip(
        *np.nonzero(magnitude > magnitude.mean() + threshold * magnitude.std()), strict=True
    ):
        histogram[round(np.arctan2(down[y, x], right[y, x]) / (2 * np.pi / bins)) % bins] += 1
    return histogram / max(histogram.sum(), 1)


def on_an_edge_of_two_bins(gray, bins):
    """Whether a gradient lies on the edge of two bins, where rounding decides.

    An example is the gradient at 180 degrees with 95 bins.
    """
    right, down = (
        cv2.Sobel(gray, cv2.CV_64F, *order, borderType=cv2.BORDER_REPLICATE)
        for order in ((1, 0), (0, 1))
    )
    place = np.arctan2(down, right) * bins / (2 * np.pi)
    return (np.abs(place % 1 - 0.5) < 1e-9)[np.hypot(right, down) > 0].any()


@pytest.mark.parametrize(("bins", "threshold"), [(36, 1.0), (7, 0.0), (72, 2.5)])
def test_directions_are_counted_over_the_pixels_with_a_gradient_above_the_images_threshold(
    bins, threshold
):
    features = ShapeHistogram(bins, threshold).fit_transform(FACES)
    reference = [direction_reference(face[..., 0], bins, threshold) for face in FACES]
    np.testing.assert_allclose(features[:, :bins], reference, atol=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    window=windows,
    bins=st.integers(1, 100),
    threshold=st.floats(0, 3),
    levels=st.sampled_from([1, 1, 32, 128]),
)
def test_directions_of_any_photo_are_counted_as_by_opencv_and_a_loop(
    window, bins, threshold, levels
):
    gray = (
        gray_window(window) // levels * levels
    )  # few gray levels: many gradients at 45 degrees, where two bins may meet
    features = ShapeHistogram(bins, threshold).fit_transform(gray[None, ..., None])[0]
    assume(not on_an_edge_of_two_bins(gray, bins))
    np.testing.assert_allclose(
        features[:bins], direction_reference(gray, bins, threshold), atol=1e-6
    )


@pytest.mark.parametrize("bins", [1, 2, 3, 36, 37, 5000])
def test_every_gradient_falls_into_the_bin_of_its_angle(bins):
    step = np.arange(0, 256, 17)
    right, down = (
        values.ravel() for values in np.meshgrid(np.r_[-step[::-1], step], np.r_[-step[::-1], step])
    )
    # the gradient of the middle pixel is twice (right, down)
    crosses = np.zeros((len(right), 3, 3, 1), np.uint8)
    crosses[:, 1, 2, 0], crosses[:, 1, 0, 0] = np.maximum(right, 0), np.maximum(-right, 0)
    crosses[:, 2, 1, 0], crosses[:, 0, 1, 0] = np.maximum(down, 0), np.maximum(-down, 0)
    reference = [direction_reference(image[..., 0], bins, 0.5) for image in crosses]
    np.testing.assert_allclose(
        ShapeHistogram(bins, 0.5).fit_transform(crosses)[:, :bins], reference, atol=1e-6
    )


def test_pixels_that_all_have_the_same_gradient_do_not_exceed_their_mean():
    pairs = np.stack([[[0, value]] * 37 for value in range(256)]).astype(np.uint8)[..., None]
    assert (ShapeHistogram(threshold=0.0).fit_transform(pairs)[:, :36] == 0).all()


def test_a_color_photo_has_exactly_the_features_of_its_luma_in_whole_gray_levels():
    luma = np.rint(PHOTOS @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    np.testing.assert_array_equal(
        ShapeHistogram().fit_transform(PHOTOS), ShapeHistogram().fit_transform(luma)
    )


def test_turning_a_photo_by_a_quarter_turns_its_directions_by_a_quarter():
    square = PHOTOS[:, :30]
    histogram = ShapeHistogram().fit_transform(square)[:, :36]
    turned = ShapeHistogram().fit_transform(np.rot90(square, axes=(1, 2)))[:, :36]
    np.testing.assert_allclose(turned, np.roll(histogram, -9, axis=1), atol=0.03)


def test_hu_features_do_not_change_when_a_digit_moves_or_turns():
    padded = np.pad(DIGITS, ((0, 0), (2, 6), (5, 3), (0, 0)))
    changed = np.rot90(np.roll(padded, (3, -4), axis=(1, 2)), axes=(1, 2))
    before, after = (ShapeHistogram().fit_transform(images)[:, -7:] for images in (padded, changed))
    np.testing.assert_allclose(before, after, rtol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 1, 1), (1, 9, 3), (13, 5, 3), (64, 64, 3)])
@pytest.mark.parametrize("level", [0, 1, 77, 255])
def test_flat_images_have_no_edges_and_finite_moments(shape, level):
    features = ShapeHistogram().fit_transform(np.full((2, *shape), level, np.uint8))
    assert (features[:, :36] == 0).all()
    assert np.isfinite(features).all()


@pytest.mark.parametrize("images", [PHOTOS, DIGITS, FACES], ids=["photos", "digits", "faces"])
def test_features_of_an_image_do_not_depend_on_its_batch(images):
    extractor = ShapeHistogram().fit(images)
    alone = np.vstack([extractor.transform(image[None]) for image in images])
    np.testing.assert_array_equal(extractor.transform(images), alone)


def test_names_say_direction_or_moment():
    names = ShapeHistogram(bins=12).fit(DIGITS).get_feature_names_out()
    assert list(names) == [f"edge_direction_{i}" for i in range(12)] + [
        f"log_hu_{i}" for i in range(1, 8)
    ]
    assert ShapeHistogram(bins=12).fit_transform(DIGITS).shape == (20, 19)


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("bins", 0, "an int in the range [1, inf)"),
        ("bins", 1.5, "an int in the range [1, inf)"),
        ("bins", True, "an int in the range [1, inf)"),
        ("threshold", -0.1, "a float in the range [0.0, inf)"),
        ("threshold", float("nan"), "a float in the range [0.0, inf)"),
        ("threshold", "mean", "a float in the range [0.0, inf)"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_name_value_and_what_is_allowed(
    parameter, value, allowed
):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter") as refusal:
        ShapeHistogram(**{parameter: value}).fit_transform(DIGITS)
    assert repr(value) in str(refusal.value)
    assert allowed in str(refusal.value)
