"""Every option that is named in a message, a help text or the documentation exists."""

import ast
import re
from pathlib import Path

import pytest
import typer

from benchmark.cli.app import app

ROOT = Path(__file__).parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
OTHER_PROGRAMS = {"--porcelain", "--resources", "--force-reinstall", "--no-deps"}  # git, Dask, pip


def options_of(command):
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(
        {"--help"}, *(options_of(inner) for inner in getattr(command, "commands", {}).values())
    )


OPTIONS = options_of(typer.main.get_command(app))


def texts_of(file):
    """Return the strings in a Python file, or the whole text of any other file."""
    if file.suffix != ".py":
        return [file.read_text(encoding="utf-8")]
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


PLACES = (
    *("benchmark", "features", "models", "README.md", "docs/get_started.md", "docs/python.md"),
    *("docs/guide", "docs/walkthroughs", "docs/plots"),
)


@pytest.mark.parametrize("place", PLACES)
def test_every_option_that_is_named_exists(place):
    path = ROOT / place
    files = (
        [path]
        if path.is_file()
        else [file for kind in ("py", "yaml", "md") for file in path.rglob(f"*.{kind}")]
    )
    named = {
        (option, file.name)
        for file in files
        for text in texts_of(file)
        for option in OPTION.findall(text)
    }
    unknown = {(option, name) for option, name in named if option not in OPTIONS | OTHER_PROGRAMS}
    assert unknown == set()
