import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from skimage import data
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from features.base import enlarge_images
from features.dense_sift import dense_sift, window_centres
from features.sift_bovw import SIFTBoVW

LOADED = load_digits()
DIGITS = np.rint(LOADED.images[..., None] * (255 / 16)).astype(np.uint8)
PHOTOS = np.stack(
    [data.astronaut()[y : y + 40, x : x + 53] for y in range(0, 470, 60) for x in range(0, 450, 60)]
)
FACES = np.rint(data.lfw_subset()[..., None] * 255).astype(np.uint8)
FLAT = np.repeat(np.array([0, 127, 255], np.uint8), 40 * 53 * 3).reshape(3, 40, 53, 3)
SETS = {"digits": DIGITS[:60], "photos": PHOTOS, "faces": FACES[:40]}


def gray(images):
    """Gray values of OpenCV, which are whole numbers."""
    return np.stack(
        [
            image[..., 0] if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            for image in images
        ]
    )


def by_opencv(image, bin_size, step):
    size = 4 * bin_size
    centres = [
        range((side - size) % step // 2 + size // 2, side - size // 2 + 1, step)
        for side in image.shape
    ]
    points = [
        cv2.KeyPoint(float(x), float(y), size / 6, 0.0) for y in centres[0] for x in centres[1]
    ]
    return cv2.SIFT.create().compute(image, points)[1]


@pytest.mark.parametrize(("bin_size", "step"), [(4, 4), (4, 8), (3, 3), (6, 8)])
@pytest.mark.parametrize(
    "images", [enlarge_images(DIGITS[:20], 32), PHOTOS], ids=["digits", "photos"]
)
def test_dense_descriptors_are_those_of_opencv_at_the_same_grid_and_scale(images, bin_size, step):
    ours = dense(images, bin_size, step).astype(float)
    reference = np.stack([by_opencv(image, bin_size, step) for image in gray(images)])
    assert ours.shape == reference.shape
    lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(reference, axis=-1)
    cosine = (ours * reference).sum(axis=-1)[lengths > 0] / lengths[lengths > 0]
    assert cosine.mean() >= 0.999
    assert (lengths > 0).mean() > 0.98


def dense(images, bin_size=4, step=4, **parameters):
    return dense_sift(gray(images).astype(np.float32), bin_size, step, **parameters)[0]


def test_rootsift_is_the_square_root_of_the_shares_of_sift():
    plain, root = dense(PHOTOS), dense(PHOTOS, root=True)
    rich = (plain > 0).sum(axis=-1) > 64  # few large entries are stored as 255
    np.testing.assert_allclose(
        root[rich],
        512 * np.sqrt(plain / np.maximum(plain.sum(axis=-1, keepdims=True), 1))[rich],
        atol=12,
    )
    np.testing.assert_allclose(np.linalg.norm(root, axis=-1)[plain.any(axis=-1)], 512, rtol=0.01)


def test_contrast_is_the_mean_gradient_of_a_window():
    # three gray levels per pixel
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32) * 3, (1, 40, 40))
    np.testing.assert_allclose(dense_sift(ramp, 4, 4, sigma=0.0)[1][0, 24], 3, rtol=0.02)


def test_sigma_blurs_what_gradients_are_taken_of():
    image = gray(PHOTOS).astype(np.float32)
    blurred = np.stack(
        [gaussian_filter(plane, np.sqrt(2**2 - 0.5**2), mode="mirror") for plane in image]
    )
    np.testing.assert_allclose(
        dense_sift(image, 4, 4, sigma=2.0)[0], dense_sift(blurred, 4, 4, sigma=0.0)[0], atol=1
    )


def test_a_flat_window_has_a_zero_descriptor():
    assert (dense(FLAT) == 0).all()


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
        dense(PHOTOS[:1])[0]
        if keypoints == "dense"
        else cv2.SIFT.create().detectAndCompute(gray(PHOTOS[:1])[0], None)[1]
    ).astype(float)
    distance = np.square(descriptors[:, None] - extractor.vocabulary_.words.astype(float)).sum(
        axis=-1
    )
    share = np.bincount(distance.argmin(axis=1), minlength=30) / len(descriptors)
    np.testing.assert_allclose(extractor.transform(PHOTOS[:1])[0] ** 2, share, atol=1e-6)


def test_the_vocabulary_fits_the_training_descriptors_better_than_a_random_draw_of_them():
    descriptors = dense(PHOTOS).reshape(-1, 128).astype(float)

    def error(words):
        return np.square(descriptors[:, None] - words).sum(axis=-1).min(axis=1).mean()

    drawn = descriptors[np.random.default_rng(0).choice(len(descriptors), 30, replace=False)]
    assert error(SIFTBoVW(30, random_state=0).fit(PHOTOS).vocabulary_.words) < 0.8 * error(drawn)


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
    n_distinct = len(np.unique(dense(enlarge_images(DIGITS[:2], 32)).reshape(-1, 128), axis=0))
    assert len(extractor.vocabulary_.words) == n_distinct <= 50
    assert features.shape == (20, 200)
    assert (features[:, n_distinct:] == 0).all()


