"""Datasets from CSV files; errors name the line of every mistake."""

import csv
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.datasets.csv_file import load_csv
from benchmark.errors import UserError

DIGITS = load_digits().images.astype(np.uint8) * 16
WORDS = (
    "airplane", "automobile", "bird", "cat", "deer", "dog",
    "frog", "horse", "ship", "truck", "bear", "fox",
)  # fmt: skip
GOOD = "image,label\n0.png,b\n1.png,a\n"


@pytest.fixture
def home(tmp_path):
    """A folder with the images 0.png to 4.png, and one more outside it."""
    folder = tmp_path / "home"
    folder.mkdir()
    for i in range(5):
        Image.fromarray(DIGITS[i]).save(folder / f"{i}.png")
    Image.fromarray(DIGITS[9]).save(tmp_path / "outside.png")
    return folder


def load(home, text, size=None, **options):
    path = home / "set.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_csv(f"csv:{path}", home, size, **options)


def refusal(home, text, **options):
    with pytest.raises(UserError) as error:
        load(home, text, **options)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"dataset 'csv:{home}/set.csv'")
    return str(error.value)


def test_rows_become_images_and_sorted_classes(home):
    dataset = load(home, GOOD)
    assert dataset.name == f"csv:{home}/set.csv"
    assert dataset.classes == ("a", "b")
    assert dataset.targets.tolist() == [1, 0]
    assert dataset.targets.dtype == np.int64
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[:2])
    assert dataset.groups is None
    assert dataset.subset is None
    assert dataset.task == "binary"


def test_classes_that_are_all_integers_are_in_the_order_of_numbers(home):
    assert load(home, "image,label\n0.png,10\n1.png,9\n2.png,-1\n").classes == ("-1", "9", "10")
    assert load(home, "image,label\n0.png,10\n1.png,9\n2.png,x\n").classes == ("10", "9", "x")


def test_na_and_null_are_names_like_any_other(home):
    assert load(home, "image,label\n0.png,NA\n1.png,null\n").classes == ("NA", "null")


def test_a_bar_makes_the_task_multilabel_and_an_empty_label_no_class(home):
    dataset = load(home, "image,label\n0.png,b | a\n1.png,\n2.png,c\n3.png,a|a\n")
    assert dataset.task == "multilabel"
    assert dataset.classes == ("a", "b", "c")
    assert dataset.targets.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_group_and_split_are_read_if_present(home):
    dataset = load(
        home, "image,label,group,split\n0.png,b,P1,Train\n1.png,a,P2,TEST\n2.png,a,P3,val\n"
    )
    assert dataset.groups.tolist() == ["P1", "P2", "P3"]
    assert dataset.subset.tolist() == ["train", "test", "val"]


def test_all_columns_can_be_renamed(home):
    text = "file,dx,patient,fold,label\n0.png,b,P1,train,x\n1.png,a,P2,test,x\n"
    dataset = load(home, text, image="file", label="dx", group="patient", split="fold")
    assert dataset.classes == ("a", "b")
    assert dataset.groups.tolist() == ["P1", "P2"]
    assert dataset.subset.tolist() == ["train", "test"]


def test_an_image_template_is_filled_from_the_row(home):
    dataset = load(home, "kind,id,label\npng,3,b\npng,4,a\n", image="{id}.{kind}")
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[3:5])


def test_a_template_evaluates_no_expressions(home):
    text = "id,label\n{label},b\n4,a\n"
    assert "{label}.png (line 2): no such file" in refusal(home, text, image="{id}.png")
    assert "unknown column 'id.__class__'" in refusal(home, text, image="{id.__class__}.png")


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        " image , label\n\n 0.png , b\n1.png,a\n\n",
    ],
)
def test_marks_line_ends_blank_lines_and_spaces_do_not_count(home, text):
    assert load(home, text).classes == ("a", "b")


def test_the_path_is_relative_to_the_current_folder_and_images_to_the_csv(home, monkeypatch):
    load(home, GOOD)
    monkeypatch.chdir(home.parent)
    assert load_csv("csv:home/set.csv", home / "elsewhere", None).name == "csv:home/set.csv"


