"""Names are found in either Unicode form: composed (NFC), or decomposed (NFD) as on macOS."""

import json
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image

from benchmark.__main__ import main
from benchmark.plugins.spec import Spec
from benchmark.results.store import load_results
from benchmark.utils.files import user_path

FORMS = ("NFC", "NFD")
PLUGIN = """
from features.base import Extractor

class Mine(Extractor):
    def extract(self, batch):
        return batch.reshape(len(batch), -1)
"""


@pytest.fixture(
    params=[
        ("NFC", "NFD"),
        pytest.param(("NFD", "NFC"), marks=pytest.mark.slow),
        pytest.param(("NFC", "NFC"), marks=pytest.mark.slow),
        pytest.param(("NFD", "NFD"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def forms(request):
    """The form of names on the disk, and that of names on the command line."""
    return request.param


@pytest.fixture
def on_disk(forms, tmp_path, monkeypatch):
    """A folder whose classes, images, CSV, study and plug-in have accents in their names."""
    spell = lambda text: unicodedata.normalize(forms[0], text)  # noqa: E731
    home, random = tmp_path / spell("données"), np.random.default_rng(0)
    rows = ["image,label"]
    for i in range(24):
        label = spell(("bénin", "malin")[i % 2])
        (home / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(
            home / label / spell(f"é{i}.png")
        )
        rows.append(f"{label}/{spell(f'é{i}.png')},{label}")
    (home / spell("é.csv")).write_text("\n".join(rows))
    (home / spell("étude.yaml")).write_text("datasets: [digits]\nname: s\nmodels: [majority]\n")
    (home / spell("mémoire.py")).write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def call(forms, monkeypatch, capsys):
    """Return a function that calls the command line with all arguments in one Unicode form."""

    def called(*arguments):
        typed = [unicodedata.normalize(forms[1], str(argument)) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["benchmark", *typed])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert not ended.value.code, printed
        return printed.out

    return called


@pytest.mark.parametrize("dataset", ["folder:données", "csv:données/é.csv"])
def test_data_sets_and_rare_classes_are_found(on_disk, call, dataset):
    call(
        "run",
        "--dataset",
        dataset,
        "--extractor",
        "pixels",
        "--model",
        "majority",
        "--imbalance",
        "step(ratio=2, rare=['bénin'])",
    )
    rows = load_results(*on_disk.parent.glob("results/*"))
    assert set(rows["status"]) == {"ok"}


@pytest.mark.slow
def test_studies_plugins_and_results_folders_are_found(on_disk, call):
    call("plan", "données/étude.yaml")
    call("run", "données/étude.yaml", "--out", "données/résultats")
    (results,) = (path for path in on_disk.iterdir() if (path / "results.sqlite").exists())
    before = sorted(on_disk.iterdir())
    call(
        "run",
        "--plugin",
        "données/mémoire.py",
        "--dataset",
        "digits",
        "--model",
        "majority",
        "--out",
        f"données/{results.name}",
    )
    for reading in ("table", "info"):
        assert "majority" in call(reading, f"données/{results.name}") or reading == "info"
    assert sorted(on_disk.iterdir()) == before


def test_pipelines_and_their_images_are_found(on_disk, call):
    data = ("--dataset", "folder:données", "--extractor", "pixels", "--model", "gaussian_nb")
    call("fit", *data, "--save", "données/modèle.pipeline")
    (record,) = json.loads(
        call("predict", "données/modèle.pipeline", "données/bénin/é0.png", "--format", "json")
    )
    assert record["class"] in ("bénin", "malin")


def test_a_study_means_the_same_in_both_forms():
    composed, decomposed = (
        Spec.parse(unicodedata.normalize(form, "folder:é(label='é')")) for form in FORMS
    )
    assert composed == decomposed


def test_a_path_that_does_not_exist_lies_in_the_folder_that_does(tmp_path):
    (tmp_path / unicodedata.normalize("NFD", "données")).mkdir()
    path = user_path(tmp_path / "données" / "neu.txt")
    assert path.parent.is_dir()
    assert path.name == "neu.txt"
