"""The command that opens the documentation."""

import sys

import pytest

from benchmark.cli import documentation
from benchmark.cli.documentation import docs_command
from benchmark.errors import UserError


def test_docs_opens_the_installed_pages_and_prints_their_address(tmp_path, monkeypatch, capsys):
    opened = tmp_path / "opened.txt"
    browser = tmp_path / "browser.py"
    browser.write_text(f"import sys; open({str(opened)!r}, 'w').write(sys.argv[1])")
    (tmp_path / "index.html").write_text("<h1>documentation</h1>")
    monkeypatch.setattr(documentation, "PAGES", tmp_path)
    monkeypatch.setenv("BROWSER", f"{sys.executable} {browser} %s")
    monkeypatch.setattr(documentation.webbrowser, "_tryorder", None)
    docs_command()
    address = (tmp_path / "index.html").as_uri()
    assert capsys.readouterr().out == f"{address}\n"
    assert opened.read_text() == address


def test_docs_says_how_to_build_pages_that_are_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(documentation, "PAGES", tmp_path)
    with pytest.raises(UserError, match=r"no documentation is installed.*sphinx-build"):
        docs_command()