def test_the_size_reaches_the_images(home):
    assert load(home, GOOD, size=20).images.shape == (2, 20, 20, 1)


# --- mistakes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("image,label\n", "has a header but no rows"),
        ("image,lable\n0.png,a\n", "no column 'label'; name the column of classes"),
        ("img,label\n0.png,a\n", "image: unknown column 'image'; did you mean 'img'?"),
        ("image,label,label\n0.png,a,b\n", "has two columns named 'label'"),
        (GOOD + ",b\n", "line 4: the cell of column 'image' is empty"),
        (GOOD + "2.png,\n", "line 4: the cell of column 'label' is empty"),
        (GOOD + "2.png,a,b\n", "line 4: 3 cells, but the header has 2"),
        (GOOD + "2.png\n", "line 4: 1 cells, but the header has 2"),
        (GOOD + '2.png,"a\n', "line 4: unexpected end of data"),
        (GOOD + "0.png,a\n", "line 4: '0.png' is also the image of line 2"),
        (GOOD + "../home/0.png,a\n", "line 4: '../home/0.png' is also the image of line 2"),
        (GOOD + "a\0b.png,a\n", "line 4: not a path"),
        (GOOD + "none.png,a\n", "1 of 3 image files cannot be read: "),
        (GOOD + "none.png,a\n", "none.png (line 4): no such file"),
        ("image,label\n0.png,a\n1.png,a\n", "one class (a)"),
        ("image,label\nnone.png,a\n1.png,a\n", "one class (a)"),  # before any image is read
        ("image,label\n0.png,a|\n1.png,a\n", "one class (a)"),
        ("image,label,group\n0.png,a,P\n1.png,b,\n", "line 3: the cell of column 'group' is empty"),
        (
            "image,label,split\n0.png,a,train\n1.png,b,tset\n",
            "line 3: split 'tset' is none of train, val, test",
        ),
        (
            "image,label,split\n0.png,a,train\n1.png,b,\n",
            "line 3: the cell of column 'split' is empty",
        ),
        ("image,label,split\n0.png,a,train\n1.png,b,val\n", "its split has no test images"),
    ],
)
def test_a_mistake_in_the_file_is_reported_with_its_line(home, text, reason):
    assert reason in refusal(home, text)


def test_lines_are_numbered_as_in_an_editor(home):
    text = 'image,label,note\n\n0.png,a,"two\nlines"\n1.png,b,"x\ny"\n2.png,,z\n'
    assert "line 7: the cell of column 'label' is empty" in refusal(home, text)
    assert "line 5: the cell of column 'label' is empty" in refusal(
        home, text.replace("1.png,b", "1.png,")
    )


@pytest.mark.parametrize("parameter", ["image", "label", "group", "split"])
def test_a_missing_column_is_refused_with_the_most_similar_name(home, parameter):
    text = "image,label,lesion_id\n0.png,a,1\n1.png,b,2\n"
    assert f"{parameter}: unknown column 'lesion'; did you mean 'lesion_id'?" in refusal(
        home, text, **{parameter: "lesion"}
    )


@pytest.mark.parametrize(
    ("column", "parameter"),
    [
        ("Group", "group"),
        ("GROUP", "group"),
        ("groups", "group"),
        ("_Group", "group"),
        ("Split", "split"),
        (" SPLIT ", "split"),
        ("splits", "split"),
    ],
)
def test_a_column_almost_named_group_or_split_is_refused(home, column, parameter):
    text = f"image,label,{column}\n0.png,b,train\n1.png,a,test\n2.png,b,test\n"
    message = (
        f"the column '{column.strip()}' would not be read because it is not named '{parameter}'; "
        "rename it"
    )
    assert message in refusal(home, text)
    dataset = load(home, text, **{parameter: column.strip()})
    assert getattr(dataset, {"group": "groups", "split": "subset"}[parameter]) is not None
    assert load(home, text, label=column.strip()).classes == ("test", "train")  # it is the class


