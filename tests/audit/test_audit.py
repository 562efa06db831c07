"""What is planted into real images is found, and what is not there is not."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.io import imsave
from typer.testing import CliRunner

from benchmark.audit import audit_dataset
from benchmark.audit.labels import find_label_errors
from benchmark.audit.shortcuts import probe_facts
from benchmark.audit.similar_images import ORIENTATIONS, find_neighbours
from benchmark.cli.app import app
from benchmark.datasets.base import Dataset
from benchmark.datasets.medmnist_sets import load_medmnist
from benchmark.errors import UserError
from benchmark.evaluation.plan import load_dataset
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.reporting.report import build_audit_page
from benchmark.utils.notes import NoteKind, leak_note


def resize(image):
    height, width = (3 * side // 4 for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def compress(image):
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED)


def brighten(image):
    return np.clip(image.astype(int) + 1, 0, 255).astype(np.uint8)


CHANGES = {"resized": resize, "jpeg 75": compress, "mirrored": np.fliplr, "brighter": brighten}


@pytest.fixture(scope="module")
def faces():
    """The bundled faces, (200, 25, 25, 1)."""
    spec = resolve_spec("dataset", Spec.parse("faces"))
    return load_dataset(spec, None, None)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_of_faces_are_found(faces, change):
    chosen = np.arange(0, 200, 5)
    copies = np.array([CHANGES[change](faces.images[i, ..., 0].copy()) for i in chosen])
    images = np.concatenate([faces.images, copies[..., None]])
    pairs = {*find_neighbours(images).pairs}
    found = [(int(i), 200 + k) in pairs for k, i in enumerate(chosen)]
    assert np.mean(found) >= 0.95


def test_different_digits_are_not_taken_for_copies(digit_images):
    images, _ = digit_images
    pairs = find_neighbours(images).pairs
    assert len({i for pair in pairs for i in pair}) < 0.01 * len(images)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 7))
def test_an_image_is_found_in_every_orientation(seed, orientation):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (12, 24, 24, 1), dtype=np.uint8)
    images = np.array([cv2.GaussianBlur(image, (7, 7), 3)[..., None] for image in images])
    _, turn = ORIENTATIONS[orientation]
    images[7] = turn(images[2:3, ..., 0])[0][..., None]
    assert list(find_neighbours(images).pairs) == [(2, 7)]


def make_dataset(images, targets, **more):
    return Dataset("planted", images, np.array(targets), ("a", "b"), **more)


@pytest.fixture(scope="module")
def planted(faces):
    """Faces with two copies, one of which has another label, a mirrored copy, and a blank image."""
    images, targets = faces.images.copy(), faces.targets.copy()
    images[10], images[11] = images[0], images[1]
    images[12] = images[2][:, ::-1]
    images[13] = 77
    targets[[0, 10, 1, 11]] = 0, 0, 0, 1
    subset = np.array(["train"] * 200)
    subset[[0, 2, 50, 150]] = "test"
    return Dataset("planted", images, targets, faces.classes, subset=subset)


def test_every_planted_fault_is_a_finding(planted):
    audit = audit_dataset(planted)
    findings = {finding.kind: finding for finding in audit.findings}
    assert {(0, 10), (1, 11)} <= {*findings["exact copies"].pairs}
    assert "1 of 4 test images to one of the training set" in findings["exact copies"].text
    assert findings["exact copies"].is_leak
    assert (2, 12) in findings["near copies"].pairs
    assert "mirrored" in findings["near copies"].text
    assert findings["contradicting labels"].pairs == ((1, 11),)
    assert 13 in findings["blank images"].images


def test_copies_to_leave_out_keep_the_test_set_and_no_contradiction(planted):
    audit = audit_dataset(planted)
    assert audit.suggest_drops().tolist() == [1, 10, 11]
    groups = audit.suggest_groups()
    for pair in ((0, 10), (1, 11), (2, 12)):
        assert groups[pair[0]] == groups[pair[1]]
    assert len(set(groups)) <= 197


def test_nothing_is_found_in_a_clean_dataset():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 16, 16, 1), dtype=np.uint8)
    audit = audit_dataset(make_dataset(images, np.arange(60) % 2))
    assert not [finding for finding in audit.findings if finding.kind != "doubtful labels"]


def test_a_fact_that_tells_the_class_is_found_and_one_that_does_not_is_not():
    random = np.random.default_rng(1)
    targets = np.arange(200) % 2
    images = random.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    facts = {
        "file size": 1000.0 + 100 * targets + random.normal(size=200) * 50,
        "format": np.where(random.random(200) < 0.5, "JPEG", "PNG"),
        "same": np.zeros(200),
    }
    probes = {probe.fact: probe for probe in probe_facts(make_dataset(images, targets), facts)}
    assert set(probes) == {"file size", "format"}
    assert probes["file size"].beats_chance
    assert probes["file size"].auc > 0.85
    assert not probes["format"].beats_chance


def test_flipped_labels_of_digits_are_ranked_first(digit_images):
    images, targets = digit_images
    random = np.random.default_rng(0)
    flipped = random.permutation(len(targets))[:89]
    wrong = targets.copy()
    wrong[flipped] = (targets[flipped] + random.integers(1, 10, 89)) % 10
    names = tuple(map(str, range(10)))
    indices, suggested, accuracy, _ = find_label_errors(Dataset("digits", images, wrong, names))
    assert np.isin(indices[:40], flipped).mean() > 0.8
    right = suggested[np.isin(indices, flipped)] == targets[indices[np.isin(indices, flipped)]]
    assert right.mean() > 0.9
    assert accuracy > 0.85


def test_labels_of_few_images_and_several_labels_are_not_judged(faces):
    few = faces.select(np.array([0, 1, 2, 150, 151]))
    assert not len(find_label_errors(few)[0])
    several = replace(faces, targets=np.eye(2, dtype=int)[faces.targets], multilabel=True)
    assert not len(find_label_errors(several)[0])
    assert audit_dataset(several).probes == []


def test_a_rare_class_keeps_no_other_class_from_being_examined(faces):
    rare = np.arange(3)
    targets = np.where(np.isin(np.arange(200), rare), 2, faces.targets)
    three = replace(faces, targets=targets, classes=("b", "c", "rare"), ids=None, paths=None)
    flipped = np.array([50, 150])
    wrong = targets.copy()
    wrong[flipped] = 1 - wrong[flipped]
    audit = audit_dataset(replace(three, targets=wrong))
    assert {probe.fact for probe in audit.probes} == {"border pixels"}
    assert set(flipped) <= set(audit.doubtful[:4])
    assert {audit.suggested[list(audit.doubtful).index(i)] for i in flipped} == {0, 1}
    assert audit.not_examined == ["labels and shortcuts of rare: fewer than 10 images or groups"]


def test_leaks_that_are_no_copies_are_found_whatever_their_text_says(faces):
    known = leak_note("two scanners with other sizes of a pixel, each almost like the other")
    copies = leak_note("1 image repeats another", NoteKind.LEAKED_COPIES)
    found = audit_dataset(replace(faces, notes=(known, copies))).findings
    assert [one.text for one in found if one.kind == "groups"] == [known.removeprefix("leak: ")]


def write_images(folder, n=60):
    """Write faces as PNG, those of one class also as larger files; the last two are copies."""
    spec = resolve_spec("dataset", Spec.parse("faces"))
    faces = load_dataset(spec, None, None)
    folder.mkdir()
    lines = ["image,label"]
    for k, i in enumerate([*range(0, 200, 200 // n), 0]):
        image = faces.images[i, ..., 0]
        imsave(folder / f"{k}.png", image, check_contrast=False)
        label = faces.classes[faces.targets[i]]
        if faces.targets[i]:
            (folder / f"{k}.png").write_bytes((folder / f"{k}.png").read_bytes() + b"\0" * 500)
        lines.append(f"{k}.png,{label.replace(' ', '_')}")
    (folder / "cases.csv").write_text("\n".join(lines))
    return f"csv:{folder / 'cases.csv'}", len(lines) - 2


def test_the_command_writes_lists_that_a_study_can_use(tmp_path):
    data, last = write_images(tmp_path / "faces")
    groups, drops, page = (tmp_path / name for name in ("groups.csv", "drops.csv", "audit.html"))
    command = ["audit", data, "--write-groups", str(groups), "--write-drops", str(drops)]
    done = CliRunner().invoke(app, [*command, "--out", str(page)])
    assert done.exit_code == 0, done.output
    assert "LEAK: shortcut: the class can be predicted from file size alone" in done.output
    assert "LEAK: exact copies" in done.output
    assert pd.read_csv(drops)["id"].tolist() == [f"{last}.png"]
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    done = CliRunner().invoke(app, ["audit", f"{data}(drop_file='{drops}', group_file='{groups}')"])
    assert done.exit_code == 0, done.output
    assert "exact copies" not in done.output


@pytest.mark.parametrize(
    ("parameter", "text", "reason"),
    [
        ("drop_file", "id\n99.png\n", "no image has the id '99.png'"),
        ("drop_file", "id\n0.png\n0.png\n", "'0.png' is also in line 2; keep one"),
        ("drop_file", "name\n0.png\n", "unknown column 'id'"),
        (
            "drop_file",
            "id\n" + "\n".join(f"{k}.png" for k in [*range(34), 67]),
            "leaves no image of",
        ),
        ("group_file", "id,group\n0.png,p1\nzzz.png,p2\n", "no image has the id 'zzz.png'"),
        ("drop_file", "", "is empty"),
        ("group_file", "id,group\n0.png,p1\n", "images have no group in"),
        ("group_file", "id\n0.png\n", "unknown column 'group'"),
        ("group_file", "id,group\n0.png,\n", "the cell of column 'group' is empty"),
    ],
)
def test_a_wrong_list_is_one_line(tmp_path, parameter, text, reason):
    data, _ = write_images(tmp_path / "faces")
    (tmp_path / "list.csv").write_text(text)
    spec = resolve_spec("dataset", Spec.parse(f"{data}({parameter}='{tmp_path / 'list.csv'}')"))
    with pytest.raises(UserError) as refused:
        load_dataset(spec, tmp_path, None)
    assert reason in str(refused.value)


def test_images_left_out_are_noted_and_copies_are_counted_again(tmp_path):
    data, last = write_images(tmp_path / "faces")
    (tmp_path / "drops.csv").write_text(f"id\n{last}.png\n")
    spec = resolve_spec("dataset", Spec.parse(f"{data}(drop_file='{tmp_path / 'drops.csv'}')"))
    dataset = load_dataset(spec, tmp_path, None)
    assert f"{last}.png" not in dataset.ids
    assert f"1 of {last + 1} images left out, as drops.csv says" in dataset.notes
    assert not any("pixel for pixel" in note for note in dataset.notes)


def test_the_page_shows_the_pairs_to_judge(planted):
    page = build_audit_page(audit_dataset(planted))
    for title in ("exact copies", "near copies", "contradicting labels", "blank images"):
        assert f"planted: {title}" in page
    assert page.count("<svg") >= 4


def test_breastmnist_has_its_known_copy_with_another_label(data_folder):
    audit = audit_dataset(load_medmnist("breastmnist", data_folder, None))
    kinds = {finding.kind for finding in audit.findings}
    assert {"groups", "exact copies", "near copies", "contradicting labels"} <= kinds


def test_all_copies_of_an_image_are_in_one_group_exact_or_changed(faces):
    images, targets = faces.images.copy(), faces.targets.copy()
    for k in (60, 61, 62):
        images[k] = images[0] if k == 60 else compress(images[0, ..., 0].copy())[..., None]
    targets[[0, 60]], targets[[61, 62]] = 0, 1
    subset = np.where(np.isin(np.arange(200), [61, 62, 150, 3]), "test", "train")
    audit = audit_dataset(Dataset("planted", images, targets, faces.classes, subset=subset))
    groups = audit.suggest_groups()
    assert len(set(groups[[0, 60, 61, 62]])) == 1
    near = next(finding for finding in audit.findings if finding.kind == "near copies")
    assert near.is_leak
    assert "2 of 4 test images" in near.text
    assert any(finding.kind == "contradicting labels" for finding in audit.findings)


def test_a_copy_in_the_validation_set_is_a_leak(faces):
    images = faces.images.copy()
    images[10] = images[0]
    subset = np.array(["train"] * 200)
    subset[[0, 150]], subset[[10, 151]] = "test", "val"
    audit = audit_dataset(replace(faces, images=images, subset=subset))
    (finding,) = [finding for finding in audit.findings if finding.kind == "exact copies"]
    assert finding.is_leak
    assert "1 of 2 test images to one of the training or validation set" in finding.text


def test_blank_images_are_no_copies_of_each_other(faces):
    images = faces.images.copy()
    images[4], images[150] = 0, 200
    audit = audit_dataset(replace(faces, images=images))
    listed = {i for pair in audit.similar for i in pair}
    assert not {4, 150} & listed


def test_what_could_not_be_examined_is_said():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (80, 16, 16, 1), dtype=np.uint8)
    noise = audit_dataset(make_dataset(images, np.arange(80) % 2))
    assert "hardly better than the largest class" in " ".join(noise.not_examined)
    few = audit_dataset(make_dataset(images[:4], [0, 1, 0, 1]))
    assert [line.split(":")[0] for line in few.not_examined] == ["shortcuts", "labels"]


def test_a_list_of_nothing_to_leave_out_has_no_lines_and_can_be_used(tmp_path):
    data, _ = write_images(tmp_path / "faces")
    lines = (tmp_path / "faces" / "cases.csv").read_text().splitlines()[:-1]
    (tmp_path / "faces" / "cases.csv").write_text("\n".join(lines))
    drops = tmp_path / "drops.csv"
    done = CliRunner().invoke(app, ["audit", data, "--write-drops", str(drops)])
    assert "0 images to leave out" in done.output
    assert drops.read_text() == "id\n"
    spec = resolve_spec("dataset", Spec(data, (("drop_file", str(drops)),)))
    dataset = load_dataset(spec, tmp_path, None)
    assert len(dataset.images) == len(lines) - 1


def test_no_file_of_another_kind_is_overwritten(tmp_path):
    data, _ = write_images(tmp_path / "faces")
    cases = tmp_path / "faces" / "cases.csv"
    before = cases.read_text()
    page = tmp_path / "page.html"
    page.write_text("notes of mine")
    for option, file in (
        ("--write-groups", cases),
        ("--write-drops", cases),
        ("--out", cases),
        ("--out", page),
        ("--out", tmp_path),
        ("--write-drops", "/dev/full"),
        ("--out", "/dev/full"),
    ):
        done = CliRunner().invoke(app, ["audit", data, option, str(file)])
        assert isinstance(done.exception, UserError)
        assert str(file) in str(done.exception)
    assert cases.read_text() == before
    assert page.read_text() == "notes of mine"
    assert Path("/dev/full").is_char_device()
    both = ["--write-groups", str(tmp_path / "a.csv"), "--write-drops", str(tmp_path / "a.csv")]
    assert "both name" in str(CliRunner().invoke(app, ["audit", data, *both]).exception)


@pytest.mark.parametrize("command", ["audit", "describe"])
def test_an_impossible_size_is_one_line(command):
    done = CliRunner().invoke(app, [command, "digits", "--size", "0"])
    assert "size must be at least 4, not 0" in str(done.exception)
