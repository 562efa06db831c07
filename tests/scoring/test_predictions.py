"""Corrupted, truncated and malicious files of predictions."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.predictions import Predictions


@pytest.fixture
def path(tmp_path):
    (tmp_path / "predictions").mkdir()
    path = tmp_path / "predictions" / "k.npz"
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 50)
    Predictions(
        rng.integers(0, 3, 50),
        proba,
        ("a", "b", "c"),
        np.arange(50),
        groups=np.repeat(["p", "q"], 25),
    ).save(path)
    return path


def with_member(path, name, content):
    """Replace the content of one array of a file."""
    with zipfile.ZipFile(path) as file:
        members = {member: file.read(member) for member in file.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, data in members.items():
            file.writestr(member, data)


def array(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_predictions_read_back_as_they_were_saved(path):
    stored = ResultsFolder(path.parent.parent).read_predictions("k")
    assert stored.classes == ("a", "b", "c")
    assert stored.proba.shape == (50, 3)
    assert list(stored.groups[:2]) == ["p", "p"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_reported_as_corrupted(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"is corrupted or truncated.* --force"):
        ResultsFolder(path.parent.parent).read_predictions("k")


def test_a_header_that_declares_more_data_than_present_takes_no_memory(path):
    header = array(np.zeros((50, 3)))
    with_member(
        path, "proba.npy", header.replace(b"(50, 3)", b"(10000000000, 3)")[:128] + header[128:]
    )
    tracemalloc.start()
    with pytest.raises(UserError, match="declares 240000000000 bytes"):
        ResultsFolder(path.parent.parent).read_predictions("k")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


OTHER_ARRAYS = {
    "proba.npy": np.zeros((50, 3), dtype=int),
    "y_true.npy": np.zeros(50),
    "classes.npy": np.arange(3),
    "test_index.npy": np.zeros((50, 2), dtype=int),
    "ordinal.npy": np.array("yes"),
    "else.npy": np.zeros(3),
}


@pytest.mark.parametrize("name", OTHER_ARRAYS)
def test_arrays_of_another_type_shape_or_name_are_refused(path, name):
    with_member(path, name, array(OTHER_ARRAYS[name]))
    with pytest.raises(UserError, match="is corrupted or truncated"):
        ResultsFolder(path.parent.parent).read_predictions("k")


def test_pickled_objects_are_refused(path):
    with_member(path, "classes.npy", array(np.array(["a", "b", None], dtype=object)))
    with pytest.raises(UserError, match="is corrupted or truncated"):
        ResultsFolder(path.parent.parent).read_predictions("k")
