"""Labels without the parameters that are equal wherever a component is named."""

from hypothesis import given
from hypothesis import strategies as st

from benchmark.plugins.spec import Spec, join_labels
from benchmark.reporting.short_labels import shorten_labels

VALUES = st.one_of(st.integers(-5, 5), st.booleans(), st.none(), st.tuples(st.integers(0, 2)))
SPECS = st.builds(
    lambda name, params: Spec(name, tuple(sorted(params.items()))),
    st.sampled_from(["hog", "lbp", "glcm"]),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES),
)
LABELS = st.lists(SPECS, min_size=1, max_size=3).map(lambda specs: join_labels(tuple(specs)))


@given(st.lists(LABELS, min_size=1, max_size=6, unique=True))
def test_different_labels_stay_different_and_none_gets_longer(labels):
    short, _ = shorten_labels(labels)
    assert len(set(short.values())) == len(labels)
    assert all(len(short[label]) <= len(label) for label in labels)


def test_one_and_true_are_different_values():
    short, _ = shorten_labels(["hog(a=1)", "hog(a=True)"])
    assert list(short.values()) == ["hog(a=1)", "hog(a=True)"]


def test_parameters_that_differ_are_kept_also_where_one_label_lacks_them():
    labels = ["hog(a=1, b=2)", "hog(b=2)", "lbp(c=3) + hog(a=1, b=2)"]
    short, left_out = shorten_labels(labels)
    assert list(short.values()) == ["hog(a=1)", "hog", "lbp + hog(a=1)"]
    assert left_out == ["hog(b=2)", "lbp(c=3)"]
