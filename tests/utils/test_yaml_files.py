"""YAML is read by the core schema of YAML 1.2, within limits; a refusal is one line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.utils.yaml_files import read_yaml, write_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{here}: &{here} [{','.join([f'*{before}'] * 9)}]\n"
    for before, here in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            ("1e-3", 0.001),
            ("1E3", 1000.0),
            ("064", 64),
            ("010", 10),
            ("0o10", 8),
            ("0x1F", 31),
            ("+1", 1),
            ("-.5", -0.5),
            ("5.", 5.0),
        ],
        *[
            ("1:30", "1:30"),
            ("no", "no"),
            ("yes", "yes"),
            ("on", "on"),
            ("y", "y"),
            ("1_000", "1_000"),
            ("0b11", "0b11"),
            ("0o9", "0o9"),
        ],
        *[
            ("true", True),
            ("FALSE", False),
            ("~", None),
            ("Null", None),
            ("", None),
            (".inf", math.inf),
            ("-.INF", -math.inf),
        ],
        *[
            ("2001-99-99", "2001-99-99"),
            ("2001-01-01", "2001-01-01"),
            ("=", "="),
            ("'1e-3'", "1e-3"),
            ("NaN", "NaN"),
            ("1e", "1e"),
        ],
    ],
)
def test_plain_scalars_are_those_of_the_core_schema(text, value):
    read = read_yaml(f"a: {text}\n", "here")["a"]
    assert read == value
    assert type(read) is type(value)
    assert read_yaml(f"%YAML 1.1\n---\na: {text}\n", "here") == {"a": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "s.yaml, line 3: not valid YAML: the key 'a' is given twice"),
        ("x: [{a: {C: 1, C: 10}}]", "line 1: .*the key 'C' is given twice"),
        ("1: a", "the key 1 is not text"),
        ("? [a]\n: b", "is not text"),
        ("? {a: 1}\n: b", "unhashable key"),
        ("a: !!int abc", "the tag !!int: tags are not supported"),
        ("a: !!python/object/apply:os.system ['true']", "tags are not supported"),
        ("a: !x 1", "the tag !x"),
        ("a: 1\n---\na: 2", "line 2: .*a second document begins"),
        ('a: "\\0"', "NUL"),
        ("a: \x07", "special characters are not allowed"),
        ("a: &x [*x]", r"\*x is inside the value that it refers to"),
        ("a: *x", "undefined alias"),
        ("a: " + "[" * 3000, "more than 20 levels"),
        ("- " * 3000, "more than 20 levels"),
        (BOMB, "more than 10,000 values, aliases included"),
        ("- a\n" * 10_001, "more than 10,000 values"),
        ("#" * 200_001, "200,001 characters"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("%YAML 1.3\n---\na: 1", "version"),
        ("%YAML 2.0\n---\na: 1", "version"),
        ("a: [", "line 1"),
        ("a: b: c", "mapping values are not allowed"),
    ],
)
def test_what_is_refused_is_one_short_line_that_says_where(text, problem):
    with pytest.raises(UserError, match=problem) as caught:
        read_yaml(text, "s.yaml")
    assert str(caught.value).startswith("s.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_anchor_stands_for_its_value_wherever_it_is_named():
    assert read_yaml("a: &x {b: [1, 2]}\nc: *x\nd: [*x]", "here") == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": [{"b": [1, 2]}],
    }


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
HARD = st.sampled_from(
    [
        "1e-3",
        "no",
        "064",
        "1:30",
        "~",
        "null",
        "",
        "a: b",
        "# x",
        "-",
        "\x1b",
        "\u202e",
        "\x85x",
        "!a",
        "&a",
        "%a",
        "---",
        "x\n",
    ]
)
VALUE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | TEXT
    | HARD
)


@given(st.dictionaries(TEXT | HARD, VALUE | st.lists(VALUE, max_size=3), max_size=4))
def test_what_is_written_reads_back_to_the_same_value(content):
    assert read_yaml(write_yaml(content), "again") == content
