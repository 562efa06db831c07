import sys
from dataclasses import replace

import pytest

from benchmark.__main__ import main


@pytest.fixture(scope="module")
def small_digits(digits):
    """The first 120 digits."""
    return replace(digits, images=digits.images[:120], targets=digits.targets[:120])


@pytest.fixture
def command(monkeypatch, capsys):
    """Call the command line in this process, and return what it printed to both streams."""

    def call(*arguments, expect=0):
        monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == expect, printed
        return printed

    return call
