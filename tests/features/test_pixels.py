import numpy as np
import pytest
from skimage import data
from sklearn.datasets import load_digits

from features.pixels import Pixels

PHOTOS = np.stack(
    [photo[100:120, 200:230] for photo in (data.astronaut(), data.chelsea(), data.coffee())]
)
DIGITS = np.rint(load_digits().images[:20, ..., None] * (255 / 16)).astype(np.uint8)


@pytest.mark.parametrize("images", [PHOTOS, DIGITS], ids=["color", "gray"])
def test_features_are_the_pixels_scaled_to_one_and_give_the_images_back(images):
    features = Pixels().fit_transform(images)
    assert features.dtype == np.float32
    assert features.min() >= 0
    assert features.max() <= 1
    np.testing.assert_array_equal(np.rint(features * 255).reshape(images.shape), images)


def test_black_is_zero_and_white_is_exactly_one():
    black_and_white = np.stack([np.zeros_like(PHOTOS[0]), np.full_like(PHOTOS[0], 255)])
    features = Pixels().fit_transform(black_and_white)
    assert (features[0] == 0).all()
    assert (features[1] == 1).all()


def test_name_of_a_feature_says_row_column_and_channel():
    extractor = Pixels().fit(PHOTOS)
    names = list(extractor.get_feature_names_out())
    value = extractor.transform(PHOTOS)[1, names.index("pixel_3_17_green")]
    assert value == np.float32(PHOTOS[1, 3, 17, 1]) / np.float32(255)
    assert len(set(names)) == len(names) == 20 * 30 * 3


def test_gray_images_have_one_named_feature_per_pixel():
    names = Pixels().fit(DIGITS).get_feature_names_out()
    assert (names[0], names[-1], len(set(names))) == ("pixel_0_0_gray", "pixel_7_7_gray", 64)
