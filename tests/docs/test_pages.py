"""The README and the pages of the documentation: links, numbers, and code that runs."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from skimage.data import lfw_subset
from skimage.io import imsave
from skimage.util import img_as_ubyte

from benchmark.cli.app import app
from benchmark.plugins.registry import KINDS
from benchmark.reporting.plots import REGISTRY as PLOTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("guide/*.md")),
]
SCRIPTS = [*sorted(DOCS.glob("walkthroughs/*.py")), *sorted(DOCS.glob("plots/*.py"))]
BLOCK = re.compile(r"^```(bash|python|yaml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
NOT_RUN = (
    # changes the environment, is this, runs in CI, opens a browser, does not end
    "python -m pip|python -m pytest|sphinx-build|ruff|mypy|lint-imports"
    "|python -m benchmark docs|.* serve"
    # takes a minute or more
    "|.* (run|plan) (imbalance|breast.yaml|occlusion|cifar10)|.* run --plugin my_texture.py$"
    "|.* --tuning |.* --dataset breastmnist"
    # needs the results of those
    "|.* results/imbalance$|.* --by tuning"
)


def name_page(page):
    return page.relative_to(ROOT).as_posix()


def read_blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def split_commands(block):
    """Split a block into its commands, without comments and continuations."""
    for line in block.replace("\\\n", " ").splitlines():
        for command in re.sub(r"\s+#.*", "", line).split(" && "):
            if command.strip():
                yield re.sub(r"\s+", " ", command.strip())


COMMANDS = [
    pytest.param(command, id=f"{name_page(page)}-{number}")
    for page in PAGES
    for number, command in enumerate(
        command
        for language, block in read_blocks(page)
        if language == "bash"
        for command in split_commands(block)
    )
]
OF_SCRIPTS = [
    pytest.param(call.args[0].value, id=f"{script.name}-{call.lineno}")
    for script in SCRIPTS
    for call in ast.walk(ast.parse(script.read_text("utf-8")))
    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "run"
]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_readme_counts_extractors_strategies_and_networks():
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"{len(KINDS['extractor'])} feature extractors" in text
    assert f"{len(KINDS['strategy']) - 1} strategies" in text  # without none
    networks = [name for name, target in KINDS["model"].items() if "net" in name or "cnn" in name]
    assert f"{len(networks)} networks" in text


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("extractors", "extractor"),
        ("imbalance", "strategy"),
        ("imbalance", "imbalance"),
        ("tuning", "tuning"),
        ("studies", "split"),
    ],
)
def test_the_guide_names_every_component(page, kind):
    text = (DOCS / "guide" / f"{page}.md").read_text("utf-8")
    assert {name for name in KINDS[kind] if not re.search(rf"\b{name}\b", text)} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_between_files_lead_to_files(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        target = link.partition("#")[0]
        if not target or "://" in target or "/reference/" in f"/{target}":
            continue
        path = page.parent / target.replace("_executed/", "/").replace(".rst", ".py")
        if path.name == "index.py":  # written by the gallery
            path = path.with_name("GALLERY_HEADER.rst")
        assert path.exists(), link


@pytest.mark.parametrize("command", [*COMMANDS, *OF_SCRIPTS])
def test_a_command_in_a_page_is_accepted_by_the_command_line(command):
    program, *words = shlex.split(command)
    if program == "python":
        program, words = words[1], words[2:]
    if program not in ("benchmark", "classical-vs-deep"):
        return
    commands = typer.main.get_command(app).commands
    name, *rest = words
    if name == "new":
        return
    commands[name].make_context(name, rest)


def test_the_gallery_shows_every_kind_of_plot():
    shown = re.findall(r"--kind (\w+)", "".join(script.read_text("utf-8") for script in SCRIPTS))
    assert set(shown) == set(PLOTS)


def write_cases(file, label_column, patient="p"):
    """Write a CSV file about the images that ``write_images`` has written beside it."""
    lines = [f"image,{label_column},patient_id,age,sex"]
    for path in sorted(file.parent.glob("path/to/images/*/*.png")):
        number = int(path.stem)
        group = f"{patient}{number // 2},{30 + number // 2 % 50},{'fm'[number // 2 % 2]}"
        lines.append(f"{path},{path.parent.name},{group}")
    file.write_text("\n".join(lines) + "\n")


def write_case_files(folder):
    write_cases(folder / "cases.csv", "diagnosis")
    write_cases(folder / "hospital_a.csv", "label")
    write_cases(folder / "hospital_b.csv", "label", patient="q")


def write_images(folder):
    """Write faces and background as a folder of images, as arrays and as single files."""
    images = [img_as_ubyte(image) for image in lfw_subset()]
    for number in (*range(40), *range(100, 140)):
        path = folder / "path/to/images" / ("malignant" if number < 100 else "benign")
        path.mkdir(parents=True, exist_ok=True)
        imsave(path / f"{number}.png", images[number], check_contrast=False)
    (folder / "path/to/folder").mkdir()
    np.save(folder / "path/to/folder/images.npy", np.stack(images[80:120]))
    np.save(folder / "path/to/folder/labels.npy", np.repeat([0, 1], 20))
    imsave(folder / "case1.jpg", images[50], check_contrast=False)
    write_dicom(folder / "case2.dcm", images[150])


def write_dicom(file, image):
    data = Dataset()
    data.Rows, data.Columns = image.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = np.pad(image, ((0, 0), (0, image.shape[1] % 2))).tobytes()
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(file, enforce_file_format=True)


def run_command(command, folder):
    line = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", command)
    done = subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, check=False
    )  # a shell fills in the names of files
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Folder with the images, files and results that the pages name."""
    folder = tmp_path_factory.mktemp("workspace")
    write_images(folder)
    write_case_files(folder)
    hospital = (
        "csv:hospital_a.csv(group='patient_id', attributes=('age', 'sex'), positive='malignant')"
    )
    run = "python -m benchmark run --model majority --model"
    for command in (
        f"{run} rbf_svm --model simple_cnn --extractor hog --extractor image_statistics",
        f'{run} knn --extractor pixels --dataset "{hospital}" --folds 3 --out results/breast',
        f"{run} knn --extractor hog --strategy none --strategy 'random_over + prior_threshold' "
        "--imbalance 'step(ratio=5)' --folds 5 --out results/imbalance_quick",
        f"{run} knn --extractor hog --seed 0 --out results/a",
        f"{run} knn --extractor hog --seed 1 --out results/b",
        "python -m benchmark fit --dataset csv:hospital_a.csv --extractor hog --model knn "
        "--save a.pipeline",
    ):
        run_command(command, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, workspace, tmp_path):
    folder = tmp_path / "here"
    shutil.copytree(workspace, folder)
    write_case_files(folder)  # again, with the paths of the copies
    for language, block in read_blocks(page):
        if language == "python":
            (folder / "block.py").write_text(block)
            run_command("python block.py", folder)
            if "MyTexture" in block:
                (folder / "my_texture.py").write_text(block)
        elif language == "yaml" and block.startswith("name:"):
            name = block.split()[1]
            (folder / f"{name}.yaml").write_text(block)
        elif language == "bash":
            for command in split_commands(block):
                if not re.match(NOT_RUN, command):
                    run_command(command, folder)