@pytest.mark.parametrize(
    "column",
    [
        "patient_id",
        "PatientID",
        "lesion",
        "Subject",
        "case_id",
        "id_patient",
        "participant no",
        "MRN",
        "pid",
        "study_id",
        "ScanID",
        "group_id",
    ],
)
def test_an_unused_column_of_patients_is_noted(home, column):
    text = (
        f"image,label,{column},patient_age,patient\n"
        "0.png,b,1,40,A\n1.png,a,1,40,B\n2.png,b,2,50,C\n"
    )
    (note,) = load(home, text).notes
    assert note.startswith(
        f"leak: images with the same {column} may be in both training and test set, as this "
        "column is not used; "
    )
    assert note.endswith(f'group="{column}" keeps them together')
    assert load(home, text, group=column).notes == (
        f"groups: 2 in 3 images, made of the column '{column}'",
    )


def test_patients_that_the_split_keeps_apart_need_no_groups(home):
    text = "image,label,split,patient\n0.png,b,train,1\n1.png,a,train,1\n2.png,b,test,2\n"
    assert load(home, text).notes == ()
    assert (
        "leak: images with the same patient may be in both"
        in load(home, text.replace("test,2", "test,1")).notes[0]
    )


def test_a_group_in_several_spellings_is_noted(home):
    text = "image,label,group\n0.png,b,P1\n1.png,a,p1\n2.png,b,7\n3.png,a,07\n4.png,a,70\n"
    assert load(home, text).notes == (
        "groups that differ only in case, spaces or the format of a number: 'P1' and 'p1'; "
        "'7' and '07'",
        "groups: 5 in 5 images, made of the column 'group'",
    )


def test_an_unused_column_of_subsets_is_noted(home):
    text = "image,label,subset,kind\n0.png,b,Training,train\n1.png,a,test,train\n2.png,b,test,x\n"
    assert load(home, text).notes == (
        "column 'subset' is not used; split=\"subset\" reads it as the official split",
    )
    assert load(home, text, split="subset").notes == ()


@pytest.mark.parametrize("option", ["image", "label", "group", "split"])
@pytest.mark.parametrize("value", [3, None, ["a"]])
def test_column_names_must_be_text(home, option, value):
    assert f"{option}: {value} is not the name of a column" in refusal(
        home, GOOD, **{option: value}
    )


def test_images_are_named_by_their_path_or_by_a_column(home):
    assert load(home, GOOD).image_ids.tolist() == ["0.png", "1.png"]
    text = "image,label,case\n0.png,b,K9\n1.png,a,K1\n"
    assert load(home, text, id="case").image_ids.tolist() == ["K9", "K1"]


def test_an_id_of_two_images_is_refused(home):
    text = "image,label,case\n0.png,b,K9\n1.png,a,K9\n"
    assert "line 3: id 'K9' is also that of line 2" in refusal(home, text, id="case")


def test_attributes_are_typed_and_missing_values_are_kept(home):
    text = "image,label,sex,age\n0.png,b,female,63\n1.png,a,NA,\n2.png,a,male,41.5\n"
    attributes = load(home, text, attributes=("sex", "age")).attributes
    assert attributes["sex"].tolist() == ["female", "", "male"]
    assert attributes["age"].dtype == float
    np.testing.assert_array_equal(attributes["age"], [63, np.nan, 41.5])


def test_attributes_change_neither_the_fingerprint_nor_the_images(home):
    text = "image,label,sex\n0.png,b,female\n1.png,a,male\n"
    assert load(home, text).fingerprint == load(home, text, attributes=["sex"]).fingerprint


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (("sexe",), "attributes: unknown column 'sexe'"),
        ("sex", "attributes: write a list of columns, such as (\"sex\",), not 'sex'"),
        ((3,), "attributes: 3 is not the name of a column"),
        (3, "attributes: 3 is not a list of columns"),
        (
            ("age",),
            "column 'age' has 2 numbers and 1 text, such as 'unknown'; leave the cell empty",
        ),
    ],
)
def test_wrong_attributes_are_refused(home, attributes, reason):
    text = "image,label,sex,age\n0.png,b,f,63\n1.png,a,m,unknown\n2.png,a,m,7\n"
    assert reason in refusal(home, text, attributes=attributes)


