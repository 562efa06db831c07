import cv2
import numpy as np
import pytest
from skimage import data
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from features.base import enlarge
from features.dense_sift import dense_sift
from features.sift_bovw import SIFTBoVW

LOADED = load_digits()
DIGITS = np.rint(LOADED.images[..., None] * (255 / 16)).astype(np.uint8)
PHOTOS = np.stack([data.astronaut()[y : y + 40, x : x + 53] for y in range(0, 470, 60) for x in range(0, 450, 60)])
FACES = np.rint(data.lfw_subset()[..., None] * 255).astype(np.uint8)
FLAT = np.repeat(np.array([0, 127, 255], np.uint8), 40 * 53 * 3).reshape(3, 40, 53, 3)
SETS = {"digits": DIGITS[:60], "photos": PHOTOS, "faces": FACES[:40]}


def gray(images):
    """As OpenCV sees them: whole numbers."""
    return np.stack([image[..., 0] if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])


def by_opencv(image, size, step):
    centres = [range((side - size) % step // 2 + size // 2, side - size // 2 + 1, step) for side in image.shape]
    points = [cv2.KeyPoint(float(x), float(y), size / 6, 0.0) for y in centres[0] for x in centres[1]]
    return cv2.SIFT.create().compute(image, points)[1]


@pytest.mark.parametrize(("size", "step"), [(16, 4), (16, 8), (12, 3), (24, 8)])
@pytest.mark.parametrize("images", [enlarge(DIGITS[:20], 32), PHOTOS], ids=["digits", "photos"])
def test_dense_descriptors_are_those_of_opencv_at_the_same_grid_and_scale(images, size, step):
    ours = dense_sift(gray(images).astype(np.float32), size, step).astype(float)
    reference = np.stack([by_opencv(image, size, step) for image in gray(images)])
    assert ours.shape == reference.shape
    lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(reference, axis=-1)
    cosine = (ours * reference).sum(axis=-1)[lengths > 0] / lengths[lengths > 0]
    assert cosine.mean() >= 0.999
    assert (lengths > 0).mean() > 0.98


def test_a_flat_window_has_a_zero_descriptor():
    assert (dense_sift(FLAT[..., 0].astype(np.float32), 16, 4) == 0).all()


@pytest.mark.parametrize("keypoints", ["dense", "detected"])
@pytest.mark.parametrize("images", SETS.values(), ids=SETS)
def test_squares_of_the_features_are_shares_of_the_words(images, keypoints):
    features = SIFTBoVW(30, keypoints, random_state=0).fit_transform(images)
    assert features.shape == (len(images), 30)
    assert features.dtype == np.float32
    assert features.min() >= 0
    sums = np.square(features).sum(axis=1)
    assert (np.isclose(sums, 1, atol=1e-5) | (sums == 0)).all()
    if keypoints == "dense":
        assert sums.min() > 0.9


@pytest.mark.parametrize("keypoints", ["dense", "detected"])
def test_each_descriptor_is_counted_for_its_nearest_word(keypoints):
    extractor = SIFTBoVW(30, keypoints, random_state=0).fit(PHOTOS)
    descriptors = (
        dense_sift(gray(PHOTOS[:1]).astype(np.float32), 16, 4)[0]
        if keypoints == "dense"
        else cv2.SIFT.create().detectAndCompute(gray(PHOTOS[:1])[0], None)[1]
    ).astype(float)
    distance = np.square(descriptors[:, None] - extractor.words_.astype(float)).sum(axis=-1)
    share = np.bincount(distance.argmin(axis=1), minlength=30) / len(descriptors)
    np.testing.assert_allclose(extractor.transform(PHOTOS[:1])[0] ** 2, share, atol=1e-6)


def test_the_vocabulary_fits_the_training_descriptors_better_than_a_random_draw_of_them():
    descriptors = dense_sift(gray(PHOTOS).astype(np.float32), 16, 4).reshape(-1, 128).astype(float)

    def error(words):
        return np.square(descriptors[:, None] - words).sum(axis=-1).min(axis=1).mean()

    drawn = descriptors[np.random.default_rng(0).choice(len(descriptors), 30, replace=False)]
    assert error(SIFTBoVW(30, random_state=0).fit(PHOTOS).words_) < 0.8 * error(drawn)


@pytest.mark.parametrize("keypoints", ["dense", "detected"])
def test_an_image_without_keypoints_or_contrast_gives_finite_features(keypoints):
    extractor = SIFTBoVW(30, keypoints, random_state=0).fit(PHOTOS)
    features = extractor.transform(FLAT)
    assert np.isfinite(features).all()
    if keypoints == "detected":
        assert (features == 0).all()
    else:
        assert ((features == 1).sum(axis=1) == 1).all()  # every window is the same word


def test_training_images_without_any_keypoint_give_zeros_even_for_images_that_have_some():
    features = SIFTBoVW(30, "detected", random_state=0).fit(FLAT).transform(PHOTOS)
    assert features.shape == (len(PHOTOS), 30)
    assert (features == 0).all()


def test_fewer_descriptors_than_words_make_each_a_word_and_leave_the_rest_zero():
    extractor = SIFTBoVW(200, random_state=0).fit(np.repeat(DIGITS[:2], 10, axis=0))
    features = extractor.transform(DIGITS[:20])
    n_distinct = len(np.unique(dense_sift(enlarge(DIGITS[:2], 32)[..., 0].astype(np.float32), 16, 4).reshape(-1, 128), axis=0))
    assert len(extractor.words_) == n_distinct <= 50
    assert features.shape == (20, 200)
    assert (features[:, n_distinct:] == 0).all()


@pytest.mark.parametrize("keypoints", ["dense", "detected"])
def test_two_fits_with_one_random_state_are_equal_bit_for_bit_and_another_state_differs(keypoints):
    first, again, other = (SIFTBoVW(30, keypoints, random_state=seed).fit_transform(PHOTOS) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("images", SETS.values(), ids=SETS)
def test_features_of_an_image_do_not_depend_on_its_batch(images):
    extractor = SIFTBoVW(30, random_state=0).fit(images)
    together = extractor.transform(images)
    alone = np.concatenate([extractor.transform(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_array_equal(together, alone)


def test_features_do_not_depend_on_the_number_of_threads():
    big = np.stack([data.astronaut()[:224, :224], data.coffee()[:224, :224]])
    with threadpool_limits(1):
        one = SIFTBoVW(30, random_state=0).fit_transform(big)
    with threadpool_limits(4):
        four = SIFTBoVW(30, random_state=0).fit_transform(big)
    np.testing.assert_array_equal(one, four)


def test_the_vocabulary_is_learned_from_a_bounded_number_of_images_and_descriptors(monkeypatch):
    described = []
    describe = SIFTBoVW._describe
    monkeypatch.setattr(SIFTBoVW, "_describe", lambda self, batch: described.append(len(batch)) or describe(self, batch))
    sampled = []
    monkeypatch.setattr("features.sift_bovw._k_means", lambda sample, first, random: sampled.extend(sample) or first)
    SIFTBoVW(30, n_sampled=405, random_state=0).fit(DIGITS)
    assert sum(described) == 41  # one image for every ten descriptors
    assert max(described) <= SIFTBoVW.batch_size
    assert len(sampled) == 405


def test_every_image_that_is_drawn_gives_descriptors_to_the_vocabulary(monkeypatch):
    sampled = []
    monkeypatch.setattr("features.sift_bovw._k_means", lambda sample, first, random: sampled.extend(sample) or first)
    SIFTBoVW(30, n_sampled=400, random_state=0).fit(PHOTOS[:40])
    descriptors = dense_sift(gray(PHOTOS[:40]).astype(np.float32), 16, 4)
    assert all((image[:, None] == sampled).all(axis=-1).any() for image in descriptors)


def test_digits_are_told_apart_by_their_words():
    extractor = SIFTBoVW(random_state=0).fit(DIGITS[:1000])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(extractor.transform(DIGITS[:1000]), LOADED.target[:1000])
    assert model.score(extractor.transform(DIGITS[1000:]), LOADED.target[1000:]) > 0.9


def test_names_count_the_words():
    assert list(SIFTBoVW(3).fit(DIGITS[:9]).get_feature_names_out()) == ["word0", "word1", "word2"]


@pytest.mark.parametrize(
    "wrong",
    [{"n_words": 0}, {"step": 0}, {"step": 1.5}, {"size": 3}, {"n_sampled": 0}, {"n_words": True}, {"keypoints": "sparse"}],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"{name}=") as refusal:
        SIFTBoVW(**wrong).fit(DIGITS[:9])
    assert repr(value) in str(refusal.value)
