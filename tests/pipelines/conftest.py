import sys

import pytest

from benchmark.__main__ import main


@pytest.fixture
def command(monkeypatch, capsys):
    """Call the command line in this process; gives what it printed, on both channels."""

    def call(*arguments, expect=0):
        monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == expect, printed
        return printed

    return call
