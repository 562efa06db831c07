"""`fit` and `predict` on the command line: digits, skin lesions, CT."""

import csv
import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmark.datasets.csv_file import load_csv
from benchmark.errors import UserError
from benchmark.pipelines import file, prediction_text, reading, saving
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.pipelines.prediction_csv import FilePrediction, format_prediction_csv
from benchmark.pipelines.reading import read_image
from benchmark.pipelines.sensitivity import occlusion_sensitivity


@pytest.fixture(scope="module")
def saved(classical, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "digits.pipeline"
    saving.save_pipeline(classical, path)
    return path


@pytest.fixture(scope="module")
def pictures(digits, tmp_path_factory):
    """The first three digits as files: gray, in colour, and eight times as large."""
    folder = tmp_path_factory.mktemp("pictures")
    first, second, third = (digits.images[k, ..., 0] for k in range(3))
    Image.fromarray(first).save(folder / "zero.png")
    Image.fromarray(np.stack([second] * 3, axis=2)).save(folder / "one.bmp")
    Image.fromarray(np.kron(third, np.ones((8, 8), np.uint8))).save(folder / "two.tif")
    return [folder / name for name in ("zero.png", "one.bmp", "two.tif")]


def test_a_pipeline_is_trained_and_predicts_on_the_command_line(tmp_path, pictures, command):
    path = tmp_path / "made" / "digits.pipeline"
    output = command(
        "fit",
        "--dataset",
        "digits",
        "--extractor",
        "hog",
        "--model",
        "knn",
        "--strategy",
        "random_over",
        "--save",
        path,
    )
    assert (
        "hog / random_over / knn, trained on 1437 images of digits, tested on 360 (holdout"
        in output.out
    )
    assert "accuracy 0.9" in output.out
    records = json.loads(command("predict", path, *pictures, "--format", "json").out)
    assert [record["class"] for record in records] == ["0", "1", "2"]
    for record in records:
        assert list(record["probabilities"]) == [str(k) for k in range(10)]
        assert sum(record["probabilities"].values()) == pytest.approx(1)
    assert records[2]["notes"] == [
        "1 image resized to 8x8 from 64x64 (height x width): as the pipeline was trained on"
    ]


def test_a_table_shows_class_and_probability_of_each_image(
    saved, pictures, classical, digits, command
):
    lines = command("predict", saved, *pictures).out.splitlines()
    assert lines[1].split() == ["image", "class", "probability", "then"]
    proba = classical.predict_proba(digits.images[:1])[0]
    assert lines[2].split()[:3] == ["zero.png", "0", f"{proba.max():.3f}"]


def test_csv_has_a_line_per_image_with_the_probability_of_every_class(
    saved, pictures, classical, command
):
    lines = list(
        csv.DictReader(command("predict", saved, *pictures, "--format", "csv").out.splitlines())
    )
    records = json.loads(command("predict", saved, *pictures, "--format", "json").out)
    assert [line["file"] for line in lines] == [str(path) for path in pictures]
    assert {line["pipeline"] for line in lines} == {saved.name}
    assert [line["prediction"] for line in lines] == [record["class"] for record in records]
    for line, record in zip(lines, records, strict=True):
        values = {name: float(line[f"p:{name}"]) for name in classical.card.classes}
        assert values == record["probabilities"]
        assert line["notes"] == "; ".join(record["notes"])
        assert line["error"] == ""


def test_a_csv_has_a_line_for_a_file_that_cannot_be_read(command, saved, pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    done = command("predict", saved, pictures[0], broken, "--format", "csv", expect=2)
    good, bad = csv.DictReader(done.out.splitlines())
    assert good["prediction"]
    assert good["error"] == bad["prediction"] == ""
    assert "cannot read the image" in bad["error"]
    assert "1 of 2 files cannot be read" in done.err


def test_nothing_in_a_csv_is_a_formula_for_a_spreadsheet(classical):
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1+1"]
    card = classical.card.model_copy(update={"classes": tuple(formulas[:4]), "multilabel": True})
    rows = [
        FilePrediction(text, text, card, np.full(4, 0.9), [text], error=text) for text in formulas
    ]
    for line in csv.reader(io.StringIO(format_prediction_csv(rows))):
        texts = [cell for cell in line if not cell.startswith("0.9")]
        assert not [cell for cell in texts if cell.strip()[:1] in ("=", "+", "-", "@")]


def test_a_csv_of_pipelines_with_other_classes_has_the_columns_of_all(classical):
    other = classical.card.model_copy(update={"classes": ("benign", "malignant")})
    rows = [
        FilePrediction("a.png", "digits.pipeline", classical.card, np.full(10, 0.1)),
        FilePrediction("a.png", "lesions.pipeline", other, np.array([0.2, 0.8])),
        FilePrediction("b.png", "lesions.pipeline", other, None, error="is truncated"),
    ]
    first, second, third = csv.DictReader(io.StringIO(format_prediction_csv(rows)))
    assert (first["p:9"], first["p:malignant"]) == ("0.1", "")
    assert (second["prediction"], second["p:9"], second["p:malignant"]) == ("malignant", "", "0.8")
    assert (third["prediction"], third["error"]) == ("", "is truncated")


def test_a_figure_of_the_images_is_drawn(saved, pictures, tmp_path, command):
    command("predict", saved, *pictures, "--save-figure", tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text()
    for words in (
        "zero.png (0, ",
        "one.bmp (1, ",
        "two.tif (2, ",
        "probability",
        "trained on digits",
    ):
        assert words in drawn


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "digits", "--model", "knn"], "knn takes features: name an extractor"),
        (
            ["--dataset", "digits", "--model", "simple_cnn", "--extractor", "hog"],
            "takes images: leave the extractor out",
        ),
        (["--dataset", "digits", "--model", "knn", "--extractor", "hgo"], "did you mean 'hog'?"),
        (
            ["--dataset", "digits", "--model", "knn", "--extractor", "hog", "--size", "2"],
            "at least 4",
        ),
        (
            [
                "--dataset",
                "digits",
                "--model",
                "knn",
                "--extractor",
                "hog",
                "--strategy",
                "prior_threshold(tau=-1)",
            ],
            "must be a float in the range [0.0, inf)",
        ),
        (
            ["--dataset", "digits", "--model", "simple_cnn(learning_rate=1000.0, optimizer='sgd')"],
            "training diverged",
        ),
        (["--dataset", "folder:nowhere", "--model", "simple_cnn"], "nowhere"),
    ],
)
def test_an_error_of_training_is_one_line_and_nothing_is_written(
    arguments, words, tmp_path, monkeypatch, command
):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    output = command("fit", *arguments, "--save", "it.pipeline", expect=2)
    assert words in output.err
    assert len(output.err.strip().splitlines()) == 1
    assert not list(folder.iterdir())


