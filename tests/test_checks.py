"""The contract checks hold for everything in the menus, and name what a bad plug-in does."""

from pathlib import Path

import pytest

from benchmark.checks import run_checks
from benchmark.plugins import menu, resolve
from benchmark.spec import Spec

FAKES = str(Path(__file__).parent / "fakes.py")
QUICK = {
    "simple_cnn": "simple_cnn(epochs=2)",
    "resnet18": "resnet18(epochs=1)",
    "resnet50": "resnet50(epochs=1)",
    "fast_resnet": "fast_resnet(epochs=2)",
    "autoencoder": "autoencoder(epochs=2)",
    "cnn_embedding": "cnn_embedding(estimator=simple_cnn(epochs=2))",
    "one_vs_rest": "one_vs_rest(estimator=logistic_regression)",
}


def broken(kind, name):
    return {outcome.name: outcome.problem for outcome in run_checks(kind, resolve(kind, Spec.parse(name))) if outcome.problem}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("extractor", "model", "strategy") for name in menu(kind)])
def test_everything_in_the_menus_keeps_its_contract(kind, name):
    assert broken(kind, QUICK.get(name, name)) == {}


def test_options_of_extractors_keep_the_contract():
    for name in (
        "sift_bovw(keypoints='detected')",
        "color_histogram(joint=True, grid=(2, 2))",
        "hog(transform_sqrt=True, block_norm='L1')",
        "laplacian_pyramid(grid=(3, 2))",
        "lbp(P=12, R=2.0, method='nri_uniform', grid=(2, 3))",
        "sift_bovw(n_words=20, bin_sizes=(3, 4), levels=2, root=True, encoding='soft')",
        "sift_bovw(n_words=4, encoding='vlad')",
        "sift_bovw(n_words=4, encoding='fisher', contrast_threshold=2.0)",
        "kmeans_patches(n_centroids=30, root=True, stride=2)",
        "pca(extractor=sift_bovw(n_words=20), n_components=5, whiten=True)",
    ):
        assert broken("extractor", name) == {}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("WrongLength", "one_vector_an_image"),
        ("ChangesInput", "input_unchanged"),
        ("ReadsTestLabels", "hidden_labels"),
        ("LooksUpLabels", "nothing_is_looked_up"),
        ("UsesLabels", "labels_are_ignored"),
        ("SecretlyLearns", "stateless_is_true"),
        ("DependsOnBatch", "images_are_independent"),
        ("DependsOnLargeBatch", "images_are_independent"),
        ("Exits", "one_vector_an_image"),
        ("Raises", "one_vector_an_image"),
    ],
)
def test_a_bad_extractor_is_caught_by_the_name_of_what_it_breaks(name, check):
    found = broken("extractor", f"{FAKES}:{name}")
    assert check in found
    assert found[check]


def test_an_honest_plug_in_passes():
    assert broken("extractor", f"{FAKES}:MeanGray") == {}


@pytest.mark.parametrize(
    ("name", "check"),
    [("GivesNaN", "gives_probabilities"), ("StandardisesTestPart", "images_are_independent"), ("HardLabelsOnly", "gives_probabilities")],
)
def test_a_bad_model_is_caught(name, check):
    assert check in broken("model", f"{FAKES}:{name}")
