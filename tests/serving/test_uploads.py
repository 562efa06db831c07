"""Uploaded files: which are taken, what of a zip file is unpacked, and that all are deleted."""

import io
import struct
import zipfile

import pytest

from benchmark.errors import UserError
from benchmark.serving import uploads
from benchmark.serving.uploads import is_single_image, take_uploads


@pytest.fixture
def upload(tmp_path):
    """Store files as uploads are stored, and return their paths and their names."""

    def store(**contents):
        names = {}
        for k, (name, content) in enumerate(contents.items()):
            (tmp_path / f"token{k}").mkdir()
            (tmp_path / f"token{k}" / name.rpartition("/")[2]).write_bytes(content)
            names[f"token{k}"] = name
        return [tmp_path / token / name.rpartition("/")[2] for token, name in names.items()], names

    return lambda contents: store(**contents)


@pytest.fixture
def take(upload, tmp_path):
    """Upload files, and return the name, the content and the problem of each."""

    def run(contents):
        paths, names = upload(contents)
        with take_uploads(paths, tmp_path, names) as files:
            taken = [
                (file.name, b"" if file.problem else file.path.read_bytes(), file.problem)
                for file in files
            ]
        assert not list(tmp_path.iterdir())
        assert not names
        return taken

    return run


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """A zip file of (name, content) pairs, which may have the same name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is: ZipInfo cuts it at a NUL
            info.compress_type = method
            archive.writestr(info, content)
    return buffer.getvalue()


def names_of(taken):
    return [name for name, *_ in taken]


def test_files_keep_their_order_and_their_names(take):
    taken = take({"b (1).png": b"b", "a.png": b"a"})
    assert taken == [("b (1).png", b"b", ""), ("a.png", b"a", "")]


def test_a_folder_is_sorted_and_system_files_are_ignored(take):
    contents = {"f/p2/1.png": b"c", "f/p1/2.png": b"b", "f/p1/1.png": b"a", "f/.DS_Store": b"x"}
    assert names_of(take(contents)) == ["f/p1/1.png", "f/p1/2.png", "f/p2/1.png"]


def test_a_zip_file_is_replaced_by_its_files_in_their_order(take):
    content = zipped(("b/", b""), ("b/2.png", b"two"), ("a.png", b"one"))
    assert take({"cases.ZIP": content}) == [("b/2.png", b"two", ""), ("a.png", b"one", "")]


def test_files_of_several_zip_files_are_named_after_their_zip_file(take):
    one = zipped(("1.png", b"1"))
    assert names_of(take({"a.zip": one, "b.zip": one})) == ["a.zip/1.png", "b.zip/1.png"]


@pytest.mark.parametrize(
    "name", ["__MACOSX/._a.png", ".DS_Store", "a/.DS_Store", "@eaDir/a.png", "a/Thumbs.db"]
)
def test_files_of_operating_systems_are_ignored(name, take):
    assert names_of(take({"a.zip": zipped((name, b"x"), ("a.png", b"a"))})) == ["a.png"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_of_the_same_name_are_kept_apart(take):
    content = zipped(("a.png", b"1"), ("a.png", b"2"), ("a.png", b"3"))
    assert take({"a.zip": content}) == [
        ("a.png", b"1", ""),
        ("a.png (2)", b"2", ""),
        ("a.png (3)", b"3", ""),
    ]


def test_a_zip_file_in_a_zip_file_is_not_unpacked(take):
    inner = zipped(("a.png", b"a"))
    assert take({"a.zip": zipped(("inner.zip", inner))}) == [("inner.zip", inner, "")]


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a.png", "a/../../b.png", "..\\a.png", "\\a.png", "C:\\a.png", "a/.."],
)
def test_a_zip_file_with_a_path_outside_of_it_is_refused(name, take):
    with pytest.raises(UserError, match=r"a.zip is refused: its file .* would be written outside"):
        take({"a.zip": zipped((name, b"x"), ("a.png", b"a"))})


def test_two_dots_within_a_name_are_no_path(take):
    assert names_of(take({"a.zip": zipped(("a..b/c...png", b"a"))})) == ["a..b/c...png"]


def test_an_encrypted_zip_file_is_refused(take):
    content = zipped(("a.png", b"a"))
    directory = content.index(b"PK\x01\x02")
    encrypted = content[: directory + 8] + b"\x01" + content[directory + 9 :]
    with pytest.raises(UserError, match=r"a.zip is encrypted: unpack it"):
        take({"a.zip": encrypted})


def test_a_zip_file_of_very_many_files_is_refused(take):
    content = zipped(*((f"{k}.png", b"") for k in range(uploads.MAX_FILES + 1)))
    with pytest.raises(UserError, match=r"a.zip holds more than 2,000 files: upload fewer at once"):
        take({"a.zip": content})


def test_many_zip_files_together_hold_no_more_files_than_one(take):
    half = zipped(*((f"{k}.png", b"") for k in range(uploads.MAX_FILES // 2)))
    more = zipped(*((f"{k}.png", b"") for k in range(uploads.MAX_FILES // 2 + 1)))
    assert len(take({"a.zip": half, "b.zip": half})) == uploads.MAX_FILES
    with pytest.raises(UserError, match=r"^more than 2,000 files"):
        take({"a.zip": half, "b.zip": more})


def test_a_list_of_files_that_fills_the_memory_is_not_read(take):
    """The list would be read as a whole before any file is unpacked."""
    content = zipped(*((f"{k:050}", b"") for k in range(50_000)), method=zipfile.ZIP_STORED)
    with pytest.raises(UserError, match="the zip file holds more than 2,000 files"):
        take({"a.zip": content})


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(take):
    """600 MB of zeros, in less than 1 MB."""
    one = zipped(("a.png", bytes(600 * 2**20)))
    assert len(one) < 2**20
    with pytest.raises(UserError, match=r"a.zip is refused: its files take 600 MB when unpacked"):
        take({"a.zip": one})


def test_zip_files_together_unpack_no_more_than_one(take, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 3 * 2**20)
    content = zipped(("a.png", bytes(2 * 2**20)))
    assert len(take({"a.zip": content})) == 1
    with pytest.raises(UserError, match=r"b.zip is refused: .* at most 1 MB are unpacked at once"):
        take({"a.zip": content, "b.zip": content})


def test_a_zip_file_that_understates_a_size_unpacks_no_more_than_it_says(take, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 2**20)
    content = zipped(("a.png", bytes(50 * 2**20)))
    directory = content.index(b"PK\x01\x02")
    understated = content[: directory + 24] + struct.pack("<I", 10) + content[directory + 28 :]
    ((name, _, problem),) = take({"a.zip": understated})
    assert name == "a.png"
    assert problem.startswith("it cannot be unpacked: Bad CRC-32")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_unpacks_without_a_bound_is_a_problem_of_the_file(method, take):
    ((_, _, problem),) = take({"a.zip": zipped(("a.png", b"a"), method=method)})
    assert problem.startswith("it is compressed by another method than deflate")


@pytest.mark.parametrize("content", [b"", b"no zip", zipped(("a.png", b"a"))[:40]])
def test_a_damaged_zip_file_is_refused_in_one_line(content, take):
    with pytest.raises(UserError, match=r"^cannot read a.zip: ") as caught:
        take({"a.zip": content})
    assert "\n" not in str(caught.value)


def test_an_upload_of_ignored_files_only_is_refused(take):
    with pytest.raises(UserError, match="there are no files in this upload"):
        take({"a.zip": zipped(("__MACOSX/._a.png", b"x"))})


def test_uploads_are_deleted_if_they_are_refused(upload, tmp_path):
    paths, names = upload({"a.png": b"a", "b.zip": b"no zip"})
    with pytest.raises(UserError), take_uploads(paths, tmp_path, names):
        pass
    assert not list(tmp_path.iterdir())


def test_only_uploaded_files_are_taken(upload, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    with (
        pytest.raises(UserError, match="not uploaded here"),
        take_uploads([tmp_path / "secret"], tmp_path, {}),
    ):
        pass
    with (
        pytest.raises(UserError, match=r"a.png is missing: upload it again"),
        take_uploads([tmp_path / "token" / "a.png"], tmp_path, {}),
    ):
        pass
    assert (tmp_path / "secret").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("contents", "is_single"),
    [
        ({"a.png": b"a"}, True),
        ({"a.png": b"a", "b.png": b"b"}, False),
        ({"folder/a.png": b"a"}, False),
        ({"a.zip": zipped(("a.png", b"a"))}, False),
    ],
)
def test_heat_maps_are_for_one_image_only(contents, is_single, upload, tmp_path):
    paths, names = upload(contents)
    with take_uploads(paths, tmp_path, names) as files:
        assert is_single_image(files, paths) == is_single
