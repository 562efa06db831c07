"""Templates of the page's HTML."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined, Template

from benchmark.utils.text import escape_controls


def load_template(name: str) -> Template:
    """Load a template of this package; the values that it shows are escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["controls"] = escape_controls
    return environment.from_string(read_part(name))


def read_part(name: str) -> str:
    """Read a file of this package."""
    return (resources.files("benchmark.serving") / name).read_text("utf-8")
