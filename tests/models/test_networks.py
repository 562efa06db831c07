"""Tests of all networks, and of the training loop."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.special import softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18

from models.augmentation import REGISTRY, apply_cutout, augment_images, flip_images, shift_images
from models.cnn import SimpleCNN
from models.fast_layers import whitening_layer
from models.fast_resnet import FastResNet
from models.inputs import reduce_images
from models.losses import make_loss
from models.network import Pixels
from models.recipe import AUGMENTATIONS, Recipe
from models.resnet import ResNet18, ResNet50
from models.schedules import make_optimizer, make_schedule

NETWORKS = [SimpleCNN, ResNet18, FastResNet]


def quick(network=SimpleCNN, **parameters):
    return network(**{"epochs": 1, "random_state": 0, "device": "cpu", **parameters})


def weights(model):
    return [tensor.numpy() for tensor in model.network_.state_dict().values()]


@pytest.mark.parametrize("network", NETWORKS)
def test_same_seed_same_network(network, digit_images):
    X, y = digit_images[0][:60], digit_images[1][:60]
    parameters = {
        "augmentation": AUGMENTATIONS,
        "ema": 0.9,
        "validation": 0.2,
        "schedule": "one_cycle",
        "epochs": 2,
    }
    first = quick(network, **parameters).fit(X, y)
    torch.rand(3)
    again = clone(first).fit(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert first.history_ == again.history_


def test_fast_resnet_learns_digits_in_four_epochs(digit_images):
    X, y = digit_images
    model = quick(FastResNet, epochs=4, batch_size=64, augmentation=()).fit(X[:1200], y[:1200])
    assert model.score(X[1200:], y[1200:]) > 0.93


@pytest.mark.slow
def test_resnets_learn_to_tell_faces_from_other_images():
    from skimage.data import lfw_subset

    images = (lfw_subset()[:, ::2, ::2, None] * 255).astype(np.uint8)
    y = np.repeat([0, 1], 100)
    assert (
        quick(ResNet18, epochs=4, batch_size=10, learning_rate=3e-4)
        .fit(images[::2], y[::2])
        .score(images[1::2], y[1::2])
        > 0.8
    )


@pytest.mark.parametrize(
    ("network", "width"), [(SimpleCNN, 128), (ResNet18, 512), (FastResNet, 128)]
)
def test_an_embedding_is_the_input_of_the_last_layer(network, width, digit_images):
    X, y = digit_images[0][:40], digit_images[1][:40]
    model = quick(network).fit(X, y)
    features = model.embed_images(X)
    assert features.shape == (40, width)
    with torch.inference_mode():
        logits = model.network_.last(torch.tensor(features)).double().numpy()
    np.testing.assert_allclose(softmax(logits, axis=1), model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("ema", [None, 0.8])
def test_the_weights_with_the_smallest_validation_loss_are_kept(ema, digit_images):
    X, y = digit_images
    # with this learning rate the loss goes up and down
    model = quick(epochs=6, learning_rate=0.02, ema=ema)
    model.set_params(validation=0.1).fit(X[:200], y[:200], held_out=(X[200:400], y[200:400]))
    losses = [epoch["val_loss"] for epoch in model.history_]
    assert losses.index(min(losses)) < 5
    assert log_loss(y[200:400], model.predict_proba(X[200:400])) == pytest.approx(
        min(losses), rel=1e-4
    )


def test_patience_stops_the_training(digit_images):
    X, y = digit_images
    model = quick(epochs=30, learning_rate=0.02, validation=0.2, patience=2).fit(X[:200], y[:200])
    losses = [epoch["val_loss"] for epoch in model.history_]
    assert len(losses) < 30
    assert losses.index(min(losses)) == len(losses) - 3


def test_a_validation_set_is_not_trained_on_and_has_every_class(digit_images):
    X, y = digit_images[0][:200], digit_images[1][:200]
    images, _, (held, held_y) = quick(validation=0.2)._split_validation_set(X, y, seed=0)
    assert len(held) == 40
    assert len(images) == 160
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in held}
    assert set(held_y) == set(range(10))


def test_a_moving_average_predicts_in_place_of_the_last_weights(digit_images):
    X, y = digit_images[0][:300], digit_images[1][:300]
    plain, averaged = (
        quick(epochs=3, learning_rate=0.01).fit(X, y),
        quick(epochs=3, learning_rate=0.01, ema=0.9).fit(X, y),
    )
    assert plain.history_ == averaged.history_
    assert not np.array_equal(plain.predict_proba(X), averaged.predict_proba(X))
    assert (
        averaged.score(digit_images[0][300:], digit_images[1][300:])
        > plain.score(digit_images[0][300:], digit_images[1][300:]) - 0.05
    )


def test_a_batch_that_does_not_fit_is_halved_with_a_warning(digit_images, monkeypatch):
    from models.training import _Training

    step = _Training._train_step

    def small_memory(self, phase, batch):
        if len(batch) > 10:
            raise torch.OutOfMemoryError("no")
        return step(self, phase, batch)

    monkeypatch.setattr(_Training, "_train_step", small_memory)
    X, y = digit_images[0][:60], digit_images[1][:60]
    with pytest.warns(UserWarning, match="did not fit into the memory of the GPU") as caught:
        halved = quick(batch_size=32).fit(X, y)
    assert [str(warning.message).split(",")[0] for warning in caught] == [
        "batch_size=16",
        "batch_size=8",
    ]
    monkeypatch.undo()
    assert all(
        np.array_equal(a, b)
        for a, b in zip(weights(halved), weights(quick(batch_size=8).fit(X, y)), strict=True)
    )


def test_flip_mirrors_half_of_the_images(digit_images):
    images = torch.tensor(digit_images[0][:400])
    flipped = flip_images(images, torch.Generator().manual_seed(0))
    mirrored = (flipped == images.flip(2)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert (mirrored | same).all()
    assert 160 < mirrored.sum() < 240


def test_shift_moves_each_image_by_at_most_an_eighth_and_reflects_the_border():
    # each pixel is the number of its column
    images = torch.arange(16, dtype=torch.uint8).repeat(200, 16, 1)[..., None]
    rows = shift_images(images, torch.Generator().manual_seed(0))[:, 0, :, 0].int()
    offsets = {tuple(row) for row in rows.tolist()}
    expected = {tuple(15 - abs(15 - abs(i + d)) for i in range(16)) for d in range(-2, 3)}
    assert offsets == expected


def test_cutout_grays_a_square_of_a_quarter_of_the_side():
    images = torch.zeros(300, 32, 32, 3, dtype=torch.uint8)
    hidden = (apply_cutout(images, torch.Generator().manual_seed(0)) == 128).all(-1)
    sizes = hidden.sum((1, 2))
    assert sizes.max() == 64
    assert sizes.min() >= 16  # cut off at a corner
    assert (sizes == 64).float().mean() > 0.4


def test_augmentation_does_not_change_its_input_and_keeps_type_and_shape(digit_images):
    images = torch.tensor(digit_images[0][:9])
    before = images.clone()
    augmented = augment_images(images, AUGMENTATIONS, torch.Generator().manual_seed(0))
    assert torch.equal(images, before)
    assert (augmented.dtype, augmented.shape) == (images.dtype, images.shape)
    assert set(REGISTRY) == set(AUGMENTATIONS)


def rates(schedule, steps=40):
    optimizer = make_optimizer(torch.nn.Linear(2, 2), Recipe(learning_rate=0.1))
    scheduler = make_schedule(optimizer, Recipe(learning_rate=0.1, schedule=schedule), steps)
    learning_rates = []
    for _ in range(steps):
        learning_rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler:
            scheduler.step()
    return learning_rates


def test_schedules_rise_and_fall_as_they_are_named():
    assert rates("constant") == [0.1] * 40
    cosine = rates("cosine")
    assert cosine[0] == 0.1
    assert cosine[20] == pytest.approx(0.05)
    assert cosine == sorted(cosine, reverse=True)
    cycle = rates("one_cycle")
    assert cycle[0] == pytest.approx(0.01)
    assert max(cycle) == pytest.approx(0.1, rel=0.05)
    assert 8 <= cycle.index(max(cycle)) <= 10
    assert cycle[-1] < 0.01


def test_biases_and_batch_norms_are_not_decayed():
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    decays = [
        (group["weight_decay"], len(group["params"]))
        for group in make_optimizer(layers, Recipe(weight_decay=0.1)).param_groups
    ]
    assert decays == [(0.1, 1), (0.0, 3)]


def test_label_smoothing_is_torchs_own():
    logits, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    loss = make_loss("cross_entropy", target, 4, label_smoothing=0.2)(logits, target)
    assert loss == cross_entropy(logits, target, label_smoothing=0.2)


@pytest.mark.parametrize(
    ("side", "channels", "stem"),
    [(28, 1, (3, 3)), (28, 3, (3, 3)), (64, 3, (7, 7)), (64, 1, (7, 7))],
)
def test_the_first_layers_of_a_resnet_fit_the_size(side, channels, stem):
    body = quick(ResNet18).make_body(np.zeros((1, side, side, channels), np.uint8)).layers
    assert body.conv1.kernel_size == stem
    assert body.conv1.in_channels == channels
    assert isinstance(body.maxpool, torch.nn.Identity) == (side < 64)


def test_resnet50_has_its_bottlenecks(digit_images):
    body = quick(ResNet50).make_body(np.zeros((1, 8, 8, 1), np.uint8))
    assert body.width == 2048


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_resnet_begins_with_the_weights_of_a_file(suffix, tmp_path, digit_images):
    torch.manual_seed(5)
    state = resnet18().state_dict()
    path = tmp_path / f"weights{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    network = quick(ResNet18, weights=str(path)).build_untrained(digit_images[0][:2]).network_
    assert torch.equal(network.body.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert network.pixels(torch.tensor(digit_images[0][:2])).shape == (2, 3, 64, 64)
    quick(ResNet18, weights=str(path)).fit(digit_images[0][:4], [0, 1, 0, 1])


def test_a_pickle_among_the_weights_is_not_run(tmp_path, digit_images):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "written"), "w")

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="it is damaged, or holds Python objects"):
        quick(ResNet18, weights=str(tmp_path / "evil.pth")).fit(digit_images[0][:4], [0, 1, 0, 1])
    assert not (tmp_path / "written").exists()


def test_weights_that_are_absent_are_named(tmp_path, monkeypatch, digit_images):
    with pytest.raises(ValueError, match=r"weights='.*none.pth': no such file"):
        quick(ResNet18, weights=str(tmp_path / "none.pth")).fit(digit_images[0][:4], [0, 1, 0, 1])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(
        ValueError,
        match=r"weights='imagenet' of resnet18 are not in .*checkpoints.*cannot be downloaded",
    ):
        quick(ResNet18, weights="imagenet").fit(digit_images[0][:4], [0, 1, 0, 1])


def test_the_whitening_layer_whitens_patches():
    from skimage.data import astronaut

    images = (
        astronaut()[:480, :480]
        .reshape(15, 32, 15, 32, 3)
        .transpose(0, 2, 1, 3, 4)
        .reshape(-1, 32, 32, 3)
    )
    pixels = Pixels()
    outputs = whitening_layer(images, pixels)(pixels(torch.tensor(images)))[:, :12]
    covariance = torch.cov(outputs.permute(1, 0, 2, 3).flatten(1))
    variances = covariance.diagonal()
    # less than 1 in directions with almost no variance
    assert variances.max() == pytest.approx(1, abs=0.06)
    assert variances[:4].max() < 0.1
    assert covariance.fill_diagonal_(0).abs().max() < 0.05


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"augmentation": ("rotate",)}, "each one of 'flip', 'shift', 'cutout'"),
        ({"augmentation": ("flip", "flip")}, "a list of different items"),
        ({"schedule": "step"}, "'schedule' .* one of 'constant', 'cosine', 'one_cycle'"),
        ({"ema": 1.5}, "'ema' .* None or a float in the range"),
        ({"validation": 1}, "'validation' .* a float in the range"),
        ({"patience": 3}, "it needs a validation set, such as validation=0.1"),
        ({"label_smoothing": 0.1, "loss": "focal"}, "it must be 0 with loss='focal'"),
    ],
)
def test_invalid_parameters_are_refused(parameters, message, digit_images):
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(digit_images[0][:10], digit_images[1][:10])
    with pytest.raises(ValueError, match=r"'widths' .* a list of 3 items"):
        quick(FastResNet, widths=(1, 2)).fit(digit_images[0][:10], digit_images[1][:10])


@pytest.mark.parametrize("steps", range(1, 10))
def test_a_training_of_few_steps_has_a_schedule(steps, digit_images):
    model = FastResNet(epochs=steps, batch_size=16, widths=(4, 4, 4), device="cpu", random_state=0)
    assert len(model.fit(digit_images[0][:16], digit_images[1][:16] % 2).history_) == steps


@pytest.mark.parametrize("network", NETWORKS)
def test_images_above_max_side_are_reduced_by_averaging_over_areas(network, digit_images):
    small, y = digit_images[0][:40], digit_images[1][:40]
    large = small.repeat(3, axis=1).repeat(3, axis=2)  # three times as high and wide
    side = max(small.shape[1:3])
    reduced = quick(network, max_side=side).fit(large, y)
    given = quick(network).fit(small, y)
    assert np.array_equal(reduced.predict_proba(large), given.predict_proba(small))
    assert reduced.image_shape_ == large.shape[1:]


@pytest.mark.parametrize(("shape", "reduced"), [((10, 20), (5, 10)), ((7, 3), (7, 3))])
def test_reduced_images_keep_their_proportions(shape, reduced):
    images = np.random.default_rng(0).integers(256, size=(3, *shape, 3), dtype=np.uint8)
    result = reduce_images(images, 10)
    assert result.shape == (3, *reduced, 3)
    if shape != reduced:
        means = images.reshape(3, 5, 2, 10, 2, 3).mean(axis=(2, 4))
        assert np.abs(result - means).max() <= 0.5
