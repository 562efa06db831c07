"""Text for messages: counts, shortened values, and escaped control characters."""

from __future__ import annotations

import re
import reprlib
import unicodedata
from collections.abc import Sequence

MESSAGE_LENGTH = 2_000  # characters of an error line, and of the reason in a row

_HIDDEN = re.compile(
    # C0 and C1 controls, except tab and line feed
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    # directions of writing
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    # line separators and invisible characters
    "\u2028\u2029\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
    # lone surrogates, which cannot be encoded
    "\ud800-\udfff]"
)
_BRIEF = reprlib.Repr()
_BRIEF.maxdict = _BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxset = 6
_BRIEF.maxstring = _BRIEF.maxother = 100
_BRIEF.maxlong = 40


def escape_controls(text: str) -> str:
    r"""Escape control characters, which file names, class names and errors may contain.

    C0 and C1 controls, bidirectional overrides, characters without width and lone surrogates are
    written as Python's escapes. Tabs and line feeds are kept.

    Examples
    --------
    >>> print(escape_controls("\x1b[31mred"))
    \x1b[31mred
    """
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_json_controls(text: str) -> str:
    r"""Escape control characters in JSON by JSON's own escapes, so that the values are the same.

    Examples
    --------
    >>> print(escape_json_controls('"\x9bclass"'))
    "\u009bclass"
    """
    return _HIDDEN.sub(
        lambda match: "".join(f"\\u{unit:04x}" for unit in _utf16_units(match[0])), text
    )


def _utf16_units(letter: str) -> memoryview:
    return memoryview(letter.encode("utf-16-le", "surrogatepass")).cast("H")


def one_line(text: str, length: int = MESSAGE_LENGTH) -> str:
    r"""Return a text as one line of about ``length`` characters, without control characters.

    Examples
    --------
    >>> one_line("not found:\n  a file")
    'not found: a file'
    """
    return escape_controls(" ".join(shorten_text(text, length).split()))


def describe_error(error: BaseException) -> str:
    """Describe an exception in one line, by its type and message, however long the message is."""
    try:
        message = str(error)
    except BaseException:  # the code of a plug-in's exception may raise anything
        message = "its message cannot be read"
    return one_line(f"{type(error).__name__}: {message or 'without a message'}")


def shorten_text(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Cut a text to ``length`` characters, and append its full length if it was longer.

    Examples
    --------
    >>> shorten_text("z" * 20_000_000, 5)
    'zzzzz ... (20,000,000 characters, cut)'
    """
    return text if len(text) <= length else f"{text[:length]} ... ({len(text):,} characters, cut)"


def short_repr(value: object) -> str:
    """Return the ``repr`` of a value of any size or depth, shortened for a message.

    Examples
    --------
    >>> short_repr(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    try:
        text = _BRIEF.repr(value)
        return text if len(text) <= 300 else f"{text[:300]}..."
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a very large {type(value).__name__}"


def format_count(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    Examples
    --------
    >>> format_count(1, "cell"), format_count(12_408, "image"), format_count(2, "class", "classes")
    ('1 cell', '12408 images', '2 classes')
    """
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def format_exactly(number: float) -> str:
    """Return a number with all its digits, whole ones without a decimal point.

    Examples
    --------
    >>> format_exactly(1234567.0), format_exactly(0.5)
    ('1234567', '0.5')
    """
    return str(int(number)) if number == int(number) else repr(float(number))


def join_names(names: Sequence[str], separator: str = ", ", most: int = 5) -> str:
    """Join the first names, with an ellipsis if there are more.

    Examples
    --------
    >>> join_names(["a", "b"]), join_names("abcdefg")
    ('a, b', 'a, b, c, d, e, ...')
    """
    return separator.join([*names[:most], *(["..."] if len(names) > most else [])])


def format_duration(seconds: float) -> str:
    """Return a duration with its unit, rounded to about two digits.

    Examples
    --------
    >>> [format_duration(seconds) for seconds in (0.24, 4.9, 47, 89, 150, 754, 5400)]
    ['1 s', '5 s', '47 s', '1.5 min', '2.5 min', '13 min', '1 h 30 min']
    """
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    half_minutes = round(seconds / 30)
    if half_minutes < 20:
        return f"{half_minutes / 2:g} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def format_megabytes(mb: float) -> str:
    """Return a size with its unit, from 1,000 MB on in GB.

    Examples
    --------
    >>> format_megabytes(0.93), format_megabytes(18_663.6)
    ('0.9 MB', '18.7 GB')
    """
    return f"{mb:.1f} MB" if mb < 1000 else f"{mb / 1000:.1f} GB"


def normalize_unicode(text: str) -> str:
    r"""Return a text in Unicode's composed form (NFC), in which equal-looking texts are equal.

    Examples
    --------
    >>> normalize_unicode("e\u0301") == "\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text)


def format_seconds(value: float) -> str:
    """Format seconds with three digits or, above 1,000, in whole seconds; '-' for NaN.

    Examples
    --------
    >>> format_seconds(0.01234), format_seconds(12345.6)
    ('0.0123', '12346')
    """
    if value != value:
        return "-"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
