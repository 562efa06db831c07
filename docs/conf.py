"""Configuration of Sphinx: ``sphinx-build -W docs benchmark/documentation`` builds the pages."""

import re
import shutil
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from reference_pages import copy_results, write_reference_pages
from shell import ShownPlots, show_commands_only

project = "classical-vs-deep"
author = "The classical-vs-deep authors"
version = release = installed_version("classical-vs-deep")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["walkthroughs/*", "plots/*", "results/README.md"]
suppress_warnings = [
    "config.cache",  # the configuration of the gallery holds objects
    "myst.header",  # the tables in results/ are written by the program
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"

# the scripts write into the folder they are in, so they are run in a copy of it
GALLERIES = ("walkthroughs", "plots")
_folder = TemporaryDirectory()
for _gallery in GALLERIES:
    shutil.copytree(DOCS / _gallery, Path(_folder.name, _gallery))

sphinx_gallery_conf = {
    "examples_dirs": [str(Path(_folder.name, gallery)) for gallery in GALLERIES],
    "gallery_dirs": [f"{gallery}_executed" for gallery in GALLERIES],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": (ShownPlots(),),
    "reset_modules": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "capture_repr": (),
    "write_computation_times": False,  # times of one machine, on pages that load scripts
    "min_reported_time": 1e9,
}

html_theme = "pydata_sphinx_theme"
html_title = "classical-vs-deep"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {page: [] for page in ("index", "get_started", "contributing")}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_nav_level": 2,
}


def adapt_source(app, page, source):
    """Make links to published results links between pages, and show commands as in a terminal."""
    source[0] = re.sub(r"\]\((\.\./)+results/", "](/results/", source[0])
    if page.partition("/")[0].endswith("_executed"):
        source[0] = show_commands_only(source[0])


def setup(app):
    """Write the generated pages before Sphinx looks for pages."""
    app.connect("config-inited", lambda app, config: write_reference_pages(DOCS))
    app.connect("config-inited", lambda app, config: copy_results(DOCS))
    app.connect("source-read", adapt_source)
