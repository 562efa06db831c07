import numpy as np
import pytest
from skimage import data

from features.image_statistics import ImageStatistics

PHOTOS = np.stack(
    [photo[100:140, 200:230] for photo in (data.astronaut(), data.chelsea(), data.coffee())]
)


@pytest.mark.parametrize("images", [PHOTOS, PHOTOS[..., :1]], ids=["color", "gray"])
def test_features_are_numpys_mean_and_standard_deviation_of_each_channel(images):
    scaled = images / 255
    expected = np.hstack([scaled.mean(axis=(1, 2)), scaled.std(axis=(1, 2))])
    features = ImageStatistics().fit_transform(images)
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_nothing_of_the_content_is_described():
    shuffled = np.random.default_rng(0).permutation(PHOTOS.reshape(3, -1, 3), axis=1)
    np.testing.assert_array_equal(
        ImageStatistics().fit_transform(shuffled.reshape(PHOTOS.shape)),
        ImageStatistics().fit_transform(PHOTOS),
    )


def test_names_say_statistic_and_channel():
    names = list(ImageStatistics().fit(PHOTOS).get_feature_names_out())
    assert names == ["mean_red", "mean_green", "mean_blue", "std_red", "std_green", "std_blue"]
    assert list(ImageStatistics().fit(PHOTOS[..., :1]).get_feature_names_out()) == [
        "mean_gray",
        "std_gray",
    ]
