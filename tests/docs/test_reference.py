"""The pages that are generated from registries and docstrings."""

import inspect
import re
import sys

import pytest

from benchmark.plugins.registry import (
    KINDS,
    import_target,
    registered_targets,
    settable_parameters,
)
from benchmark.plugins.spec import ResolvedSpec
from benchmark.utils.files import user_path


@pytest.fixture(scope="module")
def reference_pages(request):
    """The module of the documentation that writes the pages."""
    docs = user_path(str(request.config.rootpath / "docs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(docs), *sys.path])
        import reference_pages

        yield reference_pages


COMPONENTS = [(kind, name) for kind in KINDS for name in registered_targets(kind)]


def read_described_parameters(target):
    """Read the names in the section of parameters of a docstring, if it is one of ours."""
    text = inspect.getdoc(import_target(target)) or ""
    section = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    lines = [line for line in section.splitlines() if line and not line.startswith(" ")]
    return {name.strip("* ") for line in lines for name in line.partition(" :")[0].split(",")}


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_the_docstring_describes_every_parameter_of_a_component(kind, name, reference_pages):
    target = registered_targets(kind)[name]
    if target.partition(".")[0] not in reference_pages.OWN_PACKAGES:
        pytest.skip("its parameters are described by its own package")
    described = read_described_parameters(target)
    if kind in reference_pages.SHARED_PARAMETERS:
        described |= read_described_parameters(reference_pages.SHARED_PARAMETERS[kind])
    assert set(settable_parameters(ResolvedSpec(name, target=target))) <= described


def test_every_component_option_metric_and_column_is_in_the_reference(reference_pages, tmp_path):
    reference_pages.write_reference_pages(tmp_path)
    text = "".join(page.read_text("utf-8") for page in (tmp_path / "reference").glob("*.rst"))
    for kind, name in COMPONENTS:
        assert f".. _{kind}-{name.rstrip(':')}:" in text
    for group in ("metrics", "columns"):
        for name in reference_pages.names_with_summaries(group):
            assert f"``{name}``" in text
    commands = reference_pages.typer.main.get_command(reference_pages.app).commands
    for command in commands.values():
        for option in getattr(command, "params", ()):
            for name in option.opts if option.param_type_name == "option" else ():
                assert f"``{name}``" in text


def test_a_text_with_marks_of_restructuredtext_is_shown_as_it_is(reference_pages):
    table = reference_pages._table(("name",), [(reference_pages._escape("a *b* `c` |d| e_"),)])
    assert r"a \*b\* \`c\` \|d\| e\_" in table
    assert re.search(r"^   \* - name$", table, re.MULTILINE)
