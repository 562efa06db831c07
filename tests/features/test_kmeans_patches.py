import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.kmeans_patches import KMeansPatches

LOADED = load_digits()
DIGITS = np.rint(LOADED.images[..., None] * (255 / 16)).astype(np.uint8)
PHOTOS = np.stack(
    [data.astronaut()[y : y + 20, x : x + 27] for y in range(0, 470, 60) for x in range(0, 450, 60)]
)


def by_definition(fitted, image):
    """Activations of an image, patch by patch, as defined in the paper."""
    size, stride, (rows, cols) = fitted.patch_size, fitted.stride, fitted.grid
    ys, xs = (range(0, side - size + 1, stride) for side in image.shape[:2])
    activation = np.zeros((len(ys), len(xs), fitted.n_centroids))
    for i, y in enumerate(ys):
        for j, x in enumerate(xs):
            patch = image[y : y + size, x : x + size].astype(float).ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + 10)
            distance = np.linalg.norm(
                (patch - fitted.mean_) @ fitted.whitener_ - fitted.centroids_, axis=1
            )
            activation[i, j, : len(distance)] = np.maximum(0, distance.mean() - distance)
    cells = [
        cell
        for row in np.array_split(activation, rows, axis=0)
        for cell in np.array_split(row, cols, axis=1)
    ]
    means = np.concatenate([cell.mean(axis=(0, 1)) for cell in cells])
    return np.sqrt(means) if fitted.root else means


@given(
    n_centroids=st.integers(1, 20),
    patch_size=st.integers(2, 7),
    stride=st.integers(1, 3),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    root=st.booleans(),
    gray=st.booleans(),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_features_are_those_of_the_paper_s_definition(
    n_centroids, patch_size, stride, grid, root, gray
):
    images = PHOTOS[:, ..., :1] if gray else PHOTOS
    fitted = KMeansPatches(
        n_centroids, patch_size, stride, grid, n_sampled=300, root=root, random_state=0
    ).fit(images[:20])
    expected = [by_definition(fitted, image) for image in images[20:23]]
    np.testing.assert_allclose(fitted.transform(images[20:23]), expected, atol=2e-3)


def test_whitened_patches_are_uncorrelated_and_of_unit_variance():
    fitted = KMeansPatches(5, whitening=1e-9, n_sampled=20_000, random_state=0).fit(PHOTOS)
    from features.kmeans_patches import _normalise_contrast, _sample_patches

    patches = _normalise_contrast(_sample_patches(PHOTOS, 6, 20_000, np.random.RandomState(0)))
    whitened = (patches - fitted.mean_) @ fitted.whitener_
    variances = np.linalg.eigvalsh(np.cov(whitened.T))
    assert variances[0] < 0.05  # the mean colour was subtracted, so one direction is empty
    np.testing.assert_allclose(variances[3:], 1, atol=0.05)


def test_flat_images_give_finite_features_also_in_training():
    flat = np.full((5, 12, 12, 3), 127, np.uint8)
    assert np.isfinite(
        KMeansPatches(10, random_state=0).fit(PHOTOS[:, :12, :12]).transform(flat)
    ).all()
    features = KMeansPatches(10, random_state=0).fit_transform(flat)
    assert features.shape == (5, 40)
    assert np.isfinite(features).all()


def test_centroids_fit_the_patches_better_than_a_random_draw_of_them(monkeypatch):
    fitted = KMeansPatches(30, n_sampled=5000, random_state=0).fit(PHOTOS)
    monkeypatch.setattr(
        "features.kmeans_patches._k_means",
        lambda patches, n, random: patches[random.choice(len(patches), n, replace=False)],
    )
    drawn = KMeansPatches(30, n_sampled=5000, random_state=0).fit(PHOTOS)
    from features.kmeans_patches import _normalise_contrast, _sample_patches

    patches = (
        _normalise_contrast(_sample_patches(PHOTOS, 6, 2000, np.random.RandomState(1)))
        - fitted.mean_
    ) @ fitted.whitener_
    errors = [
        np.square(patches[:, None] - centroids).sum(axis=2).min(axis=1).mean()
        for centroids in (fitted.centroids_, drawn.centroids_)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_two_fits_with_one_random_state_are_equal_bit_for_bit_and_another_state_differs():
    first, again, another_state = (
        KMeansPatches(10, random_state=seed).fit_transform(PHOTOS) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != another_state).any()


def test_digits_are_told_apart():
    extractor = KMeansPatches(50, patch_size=4, random_state=0).fit(DIGITS[:1000])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        extractor.transform(DIGITS[:1000]), LOADED.target[:1000]
    )
    assert model.score(extractor.transform(DIGITS[1000:]), LOADED.target[1000:]) > 0.93


def test_names_say_cell_and_centroid():
    names = KMeansPatches(3, grid=[1, 2], random_state=0).fit(DIGITS[:9]).get_feature_names_out()
    assert list(names) == [f"cell_0_{c}_centroid{k}" for c in (0, 1) for k in range(3)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_centroids": 0},
        {"patch_size": 1},
        {"stride": 0},
        {"n_sampled": True},
        {"grid": (2, 0)},
        {"grid": 2},
        {"whitening": 0.0},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_by_name_and_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter") as refusal:
        KMeansPatches(**wrong).fit(DIGITS[:9])
    assert repr(value) in str(refusal.value)
