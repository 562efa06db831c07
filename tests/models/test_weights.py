"""Files of given weights: their digests in keys and rows, and saved pipelines without them."""

import hashlib

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from benchmark.errors import UserError
from benchmark.pipelines.file import load_pipeline
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.pipelines.saving import save_pipeline
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from models.weights import read_state_dict


@pytest.fixture
def weights(tmp_path):
    """File of random weights of a ResNet-18."""
    torch.manual_seed(0)
    path = tmp_path / "weights.pth"
    torch.save(resnet18().state_dict(), path)
    return path


LABELS = [
    ("pixels", "resnet18(epochs=1, weights={!r})"),
    ("cnn_embedding(estimator=resnet18(weights={!r}), train=False)", "gaussian_nb"),
]


@pytest.mark.parametrize(("extractor", "model"), LABELS)
def test_the_key_of_a_cell_depends_on_the_content_of_the_file(
    extractor, model, weights, digits, make_cell
):
    def describe():
        cell = make_cell(digits, extractor.format(str(weights)), model.format(str(weights)))
        described = cell.params["model"]
        if "resnet18" in extractor:
            described = cell.params["extractor"][0]["params"]["estimator"]
        return cell.key, described["weights"]

    key, described = describe()
    assert described == {
        "file": "weights.pth",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "licence": None,
    }
    assert describe() == (key, described)
    torch.save(resnet18().state_dict(), weights)
    other_key, other = describe()
    assert other["sha256"] != described["sha256"]
    assert other_key != key


@pytest.mark.parametrize(("extractor", "model"), LABELS)
def test_a_saved_pipeline_does_not_need_the_file(
    extractor, model, weights, digits, make_cell, tmp_path
):
    labels = extractor.format(str(weights)), model.format(str(weights))
    pipeline = fit_pipeline(make_cell(digits, *labels, split="holdout"), digits)
    save_pipeline(pipeline, tmp_path / "it.pipeline")
    weights.unlink()
    np.testing.assert_array_equal(
        load_pipeline(tmp_path / "it.pipeline").predict_proba(digits.images[:5]),
        pipeline.predict_proba(digits.images[:5]),
    )


def test_a_component_whose_file_is_missing_is_refused(tmp_path):
    missing = Spec.parse(f"resnet18(weights={str(tmp_path / 'none.pth')!r})")
    with pytest.raises(UserError, match=r"weights='.*none.pth': no such file"):
        resolve_spec("model", missing)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_damaged_file_is_refused_in_one_line(name, weights, tmp_path):
    path = tmp_path / "damaged" / name
    path.parent.mkdir()
    path.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cannot be read as a file of weights") as refusal:
        read_state_dict(path)
    assert "\n" not in str(refusal.value)
