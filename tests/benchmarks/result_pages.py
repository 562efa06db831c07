"""Text of the pages in ``results/``, wrapped like the rest of the repository."""

from textwrap import fill


def wrap(text: str, indent: str = "") -> str:
    """Wrap a paragraph at 100 columns.

    Parameters
    ----------
    text : str
    indent : str
        What all lines but the first begin with, such as two spaces in a list.
    """
    return fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