def test_a_file_name_without_the_suffix_is_refused_before_training(tmp_path, command):
    output = command(
        "fit",
        "--dataset",
        "digits",
        "--model",
        "knn",
        "--extractor",
        "hog",
        "--save",
        tmp_path / "it.pkl",
        expect=2,
    )
    assert "ends in .pipeline" in output.err


def test_an_error_of_reading_is_one_line(saved, pictures, tmp_path, command):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "half.png").write_bytes(pictures[0].read_bytes()[:60])
    for arguments, words in (
        ([saved, tmp_path / "none.png"], "no image file"),
        ([saved, tmp_path / "text.png"], "cannot read the image"),
        ([saved, tmp_path / "half.png"], "cannot read the image"),
        ([pictures[0], pictures[0]], "is not a pipeline"),
        ([tmp_path / "none.pipeline", pictures[0]], "cannot read the pipeline"),
        (
            [saved, pictures[0], "--save-figure", tmp_path / "it.xls"],
            "its name must end in .png, .svg, .pdf",
        ),
        ([saved, pictures[0], "--save-figure", pictures[0]], "it is one of the input files"),
    ):
        before = pictures[0].read_bytes()
        output = command("predict", *arguments, expect=2)
        assert words in output.err
        assert len(output.err.strip().splitlines()) == 1
        assert pictures[0].read_bytes() == before


