"""One line about everything that can be named in a study."""

from __future__ import annotations

from benchmark.errors import UserError
from benchmark.metrics import METRICS
from benchmark.plugins import load, menu
from benchmark.study import suites


def catalogue(group: str) -> dict[str, str]:
    """Names and first docstring lines of 'datasets', 'extractors', 'models', 'strategies', 'metrics' or 'suites'."""
    if group == "metrics":
        return {metric.name: f"{metric.describes} ({metric.needs})" for metric in METRICS.values()}
    if group == "suites":
        return {name: _description(text) for name, text in suites().items()}
    kind = {"strategies": "strategy"}.get(group, group.removesuffix("s"))
    found = {name + ("PATH" if name.endswith(":") else ""): target for name, target in menu(kind).items()}
    return {name: _first_line(target) for name, target in found.items()}


def _first_line(target: str) -> str:
    try:
        return (load(target).__doc__ or "").strip().split("\n")[0]
    except UserError as error:  # one broken package must not hide the rest of the list
        return str(error)


def _description(text: str) -> str:
    import yaml

    return str(yaml.safe_load(text).get("description", ""))
