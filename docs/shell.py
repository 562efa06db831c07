"""Commands in the walkthroughs, as a reader would type them, and the plots that they write."""

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

WIDTH = 84  # columns beside the navigation
PROGRESS = re.compile(
    r"\d+ of \d+ cells, .* elapsed.*\n|\npreliminary: (?:.*\n)+?Preliminary: .*\n\n"
)

_shown = []


def run(command, says=()):
    """Run a command, print it with its output, and show the plots that it has written.

    Lines of progress and preliminary leaderboards are left out, and long lines of text are wrapped.

    Parameters
    ----------
    command : str
        As typed into a terminal; ``python`` is the one that builds the pages.
    says : iterable of str
        Regular expressions. If the output does not match each of them, the text of the page is
        no longer true, and the build fails.
    """
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{command} ended with exit code {done.returncode}:\n{done.stdout}")
    for pattern in says:
        if not re.search(pattern, done.stdout):
            raise RuntimeError(f"the output of {command} does not say '{pattern}':\n{done.stdout}")
    lines = PROGRESS.sub("", done.stdout).rstrip().splitlines()
    print(_wrap_command(command), *map(_wrap_text, lines), sep="\n")
    _shown.extend(Path(line).resolve() for line in lines if line.endswith(".png"))


def _wrap_command(command):
    """Continue a long command on further lines, each of which begins with an option."""
    lines = [""]
    for part in re.split(r" (?=--)", f"$ {command}"):
        if lines[-1] and len(lines[-1]) + len(part) > WIDTH - 3:
            lines.append("   ")
        lines[-1] += f" {part}" if lines[-1] else part
    return " \\\n".join(lines)


def _wrap_text(line):
    """Wrap a line, unless it is one of a table."""
    is_of_table = re.search(r"\S  +\S", line)
    return line.rstrip() if is_of_table else textwrap.fill(line, WIDTH, break_on_hyphens=False)


def publish(file, name):
    """Publish a file with the pages, as ``_static/published/NAME``."""
    folder = Path(__file__).parent / "static" / "published"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / name)


class ShownPlots:
    """Scraper of sphinx-gallery for the plots that commands have written."""

    def __repr__(self):
        return "ShownPlots"

    def __call__(self, block, block_vars, gallery_conf):
        """Copy the plots to the gallery, and return the reStructuredText that shows them."""
        images = []
        while _shown:
            plot, copy = _shown.pop(0), Path(next(block_vars["image_path_iterator"]))
            shutil.copyfile(plot, copy)
            place = copy.relative_to(gallery_conf["src_dir"]).as_posix()
            images.append(f".. image:: /{place}\n   :alt: {_read_alternative(plot)}\n")
        return "\n".join(images)


def _read_alternative(plot):
    """Read title and caption of a plot from the file that ``plot`` writes beside it."""
    file = plot.with_name("captions.md")
    if not file.exists():
        return plot.stem
    return " ".join(file.read_text("utf-8").partition(f"({plot.name})\n\n")[2].split("\n\n")[:2])


DOWNLOADS = re.compile(
    r"\.\. only:: html\n\n    \.\. note::\n(?: .*\n|\n)+|\.\. _sphx_glr_download_[\s\S]*"
)
CODE = re.compile(r"\.\. code-block:: Python\n\n\n((?:    .*\n|\n)+)")
OUTPUT = re.compile(
    r"\.\. rst-class:: sphx-glr-script-out\n\n \.\. code-block:: none\n\n((?:    .*\n|\n)+)"
)
IMAGES_AND_OUTPUT = re.compile(r"((?:\.\. image:: .*\n(?:   .*\n)*\n*)+)(" + OUTPUT.pattern + ")")
COMMAND = re.compile(r"(    \$ (?:.*\\\n)*.*\n)((?:(?!    \$ ).*\n)*)")


def show_commands_only(page):
    """Show a command and its output where the script says ``run("...")``.

    Parameters
    ----------
    page : str
        reStructuredText that sphinx-gallery has written.

    Returns
    -------
    str
    """
    page = DOWNLOADS.sub("", page)  # the scripts need this module
    page = IMAGES_AND_OUTPUT.sub(r"\2\n\n\1\n", page)
    page = CODE.sub(
        lambda code: "" if code[1].lstrip().startswith(("run(", "publish(")) else code[0], page
    )
    return OUTPUT.sub(
        lambda output: (
            COMMAND.sub(_format_command, output[1]) if "    $ " in output[1] else output[0]
        ),
        page,
    )


def _format_command(match):
    command, output = match.groups()
    return f"\n.. code-block:: console\n\n{command}\n" + (
        f".. code-block:: text\n\n{output}\n" if output.strip() else ""
    )