@pytest.mark.parametrize("option", ["allow_outside", "numeric_classes", "drop_duplicates"])
def test_the_text_no_is_not_taken_for_true(home, option):  # "no" is text in YAML 1.2
    assert f"{option}: 'no' is not true or false" in refusal(home, GOOD, **{option: "no"})


def test_a_file_that_is_not_utf_8_is_refused(home):
    assert "is not UTF-8 (byte 18)" in refusal(
        home, "image,label\n0.png,\xe9t\xe9\n".encode("latin-1")
    )


def test_a_missing_file_a_folder_and_no_path_are_refused(home):
    for name, reason in (
        (f"csv:{home}/none.csv", "No such file"),
        (f"csv:{home}", "Is a directory"),
        ("csv:", "names no path; write csv:PATH"),
    ):
        with pytest.raises(UserError, match=f"dataset '{re.escape(name)}'.*{reason}"):
            load_csv(name, home, None)


def test_skip_drops_unreadable_images_with_their_labels_groups_and_subsets(home):
    (home / "1.png").write_bytes(b"corrupted")
    text = (
        "image,label,group,split\n"
        "0.png,b,P0,train\n1.png,a,P1,test\n2.png,a,P2,test\n3.png,b,P3,val\n"
    )
    dataset = load(home, text, on_error="skip")
    assert dataset.targets.tolist() == [1, 0, 1]
    assert dataset.groups.tolist() == ["P0", "P2", "P3"]
    assert dataset.subset.tolist() == ["train", "test", "val"]
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[[0, 2, 3]])
    assert (
        f"1 of 4 image files cannot be read and were left out: {home}/1.png (line 3)"
        in dataset.notes[0]
    )


def test_a_split_that_loses_all_test_images_is_an_error(home):
    (home / "2.png").write_bytes(b"corrupted")
    text = "image,label,split\n0.png,b,train\n1.png,a,train\n2.png,a,test\n"
    assert "its split has no test images" in refusal(home, text, on_error="skip")


# --- paths outside the folder


@pytest.mark.parametrize("way", ["dots", "absolute", "link", "linked folder"])
def test_a_path_may_not_leave_the_folder_unless_that_is_allowed(home, way):
    (home / "link.png").symlink_to(home.parent / "outside.png")
    (home / "up").symlink_to(home.parent)
    cell = {
        "dots": "../outside.png",
        "absolute": f"{home.parent}/outside.png",
        "link": "link.png",
        "linked folder": "up/outside.png",
    }[way]
    text = f"image,label\n0.png,b\n{cell},a\n"
    assert (
        f"line 3: '{cell}' is outside the CSV's folder; add allow_outside=True to "
        "the dataset to allow that" in refusal(home, text)
    )
    np.testing.assert_array_equal(load(home, text, allow_outside=True).images[1, ..., 0], DIGITS[9])


def test_a_template_may_not_leave_the_folder_either(home):
    assert "is outside" in refusal(home, "id,label\n0,b\n../outside,a\n", image="{id}.png")


def test_a_folder_with_the_same_prefix_is_outside(home):
    (home.parent / "home2").mkdir()
    Image.fromarray(DIGITS[0]).save(home.parent / "home2" / "0.png")
    assert "is outside" in refusal(home, GOOD + "../home2/0.png,a\n")


def test_a_csv_in_a_linked_folder_finds_its_images(home):
    load(home, GOOD)
    (home.parent / "link").symlink_to(home)
    assert len(load_csv(f"csv:{home.parent}/link/set.csv", home, None).images) == 2


# --- real sets


def table(data_folder, name):
    path = data_folder / name / "metadata.csv"
    if not path.is_file():
        pytest.skip(f"no {name}/metadata.csv in $BENCHMARK_DATA")
    return path


def test_ct_slices_are_grouped_by_patient(data_folder):
    dataset = load_csv(f"csv:{table(data_folder, 'ct_dicom')}", data_folder, 64, label="contrast")
    assert dataset.classes == ("no", "yes")
    assert dataset.images.shape[1:] == (64, 64, 1)
    assert len(set(dataset.groups)) < len(dataset.images)
    assert any("VOI window" in note for note in dataset.notes)
    assert all(image.min() < 30 < 200 < image.max() for image in dataset.images)


