"""Compare tuned classical configurations with tuned networks at equal effort, on five datasets.

``python tests/benchmarks/fair_comparison.py`` (two to three hours on two cores) writes
``results/fair_comparison.md``. ``$BENCHMARK_DATA`` must hold the datasets; rows go to
``results/fair_comparison_rows/``, and a second run continues there. ``--only NAME...`` runs some of
the datasets; the page has all that are complete.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from real_images import write_sample
from result_pages import wrap

from benchmark import load_results, load_study, run
from benchmark.reporting.text_tables import find_view, render_tables
from benchmark.results.folder import ResultsFolder
from models.resnet import ResNet18

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "results" / "fair_comparison_rows"
METRIC = "f1"
ANSWER = "- Classical against deep: "  # beginning of a line below a leaderboard
SECONDS = 60  # of tuning per cell
TEXTURES = (
    "color_histogram(grid=(2, 2)) + laplacian_pyramid(grid=(2, 2)) + lbp(method='nri_uniform') + "
    "glcm"
)
PIPELINES = {
    "hog(pixels_per_cell='auto', cells_per_block=(2, 2))": ["linear_svm(C=0.001)", "rbf_svm(C=10)"],
    TEXTURES: ["linear_svm(C=0.001)", "rbf_svm(C=10)", "random_forest"],
    "pretrained": ["linear_svm(C=0.001)", "rbf_svm(C=10)"],
}
NETWORKS = [
    "simple_cnn(max_side=32)",
    "fast_resnet(batch_size=32, epochs=20, max_side=24)",
    "resnet18(epochs=3, max_side=24)",
]
# 10 epochs and more, which it declares, take longer than a cell has for tuning
RESNET18_SPACE = {
    name: ResNet18.search_space[name] for name in ("learning_rate", "weight_decay", "augmentation")
}
SEEDS = {"seeds": [0, 1, 2, 3, 4]}
FOLDS = {"split": "stratified_kfold(folds=5)"}
# name -> (name of the sample, or None for the dataset itself; keys of the study)
DATASETS = {
    "breastmnist": (None, SEEDS),
    "retinamnist": (None, SEEDS),
    "ham10000": ("ham10000", {**FOLDS, "size": 64}),
    "malaria": ("malaria", {**FOLDS, "size": 48}),
    "white_blood_cells": ("white_blood_cells", {**FOLDS, "size": 64}),
}


def run_dataset(name: str, folder: Path) -> None:
    """Evaluate all configurations on one dataset, each with and without tuning."""
    sample, keys = DATASETS[name]
    study = load_study(
        "digits",
        name=name.replace("_", "-"),
        datasets=[write_sample(sample, folder) if sample else name],
        models=["majority", *NETWORKS],
        tunings=["none", f"random(n=25, seconds={SECONDS})"],
        pipelines=[
            {"extractor": extractor, "model": model}
            for extractor, models in PIPELINES.items()
            for model in models
        ],
        extractors=[],
        search_spaces={"resnet18": RESNET18_SPACE},
        **keys,
    )
    run(study.model_copy(update={"extractors": ()}), out=ROWS / name, jobs=2)


def describe_dataset(name: str) -> list[str]:
    """Return the section of one dataset: the leaderboard with its sentences, and the tuning."""
    rows, read = load_results(ROWS / name), ResultsFolder(ROWS / name).read_predictions
    leaderboard = render_tables(rows, "md", METRIC, "leaderboard", read)
    tuning = find_view("tuning")
    ((_, table),) = tuning.make_tables(rows, METRIC, read)
    columns = ["model", "extractor", "gain", "inner", "outer", "candidates", "tune_s", "chosen"]
    text = tuning.format_table(table)[columns]
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(map(str, line))} |" for line in text.itertuples(index=False)]
    text = "\n".join([f"## {name}", "", leaderboard.strip(), "", *lines, ""])
    text = text.replace("### ", "", 1).replace(TEXTURES, "textures")
    return re.sub("-{4,}", "---", re.sub(" {2,}", " ", text)).splitlines()


def main() -> None:
    """Run the datasets, and write the page of all that have rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[*DATASETS], choices=[*DATASETS])
    for name in parser.parse_args().only:
        with tempfile.TemporaryDirectory() as folder:
            run_dataset(name, Path(folder))
    head = wrap(
        "Written by `python tests/benchmarks/fair_comparison.py`. Every configuration as it is "
        f"listed and tuned with at most 25 candidates and {SECONDS} s per cell (extraction, fits "
        "and predictions of the candidates), the same for classical configurations and networks; "
        "networks end with fewer, see `candidates`. BreastMNIST and RetinaMNIST: official split, 5 "
        "seeds, tuned on the validation set. The others: samples of at most 800 images, 5 folds "
        "(lesions and patients kept together), tuned on 3 inner folds. `inner` and `outer` are log "
        f"loss. The epochs of resnet18 are not tuned. `textures` is short for {TEXTURES}."
    )
    sections = {name: describe_dataset(name) for name in DATASETS if (ROWS / name).exists()}
    answers = [
        f"- {name}: {line.removeprefix(ANSWER)}"
        for name, lines in sections.items()
        for line in lines
        if line.startswith(ANSWER)
    ]
    where = load_results(ROWS / next(iter(sections)))["environment"].iloc[0]
    foot = (
        f"Rows: commit {where['git_commit'][:12]}, {where['processor']}, {where['cores']} cores, "
        f"Python {where['python']}."
    )
    lines = ["# Classical against deep, at equal effort", "", head, "", *answers, ""]
    lines += [line for section in sections.values() for line in section]
    page = "\n".join([*lines, foot])
    (ROOT / "results" / "fair_comparison.md").write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
