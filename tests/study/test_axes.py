"""An axis is declared once; its option, key, column and place in tables follow."""

import subprocess
import sys
from io import StringIO

import pandas as pd
import pytest

from benchmark.study.axes import AXES, value_label

RUN = """
import sys
from benchmark.study import axes

new = axes.Axis("scanner", "scanners", axes.Role.{role}, "Scanner", read=str, default=("any",))
axes.AXES = (*axes.AXES, new)

from benchmark.__main__ import main

main()
"""
STUDY = """
name: mine
datasets: [digits]
extractors: [pixels]
models: [gaussian_nb, majority]
split: holdout
scanners: [A, B]
"""


@pytest.fixture(
    scope="module",
    params=[
        "CONDITION",
        pytest.param("CONFIGURATION", marks=pytest.mark.slow),
        pytest.param("REPLICATE", marks=pytest.mark.slow),
    ],
)
def command(request, tmp_path_factory):
    """Return a function that calls the command line with one more axis, after running a study."""
    folder = tmp_path_factory.mktemp("axis")
    (folder / "mine.yaml").write_text(STUDY)

    def call(*arguments):
        code = RUN.format(role=request.param)
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("run", "mine.yaml", "--out", "out", "--jobs", "1")
    call.role, call.folder = request.param, folder
    return call


def test_a_new_axis_is_a_key_of_yaml_and_an_option(command):
    (stored,) = (command.folder / "out" / "studies").glob("*.yaml")
    assert "scanners:- A- B" in stored.read_text().replace("\n", "").replace("  -", "-")
    assert "--scanner" in command("run", "--help")
    printed = command("plan", "mine.yaml", "--model", "gaussian_nb", "--scanner", "C")
    assert ["scanner", "1", "C"] in [line.split() for line in printed.splitlines()]


def test_a_new_axis_is_a_column_of_rows_and_of_info(command):
    header, *rows = command("table", "out", "--rows", "--format", "csv").splitlines()
    values = sorted(row.split(",")[header.split(",").index("scanner")] for row in rows)
    # the baseline has the default of an axis of configurations
    expected = ["A", "B", "any"] if command.role == "CONFIGURATION" else ["A", "A", "B", "B"]
    assert values == expected
    assert "scanner" in command("info", "out")


def test_a_new_axis_is_in_tables_what_its_role_says(command):
    table = command("table", "out", "--format", "md")
    assert table.count("| rank") == (2 if command.role == "CONDITION" else 1)
    assert ("digits · A · holdout" in table) == (command.role == "CONDITION")
    assert ("| scanner" in table) == (command.role == "CONFIGURATION")


@pytest.mark.slow
def test_compare_and_plot_work_with_a_new_axis(command):
    assert "gaussian_nb" in command("compare", "out", "--against", "majority")
    command("plot", "out")


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_a_label_reads_back_to_its_value(axis):
    for entry in axis.default or ():
        value = axis.read(entry)
        assert axis.read(value_label(value)) == value


NOISE = """
import sys
from dataclasses import dataclass

import numpy as np

from benchmark.study import axes

new = axes.Axis(
    "noise", "noises", axes.Role.CONDITION, "Noise", read=float, default=(0.0,), column=float
)
axes.AXES = (*axes.AXES, new)

from benchmark.evaluation.image_changes import IMAGE_CHANGES

@dataclass
class Noise:
    spread: float
    in_train = False
    in_test = True

    def apply(self, images, indices, seed):
        noise = np.random.default_rng(seed).normal(0, self.spread, images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)

IMAGE_CHANGES["noise"] = lambda spread: Noise(spread) if spread else None

from benchmark.__main__ import main

main()
"""


def test_an_axis_that_changes_images_gives_other_features(tmp_path):
    def call(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", NOISE, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    study = ("--extractor", "pixels", "--model", "gaussian_nb", "--model", "knn", "--seed", "1")
    out = tmp_path / "out"
    call(
        "run", *study, "--noise", "0", "--noise", "200", "--scheduler", "inline", "--out", str(out)
    )
    rows = pd.read_csv(StringIO(call("table", str(out), "--rows", "--format", "csv")))
    accuracy = rows.groupby(["model", "noise"])["accuracy"].mean().unstack()
    assert (accuracy[0.0] > accuracy[200.0] + 0.1).all()
    assert len(list((out / "features").glob("*.npy"))) == 2
    call("plot", str(out))
