"""External datasets behind the images of a dataset."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.datasets.attributes import is_missing
from benchmark.datasets.base import Dataset
from benchmark.datasets.external import add_external
from benchmark.datasets.stored import open_dataset, store_dataset
from benchmark.errors import UserError
from benchmark.results.dataset_record import read_dataset_record, write_dataset_record
from benchmark.utils.notes import Note, leak_note


def make_dataset(name, targets=(0, 1, 1), classes=("benign", "malignant"), channels=1, **more):
    n = len(targets)
    random = np.random.default_rng(len(name))
    images = random.integers(0, 256, (n, 8, 8, channels), dtype=np.uint8)
    return Dataset(name, images, np.array(targets), classes, **more)


def test_the_dataset_without_its_external_images_is_as_it_was_given():
    here = make_dataset(
        "here",
        groups=np.array(["p1", "p2", "p2"]),
        ids=np.array(["x", "y", "z"]),
        attributes={"age": np.array([30.0, 40.0, np.nan])},
        subset=np.array(["train", "train", "test"]),
    )
    there = make_dataset("there", (1, 0), groups=np.array(["q1", "q1"]))
    own = add_external(here, [there]).own
    for name in ("images", "targets", "groups", "subset", "ids"):
        assert getattr(own, name).tolist() == getattr(here, name).tolist()
    assert own.fingerprint == here.fingerprint
    assert own.external is None
    assert np.array_equal(own.attributes["age"], here.attributes["age"], equal_nan=True)
    assert here.own is here


@pytest.mark.parametrize("grouped", ["here", "there", "both", "neither"])
def test_groups_are_kept_where_there_are_some(grouped):
    groups = {"here": np.array(["p1", "p1", "p2"]), "there": np.array(["q1", "q2", "q2"])}
    both = add_external(
        *(
            each if k == 0 else [each]
            for k, each in enumerate(
                make_dataset(name, groups=groups[name] if grouped in (name, "both") else None)
                for name in ("here", "there")
            )
        )
    )
    assert (both.own.groups is not None) == (grouped in ("here", "both"))
    expected = None if grouped == "neither" else ["p1", "p1", "p2", "q1", "q2", "q2"]
    if grouped in ("here", "there"):
        lacking = slice(3, 6) if grouped == "here" else slice(3)
        expected[lacking] = [""] * 3
    assert (both.groups if both.groups is None else both.groups.tolist()) == expected


def test_classes_channels_and_attributes_are_those_of_the_dataset():
    here = make_dataset(
        "here",
        channels=3,
        attributes={"age": np.array([30.0, 40.0, 50.0]), "sex": np.array(["f", "m", ""])},
    )
    there = make_dataset(
        "there",
        classes=("malignant", "benign"),
        attributes={"age": np.array([1.0, 2.0, 3.0]), "smoker": np.array(["y", "n", "y"])},
    )
    both = add_external(here, [there])
    assert both.targets[3:].tolist() == [1, 0, 0]
    assert both.images[3:].shape[-1] == 3
    assert (both.images[3:] == there.images).all()
    assert list(both.attributes) == ["age", "sex"]
    assert both.attributes["age"][3:].tolist() == [1, 2, 3]
    assert is_missing(both.attributes["sex"][3:]).all()
    assert both.image_ids.tolist() == ["0", "1", "2", "there: 0", "there: 1", "there: 2"]


def test_labels_of_a_multilabel_task_are_reordered():
    here = make_dataset("here", np.eye(3, dtype=int), ("a", "b", "c"), multilabel=True)
    there = make_dataset("there", [[1, 0, 0], [0, 1, 1]], ("c", "a", "b"), multilabel=True)
    assert add_external(here, [there]).targets[3:].tolist() == [[0, 0, 1], [1, 1, 0]]
    single = make_dataset("single", (0, 1, 2), ("a", "b", "c"))
    with pytest.raises(UserError, match="only one of it and 'here' is multi-label"):
        add_external(here, [single])


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (
            make_dataset("there", classes=("benign", "Malignant")),
            "different classes: 'Malignant' is unknown to 'here', 'malignant' has no images",
        ),
        (make_dataset("there", channels=3), "its images are coloured, and those of 'here' gray"),
        (
            make_dataset("there", groups=np.array(["p2", "q1", "p1"])),
            "2 of its 3 groups are also in 'here' (p1, p2); leave them out or, if they are other",
        ),
        (
            make_dataset("there", (1, 0), classes=("malignant", "benign"), positive="benign"),
            "its positive class is 'benign', and that of 'here' is 'malignant'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(there, reason):
    here = make_dataset(
        "here",
        groups=np.array(["p1", "p2", "p2"]),
        positive="malignant",
        attributes={"age": np.array([30.0, 40.0, 50.0])},
    )
    with pytest.raises(UserError) as refused:
        add_external(here, [there])
    assert f"dataset 'there': {reason}" in str(refused.value) or reason in str(refused.value)


def test_a_group_of_two_external_datasets_is_refused():
    here = make_dataset("here")
    others = [make_dataset(name, groups=np.array(["p1", "p2", "p2"])) for name in ("b", "c")]
    with pytest.raises(UserError, match=r"'c': 2 of its 2 groups are also in 'b' \(p1, p2\)"):
        add_external(here, others)


def test_notes_of_external_datasets_are_kept_but_not_leaks_between_their_subsets():
    here = make_dataset("here", notes=("resized",))
    notes = (Note("2 images left out"), leak_note("3 copies in train and test"))
    both = add_external(here, [make_dataset("there", notes=notes)])
    assert both.notes == (
        "resized",
        "patients of 'here' in external dataset 'there' would not be noticed: 'here' and 'there' "
        "have no groups",
        "external dataset 'there': 2 images left out",
    )


def test_it_is_stored_and_recorded_with_the_name_of_each_external_dataset(tmp_path):
    both = add_external(make_dataset("here"), [make_dataset("b"), make_dataset("c", (0, 1))])
    stored = open_dataset(store_dataset(both, tmp_path))
    assert stored.external.tolist() == both.external.tolist()
    assert stored.fingerprint == both.fingerprint != both.own.fingerprint
    assert stored.own.fingerprint == both.own.fingerprint
    write_dataset_record(tmp_path / "record", both)
    record = read_dataset_record(tmp_path / "record")
    assert record.images["external"].tolist() == ["", "", "", "b", "b", "b", "c", "c"]


def test_an_attribute_of_another_type_is_missing():
    here = make_dataset("here", attributes={"age": np.array([30.0, 40.0, 50.0])})
    there = make_dataset("there", attributes={"age": np.array(["old", "young", ""])})
    assert np.isnan(add_external(here, [there]).attributes["age"][3:]).all()


def test_a_class_may_be_absent_and_is_noted():
    here = make_dataset("here", (0, 1, 2), ("a", "b", "c"))
    there = make_dataset("there", (0, 1), ("c", "a"))
    both = add_external(here, [there])
    assert both.targets[3:].tolist() == [2, 0]
    assert "external dataset 'there' has no images of b" in both.notes


def test_a_dataset_of_the_same_images_is_refused_and_a_few_copies_are_a_leak():
    here = make_dataset("here", (0, 1, 1, 0))
    same = replace(here, name="same")
    with pytest.raises(UserError, match="4 of its 4 images are also in 'here', pixel for pixel"):
        add_external(here, [same])
    there = make_dataset("there", (0, 1, 1, 0))
    images = there.images.copy()
    images[0] = here.images[2]
    (leak,) = [
        note
        for note in add_external(here, [replace(there, images=images)]).notes
        if note.startswith("leak")
    ]
    assert "1 of the images of external dataset 'there' is also in 'here'" in leak
