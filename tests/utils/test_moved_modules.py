"""Old names of modules work for one more release, with a warning."""

import importlib
import sys
import warnings

import pytest

from benchmark._moved_modules import MOVED, find_new_name


@pytest.mark.parametrize(
    "old",
    [
        *(f"benchmark.{name}" for name in MOVED),
        "benchmark.datasets.pictures.load",
        "benchmark.plots",
        "benchmark.plots.curves",
    ],
)
def test_an_old_name_is_the_module_of_the_new_one_and_warns(old, monkeypatch):
    new = importlib.import_module(find_new_name(old))
    before = new.__spec__
    monkeypatch.delitem(sys.modules, old, raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert importlib.import_module(old) is new
    assert f"{old} has moved to {new.__name__}" in [str(warning.message) for warning in caught]
    assert (new.__spec__, new.__name__) == (before, find_new_name(old))
    monkeypatch.delitem(sys.modules, old)


def test_a_name_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        importlib.import_module("benchmark.nothing")
