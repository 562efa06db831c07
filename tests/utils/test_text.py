"""Text for messages has no control characters and a bounded length."""

import json

import pytest

from benchmark.utils.text import (
    describe_error,
    escape_controls,
    escape_json_controls,
    format_count,
    one_line,
    short_repr,
)

HIDDEN = [
    "\x1b[31m",
    "\x9b31m",
    "\x07",
    "\r",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u200f",
    "\u2028",
    "\ufeff",
    "\U000e0041",
    "\ud800",
    "\udcff",
    "\0",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_controls_overrides_and_surrogates_are_written_out(text):
    shown = escape_controls(f"a{text}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert json.loads(escape_json_controls(json.dumps([text], ensure_ascii=False))) == [text]
    assert escape_json_controls(json.dumps([text], ensure_ascii=False)).isprintable()


@pytest.mark.parametrize(
    "text", ["é", "漢字", "naïve class", "شبكة", "नमस्ते", "👩\u200d⚕️", "a\tb\nc", "½ ± µm", "a\\x1b"]
)
def test_text_in_any_language_is_not_changed(text):
    assert escape_controls(text) == text
    assert escape_json_controls(text) == text


def test_a_line_is_one_line_of_bounded_length():
    assert one_line("a\r\n  b\x1b") == "a b\\x1b"
    assert len(one_line("z" * 20_000_000)) < 2_100
    assert len(short_repr("z" * 20_000_000)) < 200
    assert len(short_repr([[["z" * 10_000] * 1000] * 1000] * 1000)) < 400
    assert short_repr(16**9000) == "a very large int"


def test_an_error_whose_message_cannot_be_read_is_described():
    class OddError(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    assert describe_error(OddError()) == "OddError: its message cannot be read"
    assert len(describe_error(RuntimeError("z" * 20_000_000))) < 2_100


def test_one_is_counted_in_the_singular():
    assert [format_count(n, "class", "classes") for n in (0, 1, 2)] == [
        "0 classes",
        "1 class",
        "2 classes",
    ]