def test_a_colour_image_is_converted_for_a_pipeline_of_gray_images(classical, tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., 0] = 200
    Image.fromarray(pixels).save(tmp_path / "red.png")
    image = read_image(tmp_path / "red.png", classical.card)
    assert image.image.shape == (8, 8, 1)
    assert (image.image == 60).all()  # 0.299 of 200
    assert "converted to gray" in image.notes[-1]


def test_an_image_of_too_many_pixels_is_refused(classical, tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "large.png")
    with pytest.raises(
        UserError,
        match="12000x12000 are more than 90,000,000 pixels; fit the pipeline with "
        "max_pixels=144000000",
    ):
        read_image(tmp_path / "large.png", classical.card)


def test_the_size_of_a_tiff_is_checked_before_it_is_decoded(classical, tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "float.tif"), np.zeros((40, 30, 3), np.float32))
    assert read_image(tmp_path / "float.tif", classical.card).pixels.shape == (40, 30, 1)
    monkeypatch.setattr(reading, "read_picture", lambda *args: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match="40x30 are more than"):
        read_image(tmp_path / "float.tif", classical.card.model_copy(update={"max_pixels": 1000}))


@pytest.mark.parametrize(
    ("max_pixels", "refused"),
    [("", False), ("(max_pixels=2400)", False), ("(max_pixels=2399)", True)],
)
def test_a_pipeline_reads_images_as_large_as_those_of_its_data_set(
    tmp_path, command, max_pixels, refused
):
    random = np.random.default_rng(0)
    for i in range(12):
        folder = tmp_path / "set" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{i}.png")
    Image.fromarray(random.integers(0, 256, (40, 60), np.uint8)).save(tmp_path / "large.png")
    dataset = f"folder:{tmp_path}/set{max_pixels}"
    command(
        "fit",
        "--dataset",
        dataset,
        "--extractor",
        "pixels",
        "--model",
        "gaussian_nb",
        "--save",
        tmp_path / "it.pipeline",
    )
    output = command(
        "predict", tmp_path / "it.pipeline", tmp_path / "large.png", expect=2 if refused else 0
    )
    assert (
        "40x60 are more than 2,399 pixels; fit the pipeline with max_pixels=2400" in output.err
    ) is refused


def test_skin_lesions_are_read_from_files_as_in_a_data_set(data_folder, tmp_path, command):
    images = sorted((data_folder / "ham10000" / "images").glob("*.jpg"))[:300]
    rows = (data_folder / "ham10000" / "metadata.csv").read_text().splitlines()
    metadata = {row.split(",")[1]: row.split(",") for row in rows[1:]}
    lines = [f"{path},{metadata[path.stem][2] == 'nv'},{metadata[path.stem][0]}" for path in images]
    (tmp_path / "cases.csv").write_text("\n".join(["image,label,group", *lines]) + "\n")
    path = tmp_path / "skin.pipeline"
    arguments = ["--size", "32", "--extractor", "color_histogram", "--model", "logistic_regression"]
    command(
        "fit",
        "--dataset",
        f"csv:{tmp_path}/cases.csv(allow_outside=True)",
        *arguments,
        "--save",
        path,
    )
    pipeline = file.load_pipeline(path)
    dataset = load_csv(f"csv:{tmp_path}/cases.csv", tmp_path, 32, allow_outside=True)
    for k in (0, 7, 299):
        assert np.array_equal(read_image(images[k], pipeline.card).image, dataset.images[k])