def test_every_40th_skin_lesion_is_read(data_folder, tmp_path):
    path = table(data_folder, "ham10000")
    with path.open(newline="") as file:
        rows = [
            row
            for row in list(csv.DictReader(file))[::40]
            if (path.parent / f"images/{row['image_id']}.jpg").is_file()
        ]
    with (tmp_path / "some.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    template = f"{path.parent}/images/{{image_id}}.jpg"
    dataset = load_csv(
        f"csv:{tmp_path}/some.csv",
        tmp_path,
        None,
        image=template,
        label="dx",
        group="lesion_id",
        allow_outside=True,
    )
    assert dataset.images.shape == (len(rows), 128, 128, 3)
    assert dataset.task == "multiclass"
    assert dataset.groups.tolist() == [row["lesion_id"] for row in rows]
    assert "resized to 128x128 from 150x200" in dataset.notes[0]


def test_fundus_photographs_are_multilabel(data_folder):
    dataset = load_csv(
        f"csv:{table(data_folder, 'odir')}", data_folder, 32, label="labels", group="patient_id"
    )
    assert dataset.task == "multilabel"
    assert dataset.targets.shape == (len(dataset.images), 8)
    assert dataset.targets.sum() > len(dataset.images)


# --- files written by spreadsheets


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (GOOD.replace(",", "\t").encode(), "separated by tabs"),
        (GOOD.replace(",", ";").encode(), "separated by semicolons"),
        (GOOD.replace(",", "|").encode(), "separated by vertical bars"),
        (b"\xef\xbb\xbf" + GOOD.replace(",", "\t").encode(), "separated by tabs"),
        (b"image;label;note, if any\n0.png;a;x\n", "separated by semicolons"),
        (b"sep=;\n" + GOOD.replace(",", ";").encode(), "separated by semicolons"),
        (b"sep=\t\n" + GOOD.replace(",", "\t").encode(), "separated by tabs"),
        (b"sep=,\n" + GOOD.replace(",", ";").encode(), "separated by semicolons"),
        (GOOD.encode("utf-16"), "is UTF-16 text; save it as CSV in UTF-8"),
        (GOOD.encode("utf-16-le"), "is UTF-16 text; save it as CSV in UTF-8"),
        (
            GOOD.replace("b", "ü").encode("latin-1"),
            "perhaps Latin-1 or Windows-1252; save it as UTF-8",
        ),
        (b"PK\x03\x04\x14\x00", "is an Excel workbook; save it as CSV in UTF-8"),
        (b"PAR1\x15\x04\x15\x10", "is a Parquet file; save it as CSV in UTF-8"),
        (b"ARROW1\0\0", "is a Feather file; save it as CSV in UTF-8"),
        (b"\xfd7zXZ\0\0", "is compressed; save it as CSV in UTF-8"),
        (b"\n<!DOCTYPE html><html><body>", "is HTML or XML; save it as CSV in UTF-8"),
        (b"<table><tr><td>image</td></tr></table>", "is HTML or XML; save it as CSV in UTF-8"),
        (b'[{"image": "0.png", "label": "a"}]', "is JSON; save it as CSV in UTF-8"),
        (
            b'{"image": "0.png", "label": "a"}\n{"image": "1.png"}\n',
            "is JSON; save it as CSV in UTF-8",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not text; save it as CSV in UTF-8"),
        (b"image,label,,\n0.png,a,,\n1.png,b,,\n", "has 2 columns without a name"),
    ],
)
def test_the_format_of_another_file_is_named(home, data, kind):
    assert kind in refusal(home, data)


@pytest.mark.parametrize("mark", ["sep=,\n", '"sep=,"\r\n', "SEP=,\n", "\ufeffsep=,\n"])
def test_the_first_line_that_excel_writes_does_not_count(home, mark):
    assert load(home, mark + GOOD).classes == ("a", "b")
    assert "line 5: the cell of column 'label' is empty" in refusal(home, mark + GOOD + "2.png,\n")


def test_separators_inside_quotes_do_not_count(home):
    assert load(home, 'image,label,"a; b; c; d"\n0.png,a,x\n1.png,b,y\n').classes == ("a", "b")


