"""Text for people: counts, values in messages, and characters that would command a terminal."""

from __future__ import annotations

import re
import reprlib
import unicodedata

MESSAGE_LENGTH = 2_000  # characters of an error line, and of the reason in a row

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 controls, but for tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions of writing
    "\u2028\u2029\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # line ends, and what is not seen
    "\ud800-\udfff]"  # half characters, which no stream takes
)
_BRIEF = reprlib.Repr()
_BRIEF.maxdict = _BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxset = 6
_BRIEF.maxstring = _BRIEF.maxother = 100
_BRIEF.maxlong = 40


def escape_controls(text: str) -> str:
    r"""Text with its control characters written out, since a file, a class or an error may contain any.

    Tabs and line feeds stay; C0 and C1 controls, bidirectional overrides, characters without width
    and lone surrogates are written as Python writes them.

    Examples
    --------
    >>> print(visible("\x1b[31mred"))
    \x1b[31mred
    """
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_json_controls(text: str) -> str:
    r"""JSON with its control characters as JSON's own escapes: it reads back to the same values.

    Examples
    --------
    >>> print(visible_json('"\x9bclass"'))
    "\u009bclass"
    """
    return _HIDDEN.sub(
        lambda match: "".join(f"\\u{unit:04x}" for unit in _utf16_units(match[0])), text
    )


def _utf16_units(letter: str) -> memoryview:
    return memoryview(letter.encode("utf-16-le", "surrogatepass")).cast("H")


def one_line(text: str, length: int = MESSAGE_LENGTH) -> str:
    r"""Text as a single visible line of about ``length`` characters at most; what is cut is counted.

    Examples
    --------
    >>> one_line("not found:\n  a file")
    'not found: a file'
    """
    return escape_controls(" ".join(shorten_text(text, length).split()))


def describe_error(error: BaseException) -> str:
    """Type and message of an exception in one line; a plug-in's may have a message of any length, or none that can be read."""
    try:
        message = str(error)
    except BaseException:  # of any kind: it is the plug-in's own
        message = "its message cannot be read"
    return one_line(f"{type(error).__name__}: {message or 'without a message'}")


def shorten_text(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Text of at most about ``length`` characters; what is cut is counted.

    Examples
    --------
    >>> shorten("z" * 20_000_000, 5)
    'zzzzz ... (20,000,000 characters, cut)'
    """
    return text if len(text) <= length else f"{text[:length]} ... ({len(text):,} characters, cut)"


def short_repr(value: object) -> str:
    """``repr`` of a value of any size or depth, cut to what a message can hold.

    Examples
    --------
    >>> brief(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    try:
        text = _BRIEF.repr(value)
        return text if len(text) <= 300 else f"{text[:300]}..."
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a very large {type(value).__name__}"


def format_count(n: int, noun: str, plural: str = "") -> str:
    """Count with its noun.

    Examples
    --------
    >>> count_of(1, "cell"), count_of(0, "cell"), count_of(12_408, "image"), count_of(2, "entry", "entries")
    ('1 cell', '0 cells', '12408 images', '2 entries')
    """
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def normalize_unicode(text: str) -> str:
    r"""Text in Unicode's composed form: an accented letter can be written in two ways that look the same.

    Examples
    --------
    >>> nfc("e\u0301") == "\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text)
