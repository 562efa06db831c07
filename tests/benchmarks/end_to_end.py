"""Compare whole studies with the same studies written by hand.

``python tests/benchmarks/end_to_end.py`` takes about 20 minutes on two cores and writes
``results/end_to_end.md``. ``$BENCHMARK_DATA`` must hold HAM10000. The last section needs the
package ``Samuel_Collins_CV_Benchmarking``, and is left out where it is not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from result_pages import wrap

from benchmark import load_results, load_study
from benchmark.datasets.base import data_folder
from benchmark.evaluation.components import compute_folds
from benchmark.evaluation.plan import make_plan, resolve_split
from benchmark.utils.environment import collect_environment

ROOT = Path(__file__).parents[2]
ROUNDS = {"digits": 3, "lesions": 1}
PER_CLASS = 115
AXES = {
    "extractors": ["pixels", "hog(cells_per_block=(2, 2))", "lbp"],
    "models": [
        *("logistic_regression", "linear_svm(C=0.001)", "rbf_svm", "knn", "random_forest"),
        "simple_cnn",
    ],
    "split": "stratified_kfold(folds=3)",
}


def write_lesions(folder: Path, name: str = "HAM10000") -> str:
    """Write a CSV of images of HAM10000, at most 115 per class, and return the dataset."""
    source = data_folder() / "ham10000"
    rows = pd.read_csv(source / "metadata.csv").groupby("dx").sample(PER_CLASS, random_state=0)
    table = pd.DataFrame(
        {"image": [str(source / "images" / f"{name}.jpg") for name in rows["image_id"]]}
    )
    table.assign(label=rows["dx"].to_numpy()).to_csv(folder / "lesions.csv", index=False)
    return f"csv:{folder / 'lesions.csv'}(allow_outside=True, name='{name}')"


def write_arrays(study, folder: Path) -> None:
    """Write images, labels and the test fold of each image, as the library has them."""
    plan = make_plan(study)
    (dataset,) = plan.datasets.values()
    folds = np.empty(len(dataset.images), dtype=int)
    for k, (_, test) in enumerate(compute_folds(dataset, resolve_split(study, dataset))):
        folds[test] = k
    arrays = {"images": dataset.images, "labels": dataset.targets, "folds": folds}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def time_process(*arguments: str) -> float:
    """Wall time in seconds of a Python process."""
    start = time.perf_counter()
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=environ
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


def compare(study, folder: Path) -> tuple[list[tuple[float, float]], pd.DataFrame]:
    """Seconds by hand and with the library in each round, and the mean metrics of both."""
    write_arrays(study, folder)
    (folder / "study.yaml").write_text(study.to_yaml(), encoding="utf-8")
    times = []
    for turn in range(ROUNDS[study.name]):
        by_hand = time_process(str(ROOT / "tests" / "benchmarks" / "by_hand.py"), str(folder))
        out = folder / f"out{turn}"
        ours = time_process(
            *("-m", "benchmark", "run", str(folder / "study.yaml"), "--out", str(out)),
            *("--jobs", "2"),
        )
        times.append((by_hand, ours))
    by = ["extractor", "model"]
    metrics = ["f1", "auc", "fit_s"]
    hand = pd.DataFrame(json.loads((folder / "scores.json").read_text())).groupby(by)[metrics]
    library = load_results(out).groupby(by)[metrics]
    joined = hand.mean().join(library.mean(), suffixes=(" by hand", " here"))
    return times, joined


PEER = """
import json, sys
from samuel_collins_cv_benchmarking import benchmark_image_classification
folder, *classes = sys.argv[1:]
done = benchmark_image_classification(folder, "folder", classes, "rgb")
print(json.dumps(done["summary"].to_dict("records")))
"""
PEER_MODELS = ["logistic_regression", "random_forest(n_estimators=200)", "rbf_svm", "simple_cnn"]


def compare_with_peer(folder: Path) -> list[str]:
    """Compare a hold-out of images in a folder with the package nearest to this one."""
    if find_spec("samuel_collins_cv_benchmarking") is None:
        return []
    rows = pd.read_csv(folder / "lesions.csv")
    for row in rows.itertuples():
        place = folder / "images" / row.label
        place.mkdir(parents=True, exist_ok=True)
        (place / Path(row.image).name).symlink_to(row.image)
    images, classes = str(folder / "images"), sorted(rows["label"].unique())
    axes = [f"--model={model}" for model in PEER_MODELS] + ["--extractor=pixels", "--size=64"]
    split = ["--suite", str(folder / "holdout.yaml")]
    (folder / "holdout.yaml").write_text(
        "name: holdout\ndatasets: [faces]\nmodels: [majority]\nextractors: [pixels]\n"
        "split: holdout\n"
    )
    times = []
    for turn in range(ROUNDS["digits"]):
        start = time.perf_counter()
        with chdir(folder):
            done = subprocess.run(
                [sys.executable, "-c", PEER, images, *classes],
                check=True,
                capture_output=True,
                text=True,
            )
        peer = time.perf_counter() - start
        out = folder / f"peer{turn}"
        run = ("-m", "benchmark", "run", *split, f"--dataset=folder:{images}", *axes)
        times.append((peer, time_process(*run, "--out", str(out), "--jobs", "2")))
    summary = pd.DataFrame(json.loads(done.stdout.splitlines()[-1]))
    ratios = sorted(a / b for a, b in times)
    theirs, ours = (median(column) for column in zip(*times, strict=True))
    library = load_results(out)
    lines = [
        "## The nearest package: Samuel_Collins_CV_Benchmarking 2.0.0",
        "",
        wrap(
            f"The same {len(rows)} images in a folder per class, 64x64 pixels, one hold-out of a "
            f"fifth. The package takes {theirs:.1f} s, this one {ours:.1f} s: "
            f"**{median(ratios):.2f} times** as fast ({ratios[0]:.2f} to {ratios[-1]:.2f}). It "
            "trains two models more (a decision tree and a multi-layer perceptron), uses all cores "
            "for its forest, and computes no probabilities of its support vector machine; its "
            "network may stop early."
        ),
        "",
        "| model there | F1 | training, s | model here | F1 | training, s |",
        "|---|---|---|---|---|---|",
    ]
    names = ["Logistic Regression", "Random Forest", "SVM", "Simple CNN"]
    for name, model in zip(names, PEER_MODELS, strict=True):
        there = summary[summary["Model"].str.casefold() == name.casefold()].iloc[0]
        here = library[library["model"] == model].iloc[0]
        lines.append(
            f"| {name} | {there['Macro F1']:.3f} | {there['Training Time (s)']:.1f} | {model} | "
            f"{here['f1']:.3f} | {here['fit_s']:.1f} |"
        )
    return [*lines, ""]


def format_result(name: str, times: list[tuple[float, float]], metrics: pd.DataFrame) -> list[str]:
    """Return the lines of one dataset: times, and metrics beside each other."""
    ratios = sorted(a / b for a, b in times)
    by_hand, ours = (median(column) for column in zip(*times, strict=True))
    lines = [
        f"## {name}",
        "",
        f"{by_hand:.1f} s by hand, {ours:.1f} s here: **{median(ratios):.2f} times** as fast "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); mean macro F1 of all configurations "
        f"{metrics['f1 by hand'].mean():.3f} by hand and {metrics['f1 here'].mean():.3f} here. "
        f"{describe_fits(metrics)}",
        "",
        "| extractor | model | F1 by hand | F1 here | AUC by hand | AUC here | fit by hand, s "
        "| fit here, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (extractor, model), row in metrics.iterrows():
        values = [row[f"{m} {side}"] for m in ("f1", "auc") for side in ("by hand", "here")]
        seconds = [row[f"fit_s {side}"] for side in ("by hand", "here")]
        cells = [f"{value:.3f}" for value in values] + [f"{value:.2f}" for value in seconds]
        lines.append(f"| {extractor} | {model} | {' | '.join(cells)} |")
    return [*lines, ""]


def describe_fits(metrics: pd.DataFrame) -> str:
    """State the sums of the fits without the linear machine, which takes longest by hand."""
    others = metrics[~metrics.index.get_level_values("model").str.startswith("linear_svm")]
    by_hand, here = (others[f"fit_s {side}"].sum() for side in ("by hand", "here"))
    return (
        f"Without `linear_svm`, the fits of a fold take {by_hand:.1f} s by hand and {here:.1f} s "
        f"here: {by_hand / here:.2f} times."
    )


def main() -> None:
    """Run both sides in turn on both datasets, and write the page."""
    where = collect_environment()
    lines = [
        "# Whole studies against the same studies written by hand",
        "",
        wrap(
            "Written by `python tests/benchmarks/end_to_end.py`. By hand "
            "(`tests/benchmarks/by_hand.py`): features by scikit-image, models and metrics by "
            "scikit-learn, the network by torch with a `DataLoader`, one joblib job per fold on 2 "
            "cores. Here: `python -m benchmark run` with 2 workers. Same images, folds, models, "
            "parameters and metrics; probabilities of support vector machines come from 5 inner "
            "folds on both sides. Wall time of whole "
            f"processes, alternating; medians of {ROUNDS['digits']} rounds, the ratio with its "
            "range; one round of the longer study. One "
            "BLAS thread per process on both sides."
        ),
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        lesions = write_lesions(Path(folder))
        studies = {
            "Digits: 1,797 images of 8x8": load_study(name="digits", datasets=["digits"], **AXES),
            "HAM10000: 805 images of 64x64, 7 classes": load_study(
                name="lesions", datasets=[lesions], size=64, **AXES
            ),
        }
        for name, study in studies.items():
            place = Path(folder) / study.name
            place.mkdir()
            lines += format_result(name, *compare(study, place))
            print("\n".join(lines[-22:]), flush=True)  # noqa: T201
        lines += compare_with_peer(Path(folder))
    lines.append(
        f"Commit {where['git_commit'][:12]}, {where['processor']}, {where['cores']} cores, Python "
        f"{where['python']}, scikit-learn {where['libraries']['scikit-learn']}."
    )
    (ROOT / "results" / "end_to_end.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
