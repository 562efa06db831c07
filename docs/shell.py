"""Commands in the walkthroughs, as a reader would type them, and the plots that they write."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

_SHOWN = []


def run(command, says=()):
    """Run a command, print it with its output, and show the plots that it has written.

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
    print(f"$ {command}\n{done.stdout.rstrip()}")
    if done.returncode:
        raise RuntimeError(f"{command} ended with exit code {done.returncode}:\n{done.stdout}")
    for pattern in says:
        if not re.search(pattern, done.stdout):
            raise RuntimeError(f"the output of {command} does not say '{pattern}':\n{done.stdout}")
    _SHOWN.extend(Path(line).resolve() for line in done.stdout.splitlines() if line.endswith(".png"))


def publish(file, name):
    """Publish a file with the pages, as ``_static/published/NAME``."""
    folder = Path(__file__).parent / "static" / "published"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / name)


class ShownImages:
    """Scraper of sphinx-gallery for the plots that commands have written."""

    def __repr__(self):
        return "ShownImages"

    def __call__(self, block, block_vars, gallery_conf):
        """Copy the plots to the gallery, and return the reStructuredText that shows them."""
        figures = []
        while _SHOWN:
            plot, copy = _SHOWN.pop(0), Path(next(block_vars["image_path_iterator"]))
            shutil.copyfile(plot, copy)
            title, caption = _read_caption(plot)
            place = copy.relative_to(gallery_conf["src_dir"]).as_posix()
            figures.append(f".. figure:: /{place}\n   :alt: {title}\n\n   {caption}\n")
        return "\n".join(figures)


def _read_caption(plot):
    """Read title and caption of a plot from the file that ``plot`` writes beside it."""
    file = plot.with_name("captions.md")
    if not file.exists():
        return plot.stem, ""
    title, caption = file.read_text("utf-8").partition(f"({plot.name})\n\n")[2].split("\n\n")[:2]
    return title, re.sub(r"([\\*|_`<])", r"\\\1", caption.strip())
