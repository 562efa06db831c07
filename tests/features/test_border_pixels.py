"""The probe for classes that the border of the images tells."""

import numpy as np
import pytest

from benchmark import load_study, run
from benchmark.utils.notes import NoteKind
from features import BorderPixels


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_the_pixels_within_the_width_of_an_edge(channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, channels), dtype=np.uint8)
    features = BorderPixels(side=16, width=3).fit_transform(images)
    rows, columns = np.indices((16, 16))
    is_border = np.minimum.reduce([rows, columns, 15 - rows, 15 - columns]) < 3
    np.testing.assert_allclose(features, images[:, is_border].reshape(3, -1) / 255, atol=1e-6)


def test_larger_images_are_averaged():
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), dtype=np.uint8)

    means = image[0, ..., 0].reshape(16, 4, 16, 4).mean(axis=(1, 3))
    features = BorderPixels(side=16, width=1).fit_transform(image)[0] * 255
    np.testing.assert_allclose(features[:16], means[0], atol=0.51)


def test_what_is_inside_does_not_matter():
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    changed = images.copy()
    changed[:, 2:-2, 2:-2] = 7
    extractor = BorderPixels().fit(images)
    np.testing.assert_array_equal(extractor.transform(images), extractor.transform(changed))


def test_chest_x_rays_of_different_hospitals_are_told_by_their_border(data_folder, tmp_path):
    study = load_study(
        "digits",
        datasets=["csv:covid_radiography/metadata.csv(name='covid')"],
        size=32,
        extractors=["border_pixels", "hog"],
        models=["rbf_svm"],
        train_sizes=[600],
        split="holdout",
    )
    rows = run(study, tmp_path, data_folder, scheduler="inline").set_index("extractor")
    assert rows.loc["border_pixels", "auc"] > 0.8
    (note,) = [note for note in rows.loc["border_pixels", "notes"] if "alone reach" in note]
    assert note.kind == NoteKind.LEAK
    assert "the classes may come from different sources" in note
    assert not [note for note in rows.loc["hog", "notes"] if "alone reach" in note]
