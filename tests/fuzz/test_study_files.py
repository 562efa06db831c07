"""Damaged study files and component texts are read, or raise a UserError of one line."""

import re
import tracemalloc

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.plugins.spec import Spec, join_labels, parse_sum
from benchmark.study.load import load_study, read_suites
from benchmark.study.study import Study
from benchmark.utils.text import MESSAGE_LENGTH
from benchmark.utils.yaml_files import read_yaml, write_yaml

pytestmark = pytest.mark.slow

SCALARS = [
    *("1e-3", "064", "010", "1:30", "no", "yes", "~", "", "null", "true", "TRUE", ".inf", "-.inf"),
    *(".nan", "1_000", "0x1F", "0o17", "0b1", "2001-99-99", "!!int abc", "!!float ''", "!!set {a}"),
    *("!!python/object/apply:os.system [true]", "&a [*a]", "*a", "=", "<<", "%", "9" * 5000),
    *("1e999", "-1", "1" + "0" * 40, "'", '"', "[", "{", "]", "}", "- ", "? ", ": ", "---", "..."),
    *("|", ">", "#", "\t", "\0", '"\\0"', '"\\ud800"', '"\\x1b[31m"', "\u202e", "\x85", "\ufeff"),
    *("\u2028", "[" * 40, "{a: " * 40, "- " * 40, "~nosuchuser/a", "x" * 20_000, "[a, a]"),
    *("{a: 1, a: 2}", "hog(a=1, a=2)", "hog(" + "-" * 3000 + "1)", "hog(a={[]: 1})", "csv:\\0"),
    "official",
]
TEXTS = [
    "hog(orientations=12)",
    "hog(orientations=12, pixels_per_cell=(4, 4)) + color_histogram",
    "one_vs_rest(estimator=logistic_regression(C=10))",
    "csv:cases.csv(label='diagnosis', group='patient_id', allow_outside=true)",
    "simple_cnn(optimizer='sgd', learning_rate=1e-3, augmentation=('flip', 'shift'))",
    "step(ratio=10, minority=0.5)",
]
PIECES = [
    *("(", ")", "[", "]", "{", "}", ",", "=", "+", "-", "**", "*", ":", ".", "'", '"', "\\", "\n"),
    *("\0", "\x1b", "\ud800", "#", "lambda: 0", "a=1", "orientations=12", "None", "true", "null"),
    *("1e999", "9" * 5000, "0x" + "f" * 9000, "1j", "b'x'", "...", "{1}", "{[]: 1}", "-" * 3000),
    *("(" * 300, "f()", "__import__('os')", "**{'a': 1}", ")(", ") or f(", " if 1 else ", ":="),
    *("\u202e", "é", "x" * 20_000),
]


def damaged(rng, whole, pieces):
    """Change a text one to three times: cut, replace, insert or repeat a piece."""
    text = whole
    for _ in range(rng.integers(1, 4)):
        i, j = sorted(rng.integers(0, len(text) + 1, 2))
        piece = pieces[rng.integers(len(pieces))]
        change = rng.integers(5)
        if change == 0:
            text = text[:i] + text[j:]
        elif change == 1:
            text = text[:i] + chr(rng.integers(1, 0x250)) + text[i + 1 :]
        elif change == 2:
            text = text[:i] + piece + text[i:]
        elif change == 3:
            words = list(re.finditer(r"[\w.()=']+", text)) or [re.match("", text)]
            word = words[rng.integers(len(words))]
            text = text[: word.start()] + piece + text[word.end() :]
        else:
            text = text[:j] + text[i:j] + text[j:]
    return text


def assert_clear(error):
    message = str(error)
    assert "\n" not in message
    assert len(message) < 3 * MESSAGE_LENGTH


def outcome_within(megabytes, work):
    """Return the value of ``work``, None if it raises a UserError, and limit its memory."""
    tracemalloc.start()
    try:
        return work()
    except UserError as error:
        assert_clear(error)
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < megabytes * 1e6


@pytest.mark.parametrize("block", range(10))
def test_a_damaged_study_is_read_or_refused_in_one_line(tmp_path, block):
    rng = np.random.default_rng([1, block])
    names = [name for name in sorted(read_suites()) if not name.startswith("buda")]
    for n in range(30):
        whole = read_suites()[names[rng.integers(len(names))]]
        file = tmp_path / f"{n}.yaml"
        text = damaged(rng, whole, SCALARS)
        file.write_bytes(
            text.encode(errors="replace")
            if n % 3
            else text.encode(errors="replace")[: rng.integers(9999)] + b"\xff"
        )
        study = outcome_within(100, lambda: load_study(file).resolve_components())  # noqa: B023
        if study is not None:
            assert isinstance(study, Study)
            again = tmp_path / "again.yaml"
            again.write_text(study.to_yaml())
            assert load_study(again).to_yaml() == study.to_yaml()


@pytest.mark.parametrize("block", range(10))
def test_a_damaged_component_text_is_read_or_refused_in_one_line(block):
    rng = np.random.default_rng([2, block])
    for _ in range(20):
        text = damaged(rng, TEXTS[rng.integers(len(TEXTS))], PIECES)
        specs = outcome_within(100, lambda: parse_sum(text))  # noqa: B023
        if specs is not None:
            assert all(isinstance(spec, Spec) for spec in specs)
            assert hash(specs) == hash(parse_sum(text))
            join_labels(specs)


@pytest.mark.parametrize("block", range(10))
def test_any_yaml_value_that_is_read_is_written_and_reads_back(block):
    rng = np.random.default_rng([3, block])
    for _ in range(10):
        lines = [f"k{n}: {SCALARS[rng.integers(len(SCALARS))]}" for n in range(rng.integers(1, 4))]
        content = outcome_within(100, lambda: read_yaml("\n".join(lines), "here"))  # noqa: B023
        if content is not None:
            assert repr(read_yaml(write_yaml(content), "again")) == repr(content)
