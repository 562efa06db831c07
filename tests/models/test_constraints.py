"""Every parameter of our extractors, models and strategies declares its values."""

import inspect
import math
from pkgutil import resolve_name

import numpy as np
import pytest

import features
import models
from benchmark import strategies
from models.constraints import ListOf, OneOf, RealNumber, WholeNumber

COMPONENTS = [
    resolve_name(target)
    for registry in (features.REGISTRY, models.REGISTRY, strategies.REGISTRY)
    for target in registry.values()
    if not target.startswith("imblearn.")
]
CLASSES = {component.__name__: component for component in COMPONENTS if inspect.isclass(component)}


def declared_parameters():
    return [
        pytest.param(component, name, id=f"{component.__name__}-{name}")
        for component in CLASSES.values()
        for name in list(inspect.signature(component).parameters)
    ]


@pytest.mark.parametrize(("component", "name"), declared_parameters())
def test_an_invalid_value_is_refused_with_the_name_of_its_parameter(component, name):
    assert name in component._parameter_constraints, "declare the values of the parameter"
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {component.__name__} must be"):
        component(**{name: object()})._validate_params()


@pytest.mark.parametrize("component", CLASSES.values(), ids=CLASSES)
def test_defaults_are_allowed(component):
    component()._validate_params()


def test_the_classes_include_extractors_and_networks():
    assert {"HOG", "PCA", "SimpleCNN", "ResNet18"} <= set(CLASSES)


@pytest.mark.parametrize("value", [1, np.int64(3), 256])
def test_whole_numbers_within_the_limits_are_allowed(value):
    assert WholeNumber(1, 256).is_satisfied_by(value)


@pytest.mark.parametrize("value", [0, 257, True, 1.0, "1", None, math.nan])
def test_other_values_are_not_whole_numbers(value):
    assert not WholeNumber(1, 256).is_satisfied_by(value)


@pytest.mark.parametrize("value", [0, 1, True, math.inf, math.nan, "0.5"])
def test_limits_infinity_nan_and_flags_are_not_between_zero_and_one(value):
    assert not RealNumber(0, 1).is_satisfied_by(value)


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused"),
    [
        (ListOf(WholeNumber(1), length=2), [(1, 2), [3, 3]], [(1,), (1, 2, 3), 2, "ab", (1, 0)]),
        (ListOf(WholeNumber(1)), [(5,), [1, 1]], [(), (True,)]),
        (ListOf(OneOf("ab"), least=0, distinct=True), [(), ("a", "b")], [("a", "a"), ("c",)]),
    ],
)
def test_a_list_is_allowed_by_its_items_and_their_number(constraint, allowed, refused):
    assert all(map(constraint.is_satisfied_by, allowed))
    assert not any(map(constraint.is_satisfied_by, refused))
