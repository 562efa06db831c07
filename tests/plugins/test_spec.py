"""Specs are read from text and mappings, and their labels are read back."""

from keyword import iskeyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.plugins.spec import Spec, join_labels, parse_sum

VALUES = st.one_of(
    st.integers(1 - 2**32, 2**32 - 1),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(
            lambda key: key not in {"estimator", "extractor"} and not iskeyword(key)
        ),
        VALUES,
    )
)
def test_a_label_reads_back_to_the_same_spec(params):
    spec = Spec.parse({"hog": params})
    assert Spec.parse(spec.label) == spec


def test_a_call_and_a_mapping_are_the_same_spec():
    assert Spec.parse("one_vs_rest(estimator=logistic_regression(C=10))") == Spec.parse(
        {"one_vs_rest": {"estimator": {"logistic_regression": {"C": 10}}}}
    )


@pytest.mark.parametrize(
    "path", ["folder:my images (2)", "csv:/data/a+b/x.csv", "folder:~/set(1)/x"]
)
def test_a_path_with_parentheses_is_a_name(path):
    assert Spec.parse(path) == Spec(path)


def test_a_plus_concatenates_but_not_inside_parentheses():
    assert [spec.label for spec in parse_sum("hog(block_norm='a+b') + pixels")] == [
        "hog(block_norm='a+b')",
        "pixels",
    ]
    assert parse_sum(join_labels(parse_sum("hog + pixels"))) == parse_sum("hog + pixels")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "hog(orientations=x.y)",
        "hog(orientations=)",
        {"a": 1, "b": 2},
        3,
        {"hog": 3},
        {"hog": {"a": {"b": 1}}},
    ],
)
def test_an_unreadable_entry_is_a_user_error(entry):
    with pytest.raises(UserError):
        Spec.parse(entry)


@pytest.mark.parametrize(
    "entry",
    [
        "knn(n_neighbors={[]:1})",
        "rbf_svm(C=" + "-" * 5000 + "1)",
        "rbf_svm(C=" + "(" * 5000 + "1)",
        "hog(a=" + "[" * 300 + "]" * 300 + ")",
        "hog(a={1})",
        "hog(a=b'x')",
        "hog(a=1j)",
        "hog(a=...)",
        "hog(a=1e999)",
        "hog(a=0x" + "f" * 9000 + ")",
        "knn(n_neighbors=100000000000)",
        "one_vs_rest(estimator=knn(n_neighbors=-4294967296))",
        {"hog": {"a": [1, 2**32]}},
        "hog(a=1)(b=2)",
        "hog(a=1) or f(b=2)",
        "hog(a=1, **{'b': 2})",
        "hog(a='\\0')",
        "csv:\0",
        "folder:\ud800",
        "x" * 20_000,
        {"hog": {"a": float("nan")}},
        {3: {"a": 1}},
        {"hog": {"a": [{"b": "c" * 100_000}]}},
    ],
)
def test_an_invalid_value_is_refused_in_one_short_line(entry):
    with pytest.raises(UserError) as caught:
        Spec.parse(entry)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "entry", ["hog(a=1, a=2)", "hog(a=1, b=2, a=1)", "one_vs_rest(estimator=knn(a=1, a=2))"]
)
def test_a_parameter_that_is_given_twice_is_refused(entry):
    with pytest.raises(UserError, match="the parameter a is given twice"):
        Spec.parse(entry)


def test_booleans_and_null_may_be_written_as_in_yaml():
    assert Spec.parse("csv:x.csv(allow_outside=true, group=null, b=false)") == Spec.parse(
        "csv:x.csv(allow_outside=True, group=None, b=False)"
    )


def test_parameters_are_literals_never_code():
    with pytest.raises(UserError):
        Spec.parse("hog(orientations=[].append(1))")