@pytest.mark.parametrize("keypoints", ["dense", "detected"])
def test_two_fits_with_one_random_state_are_equal_bit_for_bit_and_another_state_differs(keypoints):
    first, again, another_state = (
        SIFTBoVW(30, keypoints, random_state=seed).fit_transform(PHOTOS) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != another_state).any()


@pytest.mark.parametrize("images", SETS.values(), ids=SETS)
def test_features_of_an_image_do_not_depend_on_its_batch(images):
    extractor = SIFTBoVW(30, random_state=0).fit(images)
    together = extractor.transform(images)
    alone = np.concatenate([extractor.transform(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_array_equal(together, alone)


def test_features_do_not_depend_on_the_number_of_threads():
    big = np.stack([data.astronaut()[:224, :224], data.coffee()[:224, :224]])
    with threadpool_limits(1):
        with_one_thread = SIFTBoVW(30, random_state=0).fit_transform(big)
    with threadpool_limits(4):
        with_four_threads = SIFTBoVW(30, random_state=0).fit_transform(big)
    np.testing.assert_array_equal(with_one_thread, with_four_threads)


def test_the_vocabulary_is_learned_from_a_bounded_number_of_images_and_descriptors(monkeypatch):
    described = []
    describe = SIFTBoVW._compute_descriptors
    monkeypatch.setattr(
        SIFTBoVW,
        "_compute_descriptors",
        lambda self, batch: described.append(len(batch)) or describe(self, batch),
    )
    sampled = []
    monkeypatch.setattr(
        "features.visual_words.k_means",
        lambda sample, n_words, random: sampled.extend(sample) or sample[:n_words],
    )
    SIFTBoVW(30, n_sampled=405, random_state=0).fit(DIGITS)
    assert sum(described) == 41  # one image for every ten descriptors
    assert max(described) <= SIFTBoVW.batch_size
    assert len(sampled) == 405


def test_the_last_images_of_the_training_set_are_in_the_sample_too(monkeypatch):
    sampled = []
    monkeypatch.setattr(
        "features.visual_words.k_means",
        lambda sample, n_words, random: sampled.extend(sample) or sample[:n_words],
    )
    # eleven descriptors per image are drawn, of which ten and a quarter on average are used
    SIFTBoVW(30, n_sampled=410, random_state=0).fit(PHOTOS[:40])
    assert len(sampled) == 410
    last = dense(PHOTOS[38:40]).reshape(-1, 128)
    assert (last[:, None] == sampled).all(axis=-1).any()


@pytest.mark.parametrize("encoding", ["hard", "soft", "vlad", "fisher"])
def test_a_single_descriptor_is_vocabulary_enough(encoding):
    features = SIFTBoVW(5, encoding=encoding, n_sampled=1, random_state=0).fit_transform(PHOTOS[:5])
    assert np.isfinite(features).all()


def test_every_image_that_is_drawn_gives_descriptors_to_the_vocabulary(monkeypatch):
    sampled = []
    monkeypatch.setattr(
        "features.visual_words.k_means",
        lambda sample, n_words, random: sampled.extend(sample) or sample[:n_words],
    )
    SIFTBoVW(30, n_sampled=400, random_state=0).fit(PHOTOS[:40])
    descriptors = dense(PHOTOS[:40])
    assert all((image[:, None] == sampled).all(axis=-1).any() for image in descriptors)


def test_digits_are_told_apart_by_their_words():
    extractor = SIFTBoVW(random_state=0).fit(DIGITS[:1000])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(extractor.transform(DIGITS[:1000]), LOADED.target[:1000])
    assert model.score(extractor.transform(DIGITS[1000:]), LOADED.target[1000:]) > 0.9


def encoded(encoding, n_words, descriptors):
    """Vector of an image before normalisation, computed with all words at once in float64."""
    vocabulary = SIFTBoVW(n_words, encoding=encoding, random_state=0).fit(PHOTOS).vocabulary_
    words, x = vocabulary.words.astype(float), descriptors.astype(float)
    difference = x[:, None] - words
    square = np.square(difference).sum(axis=-1)
    if encoding == "hard":
        return np.bincount(square.argmin(axis=1), minlength=n_words)
    if encoding == "vlad":
        return np.concatenate(
            [difference[square.argmin(axis=1) == k, k].sum(axis=0) for k in range(n_words)]
        )
    if encoding == "soft":
        logs = -square / (2 * vocabulary.width)
    else:
        z = difference / vocabulary.deviations
        logs = (
            np.log(vocabulary.weights)
            - np.log(vocabulary.deviations).sum(axis=1)
            - np.square(z).sum(axis=-1) / 2
        )
    logs[logs < np.sort(logs, axis=1)[:, [-5]]] = -np.inf
    share = softmax(logs, axis=1)
    if encoding == "soft":
        return share.sum(axis=0)
    weighted = share[..., None] / np.sqrt(vocabulary.weights[:, None])
    gradients = np.concatenate([weighted * z, weighted * (z**2 - 1) / np.sqrt(2)], axis=2)
    return gradients.sum(axis=0).ravel()


@pytest.mark.parametrize("encoding", ["hard", "soft", "vlad", "fisher"])
def test_each_encoding_is_that_of_its_definition(encoding):
    features = SIFTBoVW(8, encoding=encoding, random_state=0).fit(PHOTOS).transform(PHOTOS[:3])
    expected = np.stack([encoded(encoding, 8, d) for d in dense(PHOTOS[:3])])
    expected = np.sign(expected) * np.sqrt(np.abs(expected))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(features, expected, atol=2e-3)


@pytest.mark.parametrize("encoding", ["vlad", "fisher"])
def test_no_feature_is_the_rounding_error_of_a_difference(encoding):
    """One that hardly varied would be magnified by standardisation, and outweigh all others."""
    digits = np.kron(load_digits().images[:100], np.ones((4, 4))).astype(np.uint8)[..., np.newaxis]
    options = {"encoding": encoding, "n_words": 32, "bin_sizes": (4, 8), "sigma": 0.5, "root": True}
    extractor = SIFTBoVW(**options, random_state=0).fit(digits[::2])
    scaler = StandardScaler().fit(extractor.transform(digits[::2]))
    assert np.abs(scaler.transform(extractor.transform(digits[1::2]))).max() < 1e3


def test_cells_of_the_pyramid_are_histograms_of_the_windows_in_them():
    extractor = SIFTBoVW(20, levels=2, random_state=0).fit(PHOTOS)
    features = extractor.transform(PHOTOS[:1]).reshape(5, 20)
    whole, cells = features[0], features[1:]
    np.testing.assert_allclose(
        whole, SIFTBoVW(20, random_state=0).fit(PHOTOS).transform(PHOTOS[:1])[0], atol=1e-6
    )
    words = extractor.vocabulary_.words
    word = (
        np.square(dense(PHOTOS[:1])[0][:, None] - words).sum(axis=-1).argmin(axis=1).reshape(7, 10)
    )
    n_above = (window_centres(40, 4, 4) < 20).sum()
    top_left = np.bincount(
        word[:n_above, : (window_centres(53, 4, 4) < 26.5).sum()].ravel(), minlength=20
    )
    np.testing.assert_allclose(cells[0] ** 2, top_left / top_left.sum(), atol=1e-6)


def test_several_scales_count_their_windows_together():
    extractor = SIFTBoVW(20, bin_sizes=[3, 4], random_state=0).fit(PHOTOS)
    both = np.concatenate([dense(PHOTOS[:1], size)[0] for size in (3, 4)])
    word = np.square(both[:, None] - extractor.vocabulary_.words).sum(axis=-1).argmin(axis=1)
    np.testing.assert_allclose(
        extractor.transform(PHOTOS[:1])[0] ** 2,
        np.bincount(word, minlength=20) / len(both),
        atol=1e-6,
    )


def test_windows_of_low_contrast_do_not_count():
    half = PHOTOS.copy()
    half[:, :, 26:] = 100
    extractor = SIFTBoVW(20, contrast_threshold=1.0, random_state=0).fit(PHOTOS)
    kept = dense_sift(gray(half).astype(np.float32), 4, 4)[1] >= 1.0
    assert 0.3 < kept.mean() < 0.9
    word = (
        np.square(dense(half[:1])[0][:, None] - extractor.vocabulary_.words)
        .sum(axis=-1)
        .argmin(axis=1)[kept[0]]
    )
    np.testing.assert_allclose(
        extractor.transform(half[:1])[0] ** 2,
        np.bincount(word, minlength=20) / len(word),
        atol=1e-6,
    )
    assert (extractor.transform(FLAT) == 0).all()


@pytest.mark.parametrize(
    "parameters",
    [
        {"encoding": "fisher", "n_words": 5},
        {"encoding": "vlad", "n_words": 5, "levels": 2},
        {"levels": 3},
    ],
    ids=str,
)
def test_there_is_a_distinct_name_for_each_feature(parameters):
    extractor = SIFTBoVW(**parameters, random_state=0).fit(PHOTOS)
    names = extractor.get_feature_names_out()
    assert len(set(names)) == len(names) == extractor.transform(PHOTOS[:1]).shape[1]


def test_names_count_the_words():
    assert list(SIFTBoVW(3).fit(DIGITS[:9]).get_feature_names_out()) == ["word0", "word1", "word2"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_words": 0},
        {"step": 0},
        {"step": 1.5},
        {"bin_sizes": [0]},
        {"n_sampled": 0},
        {"n_words": True},
        {"keypoints": "sparse"},
        {"encoding": "vald"},
        {"sigma": -1.0},
        {"levels": 0},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        SIFTBoVW(**wrong).fit(DIGITS[:9])
    assert repr(value) in str(refusal.value)
