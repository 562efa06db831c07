"""Tests of the losses for imbalanced classes, and of training in two phases."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss, recall_score
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from models.cnn import SimpleCNN
from models.losses import (
    class_weights,
    effective_weights,
    focal_loss,
    ldam_margins,
    make_loss,
    multilabel_focal_loss,
)
from models.network import Cosine, Network
from models.phases import draw_equally, draw_indices
from models.recipe import CORRECTING, LOSSES, MULTILABEL
from models.simple_cnn import simple_body

COUNTS = (1000, 40, 3, 1)
VARIANTS = [
    *({"loss": loss} for loss in LOSSES),
    {"loss": "focal", "class_weight": "balanced"},
    {"loss": "ldam", "deferred_reweighting": True},
    {"two_phase": True},
]
few_counts = st.lists(st.integers(1, 5000), min_size=2, max_size=12)
thorough = settings(max_examples=50, derandomize=True, deadline=None)


@pytest.fixture(scope="module")
def imbalanced(digit_images):
    """(X, y, X_test, y_test) of 100 digits per class, five of 8 and 9; the others are tested."""
    X, y = digit_images
    members = [np.flatnonzero(y == k) for k in range(10)]
    train = np.sort(np.concatenate([rows[: 5 if k > 7 else 100] for k, rows in enumerate(members)]))
    test = np.concatenate([rows[100:] for rows in members])
    return X[train], y[train], X[test], y[test]


@pytest.fixture(scope="module")
def plain(imbalanced):
    return quick(epochs=5).fit(*imbalanced[:2])


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    return random.normal(0, 2, (7, len(COUNTS))).astype(np.float32), np.array([0, 0, 1, 2, 3, 3, 0])


def quick(**parameters):
    return SimpleCNN(**{"epochs": 2, "random_state": 0, "device": "cpu", **parameters})


def weights(model):
    return [tensor.numpy() for tensor in model.network_.state_dict().values()]


def truth_of(counts):
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def value(name, logits, target, weight=None):
    loss = make_loss(
        name, truth_of(COUNTS), len(COUNTS), None if weight is None else torch.tensor(weight)
    )
    return loss(torch.tensor(logits), torch.tensor(target)).item()


def log_probabilities(logits, target):
    return np.log(softmax(logits.astype(float), axis=1)[np.arange(len(target)), target])


WEIGHT = np.array([0.5, 1, 2, 4], dtype=np.float32)


def test_cross_entropy_is_its_definition(batch):
    logits, target = batch
    log_p = log_probabilities(logits, target)
    assert value("cross_entropy", *batch) == pytest.approx(-log_p.mean(), rel=1e-5)
    assert value("cross_entropy", *batch, WEIGHT) == pytest.approx(
        -np.average(log_p, weights=WEIGHT[target]), rel=1e-5
    )


def test_focal_is_its_definition(batch):
    logits, target = batch
    log_p = log_probabilities(logits, target)
    terms = (1 - np.exp(log_p)) ** 2 * -log_p
    assert value("focal", *batch) == pytest.approx(terms.mean(), rel=1e-5)
    assert value("focal", *batch, WEIGHT) == pytest.approx(
        np.average(terms, weights=WEIGHT[target]), rel=1e-5
    )


def test_class_balanced_weighs_by_effective_numbers(batch):
    # a geometric series is (1 - beta^n) / (1 - beta)
    effective = np.array([sum(0.999**i for i in range(n)) for n in COUNTS])
    weight = effective_weights(torch.tensor(COUNTS)).numpy()
    np.testing.assert_allclose(weight, 4 / effective / (1 / effective).sum(), rtol=1e-5)
    expected = -(weight[batch[1]] * log_probabilities(*batch)).mean()
    assert value("class_balanced", *batch) == pytest.approx(expected, rel=1e-5)


def test_class_balanced_divides_by_images_as_cui_does_and_not_by_weights_as_torch_does(batch):
    logits, target = batch[0], np.array([0, 0, 0, 0, 0, 0, 1])  # of 1,000 and 40 training images
    assert value("class_balanced", logits, target) == pytest.approx(0.0325, abs=5e-5)
    weights = effective_weights(torch.tensor(COUNTS)).numpy()
    assert value("cross_entropy", logits, target, weights) == pytest.approx(2.2124, abs=5e-5)


def test_logit_adjusted_adds_the_log_of_the_prior(batch):
    shifted = batch[0] + np.log(np.array(COUNTS) / sum(COUNTS))
    assert value("logit_adjusted", *batch) == pytest.approx(
        -log_probabilities(shifted, batch[1]).mean(), rel=1e-5
    )


def test_ldam_takes_the_margin_from_the_true_class_alone(batch):
    logits, target = batch
    margins = 0.5 * np.array(COUNTS) ** -0.25  # the rarest class has one image
    lowered = logits.astype(float)
    lowered[np.arange(7), target] -= 30 * margins[target]
    log_p = log_probabilities(lowered, target)
    assert value("ldam", *batch) == pytest.approx(-log_p.mean(), rel=1e-5)
    assert value("ldam", *batch, WEIGHT) == pytest.approx(
        -np.average(log_p, weights=WEIGHT[target]), rel=1e-5
    )


def test_multilabel_losses_are_their_definitions(batch):
    logits, target = batch[0], np.random.default_rng(1).integers(0, 2, (7, 4))
    p = np.where(target, expit(logits.astype(float)), expit(-logits.astype(float)))
    scale = np.where(target, WEIGHT, 1)
    for name, gamma in (("cross_entropy", 0), ("focal", 2)):
        loss = make_loss(name, torch.tensor(target, dtype=torch.float32), 4, torch.tensor(WEIGHT))
        expected = (scale * (1 - p) ** gamma * -np.log(p)).mean()
        assert loss(
            torch.tensor(logits), torch.tensor(target, dtype=torch.float32)
        ).item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 2**31), st.integers(2, 9), st.booleans())
@thorough
def test_focal_with_gamma_0_is_cross_entropy(seed, k, weighted):
    random = torch.Generator().manual_seed(seed)
    logits, target = (
        5 * torch.randn(6, k, generator=random),
        torch.randint(k, (6,), generator=random),
    )
    labels = torch.randint(2, (6, k), generator=random).float()
    weight = 0.1 + torch.rand(k, generator=random) if weighted else None
    torch.testing.assert_close(
        focal_loss(logits, target, weight, gamma=0), cross_entropy(logits, target, weight)
    )
    expected = binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)
    torch.testing.assert_close(multilabel_focal_loss(logits, labels, weight, gamma=0), expected)


@given(st.integers(0, 2**31), st.integers(2, 9), st.integers(1, 2000))
@thorough
def test_with_equal_counts_there_is_nothing_to_correct(seed, k, n):
    random = torch.Generator().manual_seed(seed)
    logits, target = (
        5 * torch.randn(6, k, generator=random),
        torch.randint(k, (6,), generator=random),
    )
    for name in CORRECTING:
        torch.testing.assert_close(
            make_loss(name, truth_of([n] * k), k)(logits, target), cross_entropy(logits, target)
        )
    torch.testing.assert_close(effective_weights(torch.tensor([n] * k)), torch.ones(k))
    torch.testing.assert_close(ldam_margins(torch.tensor([n] * k)), torch.full((k,), 0.5))


@given(few_counts)
@thorough
def test_rarer_classes_have_larger_weights_and_margins(counts):
    n = torch.tensor(counts)
    order = n.argsort()
    for per_class in (effective_weights(n), ldam_margins(n)):
        assert (per_class[order].diff() <= 1e-6).all()
    assert effective_weights(n).sum().item() == pytest.approx(len(counts), rel=1e-5)
    assert ldam_margins(n).max().item() == pytest.approx(0.5)
    assert ldam_margins(n)[n.argmin()] == ldam_margins(n).max()


@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.integers(0, 2**31))
@thorough
def test_equal_drawing_takes_every_class_equally_often_and_every_image_of_it(counts, seed):
    codes = truth_of(counts)
    drawn = draw_equally(codes, torch.Generator().manual_seed(seed))
    times = drawn.bincount(minlength=len(codes))
    classes = codes[drawn].bincount(minlength=len(counts))
    assert len(drawn) == len(codes)
    assert classes.max() - classes.min() <= 1
    assert all(times[codes == k].max() - times[codes == k].min() <= 1 for k in range(len(counts)))


def test_equal_drawing_mixes_the_classes():
    codes = truth_of([300, 300])
    first, second = (
        codes[draw_equally(codes, torch.Generator().manual_seed(seed))] for seed in (0, 1)
    )
    assert 100 < first[:300].sum() < 200
    assert not torch.equal(first, second)


def test_cosines_are_scaled_by_30_in_training_and_to_certainty_0_999_in_evaluation():
    angles = torch.tensor([0, 2, 4]) * torch.pi / 3
    layer = Cosine(2, 3, scale=30.0)
    layer.weight.data = torch.stack([angles.cos(), angles.sin()], dim=1) * torch.tensor(
        [[1.0], [5.0], [0.1]]
    )
    features = 7 * layer.weight.detach()
    torch.testing.assert_close(layer(features), torch.full((3, 3), -15.0) + 45 * torch.eye(3))
    torch.testing.assert_close(
        layer.eval()(features).softmax(dim=1).diag(), torch.full((3,), 0.999)
    )
    assert layer(torch.zeros(1, 2)).abs().max() == 0  # dropout may leave no feature
    assert Network(simple_body((8, 8, 1)), 3, 30.0).last.scale == 30


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": "class_balanced"},
        {"loss": "logit_adjusted"},
        {"two_phase": True},
        {"loss": "ldam", "class_weight": "balanced"},
        {"deferred_reweighting": True},
    ],
    ids=str,
)
def test_every_correction_finds_more_of_the_rare_digits(parameters, plain, imbalanced):
    X, y, X_test, y_test = imbalanced
    corrected = quick(epochs=5, **parameters).fit(X, y)
    before, after = (
        recall_score(y_test, model.predict(X_test), average=None) for model in (plain, corrected)
    )
    assert after[8:].mean() > 0.1 + before[8:].mean()  # measured: 0.2 to 0.6 instead of 0.0
    assert after.mean() > 0.015 + before.mean()


def test_probabilities_of_ldam_are_sensible(imbalanced):
    X, y, X_test, y_test = imbalanced
    model = quick(epochs=8, loss="ldam").fit(X[y < 8], y[y < 8])
    X_test, y_test = X_test[y_test < 8], y_test[y_test < 8]
    sure = softmax(
        np.log(model.predict_proba(X_test)) * 30 / model.network_.last.scale_in_evaluation, axis=1
    )
    assert log_loss(y_test, model.predict_proba(X_test)) < min(0.25, 0.7 * log_loss(y_test, sure))
    assert model.score(X_test, y_test) > 0.93


@pytest.mark.parametrize("loss", LOSSES)
def test_only_ldam_has_a_last_layer_of_cosines(loss, digit_images):
    model = quick(loss=loss).fit(digit_images[0][:90], digit_images[1][:90])
    assert isinstance(model.network_.last, Cosine) == (loss == "ldam")


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
def test_same_seed_same_network_and_it_pickles(parameters, digit_images):
    X, y = digit_images[0][:90], digit_images[1][:90]
    first = quick(**parameters).fit(X, y)
    torch.rand(3)  # must have no effect
    again = pickle.loads(pickle.dumps(clone(first).fit(X, y)))
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert first.history_ == again.history_
    assert [list(epoch) for epoch in first.history_] == [["epoch", "loss", "accuracy"]] * 2
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    np.testing.assert_allclose(first.predict_proba(X).sum(axis=1), 1, atol=1e-12)
    assert all(parameter.requires_grad for parameter in first.network_.parameters())


def test_every_variant_trains_another_network(digit_images):
    X, y = digit_images[0][:90], np.minimum(digit_images[1][:90], 3)
    networks = [weights(quick(**parameters).fit(X, y)) for parameters in VARIANTS]
    assert len({b"".join(tensor.tobytes() for tensor in network) for network in networks}) == len(
        VARIANTS
    )


@pytest.mark.parametrize(
    "parameters", [{}, {"optimizer": "sgd"}, {"class_weight": "balanced"}], ids=str
)
def test_default_training_is_this_loop_bit_for_bit(parameters, digit_images):
    X, y = torch.tensor(digit_images[0][:100]), torch.tensor(digit_images[1][:100])
    model = quick(**parameters).fit(digit_images[0][:100], digit_images[1][:100])
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = Network(simple_body((8, 8, 1)), 10).train()
        sgd = torch.optim.SGD(
            network.parameters(), lr=1e-3, momentum=0.9, nesterov=True, fused=True
        )
        step = (
            sgd
            if "optimizer" in parameters
            else torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
        )
        loss = torch.nn.CrossEntropyLoss(
            100 / (10 * y.bincount().float()) if "class_weight" in parameters else None
        )
        order = torch.Generator().manual_seed(seed)
        for _ in range(2):
            for rows in torch.randperm(100, generator=order).split(32):
                step.zero_grad()
                loss(network(X[rows]), y[rows]).backward()
                step.step()
    assert all(
        np.array_equal(a, b.numpy())
        for a, b in zip(weights(model), network.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("loss", [*MULTILABEL, "ldam"])
def test_deferred_reweighting_is_plain_training_for_four_fifths_of_the_epochs(loss, imbalanced):
    X, y = imbalanced[0][:300], imbalanced[1][:300]
    before, after = (
        quick(epochs=5, loss=loss, deferred_reweighting=deferred).fit(X, y).history_
        for deferred in (False, True)
    )
    assert before[:4] == after[:4]
    assert before[4] != after[4]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_second_phase_trains_the_last_layer_alone(optimizer, imbalanced):
    X, y = imbalanced[0][:300], imbalanced[1][:300]
    # phases of 6 + 1 and of 6 + 2 epochs
    seven, eight = (quick(epochs=n, two_phase=True, optimizer=optimizer).fit(X, y) for n in (7, 8))
    assert seven.history_ == eight.history_[:7]
    equal = [np.array_equal(a, b) for a, b in zip(weights(seven), weights(eight), strict=True)]
    assert equal == [True] * (len(equal) - 2) + [False] * 2


def test_the_phases_draw_equally_then_as_it_is(imbalanced, monkeypatch):
    X, y = imbalanced[:2]
    shares = []

    def recorded(phase, truth, generator):
        drawn = draw_indices(phase, truth, generator)
        shares.append(truth[drawn].bincount().tolist())
        return drawn

    monkeypatch.setattr("models.training.draw_indices", recorded)
    quick(epochs=2, two_phase=True).fit(X, y)
    assert shares == [[81] * 10, [100] * 8 + [5] * 2]


def test_a_dict_of_weights_goes_by_label(imbalanced):
    X, y = imbalanced[0][:200], np.array(["few", "many"])[(imbalanced[1][:200] < 8).astype(int)]
    shares = {label: 200 / (2 * (y == label).sum()) for label in ("many", "few")}
    balanced, named, partial, full = (
        quick(class_weight=w).fit(X, y)
        for w in ("balanced", shares, {"few": 3}, {"few": 3, "many": 1})
    )
    np.testing.assert_allclose(balanced.predict_proba(X), named.predict_proba(X), atol=1e-3)
    np.testing.assert_array_equal(partial.predict_proba(X), full.predict_proba(X))
    quick(class_weight={**shares, "absent": 3}).fit(X, y)
    with pytest.raises(ValueError, match="not in class_weight"):
        quick(class_weight={"fwe": 3}).fit(X, y)


def test_a_dict_weighs_the_presence_of_a_label(digit_images):
    X, y = digit_images[0][:400], digit_images[1][:400]
    labels = np.column_stack([y == 3, y > 4])
    plain, heavy = (
        quick(class_weight=weight).fit(X, labels).predict_proba(X) for weight in (None, {0: 20.0})
    )
    assert heavy[y == 3, 0].mean() > 0.1 + plain[y == 3, 0].mean()
    present = torch.tensor(labels, dtype=torch.float32)
    assert class_weights(present, 2, np.array([20.0, 1.0])).tolist() == [20, 1]


def test_focal_learns_several_labels_per_image(digit_images):
    X, y = digit_images
    labels = np.column_stack([y % 2 == 0, y > 4, y == 3]).astype(int)
    assert (
        quick(epochs=3, loss="focal").fit(X[:900], labels[:900]).predict(X[900:]) == labels[900:]
    ).mean() > 0.85


@pytest.mark.parametrize(
    "parameters",
    [{"loss": loss} for loss in LOSSES if loss not in MULTILABEL]
    + [{"deferred_reweighting": True}, {"two_phase": True}],
    ids=str,
)
def test_corrections_for_exclusive_classes_are_refused_for_several_labels(parameters, digit_images):
    name, given = next(iter(parameters.items()))
    with pytest.raises(ValueError, match=f"{name}={given!r} needs exactly one label per image"):
        quick(**parameters).fit(digit_images[0][:10], np.eye(10, 3, dtype=int))


@pytest.mark.parametrize("loss", [*MULTILABEL, "ldam"])
def test_two_corrections_for_one_imbalance_are_refused(loss):
    for first, second in (
        ({"class_weight": "balanced"}, {"deferred_reweighting": True}),
        ({"class_weight": {0: 2.0}}, {"two_phase": True}),
        ({"deferred_reweighting": True}, {"two_phase": True}),
    ):
        quick(loss=loss, **first).check_parameters()
        quick(loss=loss, **second).check_parameters()
        with pytest.raises(
            ValueError,
            match=f"{next(iter(first))}=.* and {next(iter(second))}=.* both correct for the class "
            "frequencies",
        ):
            quick(loss=loss, **first, **second).check_parameters()


@pytest.mark.parametrize("loss", CORRECTING)
@pytest.mark.parametrize(
    "correction",
    [{"class_weight": "balanced"}, {"deferred_reweighting": True}, {"two_phase": True}],
    ids=str,
)
def test_a_loss_that_corrects_excludes_another_correction(loss, correction):
    name = next(iter(correction))
    with pytest.raises(ValueError, match=f"loss='{loss}' and {name}=.* both correct"):
        quick(loss=loss, **correction).check_parameters()


@pytest.mark.parametrize("name", ["deferred_reweighting", "two_phase"])
def test_two_phases_need_two_epochs(name):
    with pytest.raises(
        ValueError, match=f"epochs=1; it must be an integer from 2 with {name}=True"
    ):
        quick(epochs=1, **{name: True}).check_parameters()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "hinge"),
        ("class_weight", {}),
        ("class_weight", {0: 0.0}),
        ("class_weight", {0: "2"}),
        ("two_phase", 1),
        ("deferred_reweighting", "no"),
    ],
)
def test_a_bad_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of SimpleCNN must be"):
        quick(**{name: value}).check_parameters()
