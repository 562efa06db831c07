"""Answer clinical questions on real datasets, and write ``results/clinical.md``.

``python tests/benchmarks/clinical.py`` (about ten minutes on two cores) needs ``$BENCHMARK_DATA``.
``--out FILE`` sets the page; rows go to a temporary folder.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from result_pages import wrap

from benchmark import load_study, run
from benchmark.datasets.base import data_folder
from benchmark.datasets.case_table import make_case_table
from benchmark.evaluation.plan import make_plan
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.metric_sets import METRIC_SETS
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.site_table import SiteTable
from benchmark.reporting.subgroup_table import SubgroupTable
from benchmark.reporting.text_tables import Document, render_tables, write_markdown
from benchmark.utils.environment import collect_environment

FOLDS = "stratified_kfold(folds=5)"
HAM = (
    "csv:ham10000/metadata.csv(name='ham10000', label='dx', image='images/{image_id}.jpg', "
    "id='image_id', group='lesion_id', attributes=('sex', 'age', 'localization'))"
)
MALARIA = "csv:malaria/metadata.csv(name='malaria', positive='parasitized')"
COVID = "csv:covid_radiography/metadata.csv(name='covid', positive='covid')"
BRIGHTER, KEPT, MOST = 30, 4, 12  # of the second synthetic hospital
KNOWN = "covariates(columns=('age', 'sex', 'localization'))"


def evaluate(name: str, folder: Path, dataset: str, **axes: object) -> Path:
    """Run a study, and return its results folder."""
    study = load_study("digits", name=name, datasets=[dataset], **axes)
    run(study, folder / name, data_folder(), jobs=2)
    return folder / name


def tabulate(
    folder: Path, metric: str, metrics: Sequence[str] = (), unit: str = "image", by: str = "",
    bins: Sequence[float] | None = None, aggregate: str | None = None,
) -> str:  # fmt: skip
    """Render a leaderboard, or a table by subgroup, as Markdown."""
    results = ResultsView(folder, unit, aggregate)
    rows = results.load_rows(metrics=[metric, *metrics])
    view = SubgroupTable(results, by, bins) if by else Leaderboard(metrics)
    text = render_tables(rows, "md", metric, view, results.read_predictions)
    return re.sub(r"^### ", "#### ", text, flags=re.MULTILINE)


def describe(dataset: str, size: int) -> str:
    """Render the first table of a paper."""
    study = load_study("digits", datasets=[dataset], size=size, extractors=["pixels"])
    (loaded,) = make_plan(study, data_folder()).datasets.values()
    table = make_case_table(loaded)
    return write_markdown(Document([("", table)], [("", table)], []))


def skin_lesions(folder: Path) -> list[str]:
    """HAM10000: who is in it, subgroups, and whether the image adds anything to what is known."""
    extractors = [KNOWN, "color_histogram", f"color_histogram + {KNOWN}"]
    axes = {"size": 64, "split": FOLDS, "models": ["logistic_regression", "majority"]}
    out = evaluate("ham10000", folder, HAM, extractors=extractors, **axes)
    return [
        "## HAM10000, by lesion",
        describe(HAM, 64),
        "### Covariates alone, image alone, both",
        tabulate(out, "auc", ("auc", "recall", "f1", "log_loss")),
        "### Accuracy by sex",
        tabulate(out, "accuracy", by="sex"),
        "### Accuracy by age",
        tabulate(out, "accuracy", by="age", bins=(40, 60)),
        "### Accuracy by localization",
        tabulate(out, "accuracy", by="localization"),
    ]


def breast(folder: Path) -> list[str]:
    """BreastMNIST: the clinical tables, with and without a threshold for a sensitivity."""
    axes = {
        "extractors": ["pixels", "hog"],
        "models": ["rbf_svm", "majority"],
        "strategies": ["none", "operating_point(sensitivity=0.95)"],
    }
    out = evaluate("breastmnist", folder, "breastmnist", **axes)
    shown = ("sensitivity", "specificity", "specificity_at_sensitivity(0.95)")
    return [
        "## BreastMNIST",
        "### Clinical metrics",
        tabulate(out, "auc", METRIC_SETS["clinical"]),
        "### Calibration",
        tabulate(out, "auc", METRIC_SETS["calibration"]),
        "### A sensitivity of 0.95: chosen on training images, and read off the test curve",
        tabulate(out, "auc", shown),
    ]


def malaria(folder: Path) -> list[str]:
    """Malaria: the same predictions per cell and per patient."""
    axes = {"size": 32, "split": FOLDS, "extractors": ["color_histogram", "hog"]}
    out = evaluate("malaria", folder, MALARIA, models=["random_forest", "majority"], **axes)
    shown = ("auc", "sensitivity", "specificity")
    return [
        "## Malaria",
        "### Per cell image",
        tabulate(out, "auc", shown),
        "### Per patient, mean of the probabilities",
        tabulate(out, "auc", shown, "group"),
        "### Per patient, highest probability",
        tabulate(out, "auc", shown, "group", aggregate="max"),
    ]


def two_hospitals(folder: Path) -> list[str]:
    """Malaria: trained on half of the patients, tested on brighter images of the other half."""
    a, b = (f"arrays:{folder / name}(name='hospital {name}'" for name in "AB")
    _write_hospitals(folder)
    axes = {"split": FOLDS, "extractors": ["color_histogram", "hog"], "external": [f"{b})"]}
    models = ["random_forest", "rbf_svm", "majority"]
    out = evaluate("hospitals", folder, f"{a}, positive='parasitized')", models=models, **axes)
    return [
        "## Two synthetic hospitals",
        wrap(
            "Hospital A has half of the patients of the malaria dataset, and hospital B the other "
            f"half, with at most {MOST} cells each. The images of B are brighter by {BRIGHTER} "
            f"gray levels, and only one in {KEPT} of its uninfected cells is kept."
        ),
        *(tabulate_sites(out, metric) for metric in ("auc", "sensitivity", "ppv")),
    ]


def _write_hospitals(folder: Path) -> None:
    study = load_study("digits", datasets=[MALARIA], size=32, extractors=["pixels"])
    (cells,) = make_plan(study, data_folder()).datasets.values()
    assert cells.groups is not None
    in_b = np.isin(cells.groups, np.unique(cells.groups)[1::2])
    uninfected = np.flatnonzero(in_b & (cells.targets == 0))
    kept = np.ones(len(in_b), bool)
    kept[np.delete(uninfected, np.s_[::KEPT])] = False
    for patient in np.unique(cells.groups):
        kept[np.flatnonzero(kept & (cells.groups == patient))[MOST:]] = False
    names = np.array(cells.classes)
    for name, chosen, added in (("A", ~in_b & kept, 0), ("B", in_b & kept, BRIGHTER)):
        (folder / name).mkdir()
        brighter = (cells.images[chosen].astype(int) + added).clip(0, 255)
        np.save(folder / name / "images.npy", brighter.astype(np.uint8))
        np.save(folder / name / "labels.npy", names[cells.targets[chosen]])
        np.save(folder / name / "groups.npy", cells.groups[chosen].astype(str))


def tabulate_sites(folder: Path, metric: str) -> str:
    """Render a table by site as Markdown."""
    results = ResultsView(folder)
    rows = results.load_rows(metrics=[metric])
    text = render_tables(rows, "md", metric, SiteTable(results), results.read_predictions)
    return re.sub(r"^### ", f"### {metric}: ", text, flags=re.MULTILINE)


def chest(folder: Path) -> list[str]:
    """COVID radiography: whether the border of the images tells the class."""
    axes = {"size": 64, "split": FOLDS, "extractors": ["border_pixels", "image_statistics", "hog"]}
    out = evaluate("covid", folder, COVID, models=["rbf_svm", "majority"], **axes)
    return ["## COVID radiography", tabulate(out, "auc", ("auc", "sensitivity", "specificity"))]


def main() -> None:
    """Run the studies and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/clinical.md"))
    out = parser.parse_args().out
    environment = collect_environment()
    with tempfile.TemporaryDirectory() as folder:
        parts = [
            text
            for make in (skin_lesions, breast, malaria, two_hospitals, chest)
            for text in make(Path(folder))
        ]
    head = [
        "# Clinical questions on real datasets",
        wrap(
            "`python tests/benchmarks/clinical.py` writes this page. The configurations are chosen "
            "to be quick, not to be good. Machine: "
            f"{environment['processor']}, {environment['cores']} cores."
        ),
    ]
    out.write_text("\n\n".join(text.strip() for text in [*head, *parts]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