def test_a_device_is_refused(home):
    with pytest.raises(UserError, match="is a device or a pipe"):
        load_csv("csv:/dev/zero", home, None)


# --- labels


@pytest.mark.parametrize(
    "numbers",
    [
        [f"{i / 8}" for i in range(13)],
        [f"{i}" for i in range(20, 31)],
        [f"{5 * i}" for i in range(18)],
        [f'"{i},5"' for i in range(13)],
        [f"{i}e-3" for i in range(13)],
        ["-1", *map(str, range(1, 12))],
        [str(i) for i in range(41)],
        [f"{i} y" for i in range(13)],
        [f"{i}%" for i in range(13)],
        [f"{i} years" for i in range(20, 33)],
        [f"{i} µm" for i in range(13)],
        [f"<{i}" for i in range(13)],
        [f"$ {i}.5" for i in range(13)],
        [f"\u2212{i}" for i in range(1, 14)],
        [f'"1,{i}00.5"' for i in range(100, 113)],
        [f'"{i},200,000"' for i in range(1, 14)],
    ],
)
def test_a_column_of_measurements_is_refused_as_classes(home, numbers):
    text = "image,label\n" + "".join(f"{i}.png,{number}\n" for i, number in enumerate(numbers))
    message = refusal(home, text)
    assert f"column 'label' has {len(numbers)} distinct numbers" in message
    assert "numeric_classes=True" in message
    assert "no such file" in refusal(home, text, numeric_classes=True)  # the labels are accepted


@pytest.mark.parametrize(
    "numbers",
    [
        [str(i) for i in range(10)],
        ["0", "0.5", "1", "2", "3"],
        ["nan", "x"],
        [f"{i} {word}" for i, word in enumerate(WORDS)],
    ],
)
def test_class_indices_and_grades_are_classes(home, numbers):
    text = "image,label\n" + "".join(f"{i}.png,{number}\n" for i, number in enumerate(numbers))
    assert "no such file" in refusal(home, text) if len(numbers) > 5 else load(home, text).classes


@pytest.mark.parametrize(
    ("train", "val", "test"), [("Training", "valid", "Testing"), ("TRAIN", "validation", "test")]
)
def test_usual_names_of_subsets_are_understood(home, train, val, test):
    dataset = load(home, f"image,label,split\n0.png,b,{train}\n1.png,a,{test}\n2.png,a,{val}\n")
    assert dataset.subset.tolist() == ["train", "test", "val"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_one_name_in_two_spellings_is_one_column_class_group_and_file(home, form):
    nfc, nfd = (unicodedata.normalize(kind, "é") for kind in ("NFC", "NFD"))
    disk = {"NFC": nfd, "NFD": nfc}[form]
    cell = unicodedata.normalize(form, "é")
    (home / disk).mkdir()
    Image.fromarray(DIGITS[0]).save(home / disk / f"{disk}.png")
    text = f"image,{cell},group\n{cell}/{cell}.png,{nfc},{nfc}\n1.png,{nfd},{nfd}\n2.png,x,y\n"
    dataset = load(home, text, label=disk)
    assert dataset.classes == ("x", "é")
    assert dataset.targets.tolist() == [1, 1, 0]
    assert dataset.groups.tolist() == ["é", "é", "y"]


def test_repeated_rows_are_dropped_if_asked(home):
    text = GOOD + "0.png,b\n2.png,a\n"
    assert "drop_duplicates=True" in refusal(home, text)
    dataset = load(home, text, drop_duplicates=True)
    assert len(dataset.images) == 3
    assert dataset.notes[0] == "drop_duplicates: 1 row that repeats another left out"
    message = refusal(home, text.replace("0.png,b\n2", "0.png,a\n2"), drop_duplicates=True)
    assert (
        "'0.png' is also the image of line 2, with a different cell in the column 'label'; keep "
        "the right one" in message
    )
    assert "drop_duplicates" not in message


def test_licence_and_citation_are_those_given_or_unknown(home):
    dataset = load(home, GOOD, licence="CC0", citation="Doe 2020")
    assert (dataset.licence, dataset.citation) == ("CC0", "Doe 2020")
    assert (load(home, GOOD).licence, load(home, GOOD).citation) == (None, None)