def test_a_ct_is_read_from_dicom_files(data_folder, tmp_path, command):
    path = tmp_path / "ct.pipeline"
    dataset = f'csv:{data_folder}/ct_dicom/metadata.csv(label="contrast")'
    command(
        "fit",
        "--dataset",
        dataset,
        "--extractor",
        "laplacian_pyramid",
        "--model",
        "random_forest",
        "--save",
        path,
    )
    images = sorted((data_folder / "ct_dicom" / "images").glob("*.dcm"))[:3]
    output = command("predict", path, *images, "--save-figure", tmp_path / "ct.png")
    assert "DICOM image: modality rescale" in output.out
    assert (tmp_path / "ct.png").stat().st_size > 10_000


def test_control_sequences_are_escaped(classical, pictures, tmp_path, command):
    card = classical.card.model_copy(
        update={"dataset": "a\x1b[31m", "classes": ("\x1b[2J", *classical.card.classes[1:])}
    )
    saving.save_pipeline(replace(classical, card=card), tmp_path / "it.pipeline")
    output = command("predict", tmp_path / "it.pipeline", pictures[0])
    assert "\x1b" not in output.out
    assert r"\x1b[2J" in output.out


def test_the_folder_of_a_data_set_is_not_shown(classical):
    for label, shown in (
        ('csv:/home/a/Dr. X/cases.csv(label="b/c")', 'csv:cases.csv(label="b/c")'),
        ("folder:images", "folder:images"),
        ("digits", "digits"),
    ):
        assert classical.card.model_copy(update={"dataset": label}).trained_on == shown


def test_a_path_that_cannot_be_written_is_refused_before_training(tmp_path, command):
    (tmp_path / "file").write_text("")
    arguments = ["--dataset", "digits", "--model", "simple_cnn(epochs=10000)"]
    output = command("fit", *arguments, "--save", tmp_path / "file" / "it.pipeline", expect=2)
    assert "is a file, not a folder" in output.err
    (tmp_path / "it.pipeline").mkdir()
    output = command("fit", *arguments, "--save", tmp_path / "it.pipeline", expect=2)
    assert "is a folder" in output.err


def test_several_labels_are_those_above_one_half(several_labels, make_cell):
    card = fit_pipeline(
        make_cell(several_labels, "pixels", "rbf_svm", split="holdout"), several_labels
    ).card
    assert prediction_text.predicted_classes(card, np.array([0.6, 0.7])) == ["even", "large"]
    assert prediction_text.predicted_classes(card, np.array([0.45, 0.7])) == ["large"]
    assert prediction_text.describe_prediction(card, np.array([0.6, 0.7])) == ("even, large", 0.6)
    assert prediction_text.describe_prediction(card, np.array([0.1, 0.2])) == ("none", 0.2)


# sensitivity


def test_the_heat_map_shows_where_covering_changes_the_prediction(digits, classical):
    class Corner:
        card = classical.card

        def predict_proba(self, images):
            lit = images[:, :2, :2].mean(axis=(1, 2, 3)) / 255
            return np.stack([lit, 1 - lit], axis=1)

    image = np.zeros((20, 20, 1), np.uint8)
    image[:2, :2] = 255
    heat = occlusion_sensitivity(Corner(), image, 0)
    assert heat.shape == (20, 20)
    assert heat[0, 0] > 0.5
    assert heat[10:, 10:].max() == 0
    assert occlusion_sensitivity(Corner(), image, 1)[0, 0] < -0.5


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (8, 8), (5, 17), (28, 28)])
def test_the_heat_map_covers_images_of_any_shape(shape, classical):
    class Mean:
        card = classical.card

        def predict_proba(self, images):
            return np.full((len(images), 2), 0.5)

    heat = occlusion_sensitivity(Mean(), np.zeros((*shape, 1), np.uint8), 0)
    assert heat.shape == shape
    assert (heat == 0).all()  # and no NaN: every pixel is under some patch


def test_the_heat_map_of_a_digit_correlates_with_its_strokes(digits, deep):
    heats = []
    for k in range(12):
        image = digits.images[k]
        heat = occlusion_sensitivity(deep, image, int(digits.targets[k]))
        heats.append(np.corrcoef(np.abs(heat).ravel(), image.ravel())[0, 1])
    assert np.mean(heats) > 0
