"""Texts of plots that fit where they are drawn: measured, shortened and wrapped."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font, LoadFlags

from benchmark.reporting.plots.style import FONT, TEXT

ELLIPSIS = "…"
BREAK_AFTER = "_-,(/"
# widths in font sizes of what matplotlib draws for a letter that the font lacks, such as a Chinese
# one; that of a browser is narrower
MISSING = 1.15


def measure_text(text: str, size: float = TEXT) -> float:
    """Width of the longest line of a text of a font size in points, in inches.

    Examples
    --------
    >>> measure_text("wide") > measure_text("thin")
    True
    """
    return max(sum(map(_letter_width, line)) for line in text.split("\n")) * size / 72


@lru_cache(maxsize=4096)
def _letter_width(letter: str) -> float:
    """Width of a letter, in font sizes."""
    font = _load_font()
    if font.get_char_index(ord(letter)) == 0:
        return MISSING
    return float(font.load_char(ord(letter), LoadFlags.NO_HINTING).linearHoriAdvance) / 65536


@lru_cache(maxsize=1)
def _load_font() -> FT2Font:
    font = FT2Font(findfont(FontProperties(family=FONT)))
    font.set_size(1, 72)
    return font


def fit_text(text: str, width: float, size: float = TEXT) -> str:
    """Shorten a text in its middle to a width in inches.

    Names of configurations often differ at the end, in the model.
    """
    if measure_text(text, size) <= width:
        return text
    n_kept = len(text) - 1
    while n_kept > 1 and measure_text(_cut_middle(text, n_kept), size) > width:
        n_kept -= 1
    return _cut_middle(text, n_kept)


def _cut_middle(text: str, n_kept: int) -> str:
    first = (n_kept + 1) // 2
    return f"{text[:first]}{ELLIPSIS}{text[len(text) - (n_kept - first) :]}"


def fit_names(names: Iterable[str], width: float, size: float = TEXT) -> list[str]:
    """Shorten names to a width in inches; those that would be equal are numbered."""
    fitted: list[str] = []
    for place, name in enumerate(names, start=1):
        text = fit_text(name, width, size)
        if text in fitted:
            number = f" [{place}]"
            text = fit_text(name, width - measure_text(number, size), size) + number
        fitted.append(text)
    return fitted


def wrap_text(text: str, width: float, size: float = TEXT, most: int | None = None) -> str:
    """Break a text into lines of a width in inches, at spaces.

    A word that is wider than a line is broken where the line is full. Of more than ``most`` lines,
    the first ones and the last one are kept.
    """
    lines: list[str] = []
    for word in text.split():
        first, *others = _break_word(word, width, size)
        if lines and measure_text(f"{lines[-1]} {first}", size) <= width:
            lines[-1] += f" {first}"
        else:
            lines.append(first)
        lines += others
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], fit_text(ELLIPSIS + lines[-1], width, size)]
    return "\n".join(lines)


def _break_word(word: str, width: float, size: float) -> list[str]:
    """Break a word into pieces, after a sign such as '_' if it is in their second half."""
    pieces = []
    while measure_text(word, size) > width and len(word) > 1:
        n = next(n for n in range(2, len(word) + 1) if measure_text(word[:n], size) > width) - 1
        sign = 1 + max(word.rfind(sign, 0, n) for sign in BREAK_AFTER)
        n = sign if sign > n / 2 else n
        pieces.append(word[:n])
        word = word[n:]
    return [*pieces, word]
