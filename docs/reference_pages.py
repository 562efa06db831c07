"""Reference pages, generated from registries, docstrings and the command line."""

import inspect
import re
import shutil
from collections import defaultdict

import typer

from benchmark.cli.app import app
from benchmark.cli.catalogue import names_with_summaries
from benchmark.plugins.registry import import_target, registered_targets, settable_parameters
from benchmark.plugins.spec import ResolvedSpec
from benchmark.study.load import read_suites
from benchmark.study.spaces import declared_space
from benchmark.tuning.search_space import format_space

OWN_PACKAGES = ("benchmark", "features", "models")
KINDS = {
    "dataset": ("datasets", "Where images come from: the key ``datasets`` of a study."),
    "extractor": (
        "extractors",
        "What is computed of an image: the key ``extractors`` of a study. ``+`` concatenates, as "
        "in ``hog + color_histogram``.",
    ),
    "model": (
        "models",
        "What learns from features, or from images: the key ``models`` of a study.",
    ),
    "strategy": (
        "strategies",
        "What is done about class imbalance, on the training set only: the key ``strategies`` of "
        "a study. ``a + b`` applies one after the other.",
    ),
    "tuning": ("tunings", "How parameters are chosen: the key ``tunings`` of a study."),
    "split": ("splits", "What is trained on and tested on: the key ``split`` of a study."),
    "imbalance": (
        "imbalances",
        "How the training set is made imbalanced: the key ``imbalances`` of a study.",
    ),
    "occlusion": (
        "occlusions",
        "How images are covered in part: the key ``occlusions`` of a study.",
    ),
}
SHARED_PARAMETERS = {  # kind: the class whose docstring describes what several components share
    "dataset": "benchmark.datasets.images.options:Options",
    "model": "models.network_classifier:NetworkClassifier",
    "tuning": "benchmark.tuning.base:Search",
}
TABLES = {
    "metrics": ("Metrics", "What ``--metric`` and ``--metrics`` accept."),
    "columns": (
        "Columns of a row",
        "``load_results`` and ``table --rows`` return one row per cell, with these columns.",
    ),
}


def write_reference_pages(docs):
    """Write ``reference/*.rst``.

    Parameters
    ----------
    docs : Path
        Folder of the documentation.
    """
    folder = docs / "reference"
    folder.mkdir(exist_ok=True)
    for kind, (name, about) in KINDS.items():
        page = [_heading(name.capitalize(), "="), about, *_describe_components(kind)]
        if kind in SHARED_PARAMETERS:
            about = "What the components above do not describe themselves."
            code = _describe_code(SHARED_PARAMETERS[kind])
            page += [_heading("Shared parameters", "-"), about, code]
        _write(folder / f"{name}.rst", page)
    for group, (title, about) in TABLES.items():
        rows = [
            (f"``{name}``", _escape(line)) for name, line in names_with_summaries(group).items()
        ]
        _write(
            folder / f"{group}.rst",
            [_heading(title, "="), about, _table(("name", "meaning"), rows)],
        )
    _write(folder / "suites.rst", _describe_suites())
    _write(folder / "commands.rst", _describe_commands())


def copy_results(docs):
    """Copy the published results, so that they are pages, too."""
    (docs / "results").mkdir(exist_ok=True)
    for file in (docs.parent / "results").glob("*.*"):
        copy = docs / "results" / file.name
        if not copy.exists() or copy.read_bytes() != file.read_bytes():
            shutil.copyfile(file, copy)


def _write(path, paragraphs):
    """Write a page, unless it is the same as before, so that it need not be built again."""
    text = "\n\n".join(paragraphs) + "\n"
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def _heading(text, line):
    return f"{text}\n{line * len(text)}"


def _table(head, rows):
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for cells in (head, *rows):
        first, *rest = (re.sub(r"\s+", " ", cell) for cell in cells)
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
    return "\n".join(lines)


def _escape(text):
    return re.sub(r"([\\*|_`<])", r"\\\1", text)


def _describe_components(kind):
    names = defaultdict(list)
    for name, target in registered_targets(kind).items():
        names[target].append(name)
    for target, known in names.items():
        yield "\n".join(f".. _{kind}-{name.rstrip(':')}:" for name in known)
        yield _heading(", ".join(known), "-")
        yield _describe_code(target)
        yield _describe_parameters(known[0], target)


def _describe_code(target):
    module, _, attribute = target.partition(":")
    code = import_target(target)
    if module.partition(".")[0] not in OWN_PACKAGES:
        summary = (inspect.getdoc(code) or "").split("\n")[0]
        return f"{_escape(summary)} The class ``{module}.{attribute}`` of imbalanced-learn."
    directive = "autoclass" if inspect.isclass(code) else "autofunction"
    return f".. {directive}:: {code.__module__}.{attribute}"


def _describe_parameters(name, target):
    parameters = settable_parameters(ResolvedSpec(name, target=target))
    tried = format_space({name: declared_space(target, name)})[name]
    if not parameters:
        return "It has no parameters in a study."
    rows = [
        (
            f"``{key}``",
            "required" if value.default is inspect.Parameter.empty else f"``{value.default!r}``",
            f"``{tried[key]}``" if key in tried else "",
        )
        for key, value in parameters.items()
    ]
    return _table(("parameter in a study", "default", "values that tuning tries"), rows)


def _describe_suites():
    yield _heading("Suites", "=")
    yield "Studies that ship: ``python -m benchmark run NAME`` runs one."
    descriptions = names_with_summaries("suites")
    for name, text in read_suites().items():
        yield _heading(name, "-")
        yield _escape(descriptions[name])
        yield ".. code-block:: yaml\n\n" + "\n".join(f"   {line}" for line in text.splitlines())


def _describe_commands():
    yield _heading("Commands", "=")
    yield (
        "``python -m benchmark COMMAND``, or ``classical-vs-deep COMMAND``. "
        "``COMMAND --help`` prints the same in a terminal."
    )
    for name, command in typer.main.get_command(app).commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            yield from _describe_command(name, command)
        for other, found in (inner or {}).items():
            yield from _describe_command(f"{name} {other}", found)


def _describe_command(words, command):
    arguments = [_name_argument(one) for one in command.params if one.param_type_name == "argument"]
    yield f".. _command-{words.replace(' ', '-')}:"
    yield _heading(words, "-")
    yield _escape(inspect.cleandoc(command.help or ""))
    usage = " ".join(["python -m benchmark", words, *arguments, "[OPTIONS]"])
    yield f".. code-block:: text\n\n   {usage}"
    described = [_describe_option(one) for one in command.params if one.help]
    if described:
        yield _table(("argument or option", "meaning"), described)


def _name_argument(argument):
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _describe_option(option):
    if option.param_type_name == "argument":
        return f"``{_name_argument(option)}``", _escape(option.help)
    names = ", ".join(f"``{name}``" for name in (*option.opts, *option.secondary_opts))
    return names, _escape(option.help)
