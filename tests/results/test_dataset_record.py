"""What a results folder keeps of its datasets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import load_results, load_study, run
from benchmark.datasets.base import Dataset
from benchmark.datasets.bundled import load_faces
from benchmark.datasets.positive import with_positive_class
from benchmark.engine.merge import merge_results
from benchmark.errors import UserError
from benchmark.results.dataset_record import read_dataset_record, write_dataset_record
from benchmark.results.folder import ResultsFolder

FACES = load_faces("faces", Path(), None)


def test_a_record_is_read_as_it_was_written(tmp_path):
    age = np.where(np.arange(200) % 3, np.arange(200.0), np.nan)
    sex = np.array(["NA", "fe,male", "", 'm"ale'])[np.arange(200) % 4]
    dataset = replace(
        with_positive_class(FACES, "other"),
        ids=np.array([f"0{i}" for i in range(200)]),
        attributes={"age": age, "sex": sex},
        groups=np.arange(200) // 2,
        group_source="the column 'patient'",
    )
    write_dataset_record(tmp_path / "record", dataset)
    record = read_dataset_record(tmp_path / "record")
    assert (record.name, record.classes, record.positive) == ("faces", ("face", "other"), "other")
    assert record.group_source == "the column 'patient'"
    assert record.images["id"].tolist() == dataset.ids.tolist()
    assert record.images["class"].tolist() == [dataset.classes[k] for k in dataset.targets]
    assert record.images["group"].tolist() == [str(i // 2) for i in range(200)]
    np.testing.assert_array_equal(record.attributes["age"], age)
    assert record.attributes["sex"].fillna("").tolist() == sex.tolist()


def test_a_multi_label_image_has_all_of_its_classes(tmp_path):
    images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([[1, 1], [0, 1], [0, 0]])
    write_dataset_record(tmp_path / "r", Dataset("d", images, targets, ("a", "b"), multilabel=True))
    assert read_dataset_record(tmp_path / "r").images["class"].tolist() == ["a|b", "b", ""]


def test_attributes_that_are_added_later_are_kept_without_running_a_cell_again(tmp_path):
    table = tmp_path / "faces.csv"
    write_faces(tmp_path, table)
    out = tmp_path / "out"
    before = run_faces(f"csv:{table}", out)
    after = run_faces(f"csv:{table}(attributes=('age',), positive='other')", out)
    assert after["ended"].tolist() == before["ended"].tolist()
    record = read_dataset_record(ResultsFolder(out).dataset_record(after["fingerprint"].iloc[0]))
    assert record.attributes["age"].tolist() == list(range(40))
    assert record.positive == "other"
    assert len(load_results(out)) == len(before)


def test_merging_keeps_the_records(tmp_path):
    table = tmp_path / "faces.csv"
    write_faces(tmp_path, table)
    (fingerprint,) = run_faces(f"csv:{table}", tmp_path / "out")["fingerprint"].unique()
    merge_results([tmp_path / "out"], tmp_path / "merged")
    path = ResultsFolder(tmp_path / "merged").dataset_record(fingerprint)
    assert len(read_dataset_record(path).images) == 40


@pytest.mark.parametrize("suffix", [".csv", ".json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe{", b"[1]", b"id,class\n"])
def test_a_missing_or_corrupted_record_is_one_line(tmp_path, suffix, content):
    write_dataset_record(tmp_path / "record", FACES)
    file = tmp_path / f"record{suffix}"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(UserError, match="run its study again: completed cells are kept"):
        read_dataset_record(tmp_path / "record")


def write_faces(folder, table):
    from PIL import Image

    lines = ["image,label,age"]
    for age, i in enumerate([*range(20), *range(100, 120)]):
        Image.fromarray(FACES.images[i, ..., 0]).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{FACES.classes[FACES.targets[i]]},{age}")
    table.write_text("\n".join(lines))


def run_faces(dataset, out):
    study = load_study(
        "digits", datasets=[dataset], extractors=["pixels"], models=["knn"], split="holdout"
    )
    return run(study, out, scheduler="inline")


def test_attributes_may_have_the_names_of_other_columns(tmp_path):
    names = np.array(["a", "b"])[np.arange(200) % 2]
    dataset = replace(FACES, attributes=dict.fromkeys(("id", "class", "subset"), names))
    write_dataset_record(tmp_path / "record", dataset)
    record = read_dataset_record(tmp_path / "record")
    assert record.images["class"].tolist() == [FACES.classes[k] for k in FACES.targets]
    assert record.attributes["class"].tolist() == names.tolist()
    assert list(record.attributes) == ["id", "class", "subset"]


def test_attributes_that_a_later_study_does_not_name_are_kept(tmp_path):
    sex = np.array(["female", ""])[np.arange(200) % 2]
    write_dataset_record(tmp_path / "record", replace(FACES, attributes={"sex": sex}))
    age = np.where(np.arange(200) % 3, np.arange(200.0), np.nan)
    write_dataset_record(tmp_path / "record", replace(FACES, attributes={"age": age}))
    record = read_dataset_record(tmp_path / "record")
    assert record.attributes["sex"].fillna("").tolist() == sex.tolist()
    np.testing.assert_array_equal(record.attributes["age"], age)
