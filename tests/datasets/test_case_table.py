"""The first table of a paper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.datasets.base import Dataset
from benchmark.datasets.bundled import load_faces
from benchmark.datasets.case_table import make_case_table

FACES = load_faces("faces", Path(), None)


def test_numbers_are_those_of_pandas_in_all_and_in_each_subset():
    rng = np.random.default_rng(0)
    age = np.where(rng.random(200) < 0.1, np.nan, rng.integers(20, 90, 200))
    sex = np.where(rng.random(200) < 0.2, "", np.where(rng.random(200) < 0.5, "f", "m"))
    subset = np.repeat(["train", "test"], [150, 50])
    groups = np.arange(200) // 2
    dataset = replace(FACES, attributes={"age": age, "sex": sex}, subset=subset, groups=groups)
    table = make_case_table(dataset).set_index("characteristic")
    assert list(table) == ["all", "train", "test"]
    for column, members in (("all", slice(None)), ("train", subset == "train")):
        ages, known = pd.Series(age[members]), pd.Series(sex[members])
        known = known[known != ""]
        lines = table[column]
        assert lines["images"] == f"{len(ages)}"
        assert lines["groups"] == f"{len(ages) // 2}"
        assert lines["class: face"].startswith(f"{int(FACES.targets[members].sum())} (")
        assert lines["age, mean (SD)"] == f"{ages.mean():.1f} ({ages.std():.1f})"
        assert lines["age, missing"].startswith(f"{ages.isna().sum()} (")
        n = int((known == "f").sum())
        assert lines["sex: f"] == f"{n} ({n / len(known):.0%})"
        assert lines["sex, missing"].startswith(f"{len(ages) - len(known)} (")


def test_rare_values_are_counted_together_and_small_shares_are_not_zero():
    site = np.array([f"s{min(i, 30)}" for i in range(200)])
    table = make_case_table(replace(FACES, attributes={"site": site}))
    lines = table.set_index("characteristic")["all"]
    assert lines["site: s30"] == "170 (85%)"
    assert lines["site: s0"] == "1 (0.5%)"
    assert lines["site: 16 other values"] == "16 (8%)"


def test_every_label_of_a_multi_label_dataset_is_counted():
    images, targets = np.zeros((4, 8, 8, 1), np.uint8), np.array([[1, 1], [1, 0], [0, 0], [1, 0]])
    table = make_case_table(Dataset("d", images, targets, ("a", "b"), multilabel=True))
    lines = table.set_index("characteristic")["all"]
    assert (lines["class: a"], lines["class: b"]) == ("3 (75%)", "1 (25%)")


@pytest.mark.parametrize("form", [None, "md", "csv", "latex", "json"])
def test_the_command_prints_every_format(form):
    options = ["--format", form] if form else []
    printed = CliRunner().invoke(app, ["describe", "faces", *options])
    assert printed.exit_code == 0
    assert "100 (50%)" in printed.output.replace("\\%", "%")


def test_an_attribute_called_class_does_not_replace_the_classes():
    images, targets = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 1, 1])
    attributes = {"class": np.array(["a", "a", "a", "b"])}
    table = make_case_table(Dataset("d", images, targets, ("a", "b"), attributes=attributes))
    lines = list(zip(table["characteristic"], table["all"], strict=True))
    assert lines[1:] == [
        ("class: a", "1 (25%)"), ("class: b", "3 (75%)"),
        ("class: a", "3 (75%)"), ("class: b", "1 (25%)"),
    ]  # fmt: skip
