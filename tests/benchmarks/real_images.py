"""Compare candidates for the suite ``real_images`` on five medical datasets.

``python tests/benchmarks/real_images.py`` takes about an hour on two cores, and writes
``results/real_images.md``. ``$BENCHMARK_DATA`` must hold the datasets; rows go to
``results/real_images_rows/``, and a second run continues there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from result_pages import wrap

from benchmark import load_study, run
from benchmark.datasets.base import data_folder
from benchmark.utils.environment import collect_environment

ROOT = Path(__file__).parents[2]
N_IMAGES = 800
SIFT = "sift_bovw(bin_sizes=(4, 8), sigma=0.5, root=True, {})"
HOG = "hog(pixels_per_cell='auto', cells_per_block=(2, 2))"
TEXTURES = (
    "color_histogram(grid={0}) + laplacian_pyramid(grid={0}) + lbp(method='nri_uniform') + glcm"
)
FISHER = SIFT.format("encoding='fisher', n_words=32")
EXTRACTORS = {
    FISHER: ["linear_svm(C=0.0001)", "rbf_svm(C=10, standardize=False)"],
    SIFT.format("encoding='vlad', n_words=64"): ["linear_svm(C=0.0001)", "rbf_svm(C=10)"],
    SIFT.format("n_words=500, levels=2"): ["linear_svm(C=0.001)", "rbf_svm(C=10)"],
    HOG: ["linear_svm(C=0.001)", "rbf_svm(C=10)"],
    TEXTURES.format("(2, 2)"): ["linear_svm(C=0.001)", "rbf_svm(C=10)", "random_forest"],
    TEXTURES.format("(4, 4)"): ["linear_svm(C=0.001)", "rbf_svm(C=10)"],
    "kmeans_patches(n_centroids=200, n_sampled=20000, stride=2, root=True)": [
        *("linear_svm(C=0.001)", "rbf_svm(C=10)")
    ],
    "gist": ["linear_svm(C=0.01)", "rbf_svm(C=10)"],
    "pretrained": ["logistic_regression(C=0.01)", "linear_svm(C=0.001)", "rbf_svm(C=10)"],
}
NETWORKS = [
    "simple_cnn(max_side=32)",
    "fast_resnet(epochs=20, batch_size=32, max_side=32)",
    "fast_resnet(epochs=20, batch_size=32, max_side=24)",
]
SOURCES = {
    "ham10000": ("dx", "images/{image_id}.jpg", "lesion_id"),
    "malaria": ("label", "{image}", "group"),
    "brain_mri": ("label", "{image}", None),
    "covid_radiography": ("label", "{image}", None),
    "white_blood_cells": ("label", "{image}", None),
}


def write_sample(name: str, folder: Path) -> str:
    """Write a CSV of at most 800 images, and return the dataset that it describes.

    Those of HAM10000 are 115 per class, as many as its rarest class has; of the other datasets they
    are drawn at random.
    """
    label, image, group = SOURCES[name]
    source = data_folder() / name
    rows = pd.read_csv(source / "metadata.csv")
    if name == "ham10000":
        rows = rows.groupby(label).sample(115, random_state=0)
    rows = rows.sample(min(N_IMAGES, len(rows)), random_state=0).sort_index()
    paths = [str(source / image.format(**row)) for row in rows.to_dict("records")]
    table = pd.DataFrame({"image": paths, "label": rows[label].to_numpy()})
    if group:
        table["group"] = rows[group].to_numpy()
    file = folder / f"{name}.csv"
    table.to_csv(file, index=False)
    return f"csv:{file}(allow_outside=True, name='{name}')"


def format_table(rows: pd.DataFrame, chosen: set[tuple[str, str]]) -> list[str]:
    """One line per configuration, best mean F1 over the datasets first."""
    by = ["extractor", "model"]
    f1 = rows.pivot_table(index=by, columns="dataset", values="f1", aggfunc="mean")[[*SOURCES]]
    auc = rows.groupby([*by, "dataset"])["auc"].mean().groupby(by).mean()
    seconds = rows.groupby(by)[["extract_s", "fit_s", "predict_s"]].mean()
    lines = [
        f"| configuration | {' | '.join(SOURCES)} | mean F1 | mean AUC | fit + predict, s |",
        f"|---|{'---|' * len(SOURCES)}---|---|---|",
    ]
    for key in f1.mean(axis=1).sort_values(ascending=False).index:
        name = f"{key[0]}, {key[1]}" if key[0] != "images" else key[1]
        name = f"**{name}**" if key in chosen else name
        values = " | ".join(f"{value:.3f}" for value in f1.loc[key])
        fit = seconds.loc[key, ["fit_s", "predict_s"]].sum()
        lines.append(
            f"| {name} | {values} | {f1.loc[key].mean():.3f} | {auc[key]:.3f} | {fit:.2f} |"
        )
    return lines


def main() -> None:
    """Run every candidate on every dataset, and write the table."""
    folder = ROOT / "results" / "real_images_rows"
    folder.mkdir(exist_ok=True)
    study = load_study(
        "digits",
        name="candidates",
        datasets=[write_sample(name, folder) for name in SOURCES],
        split="stratified_kfold(folds=5)",
        models=["majority", *NETWORKS],
        pipelines=[
            {"extractor": extractor, "model": model}
            for extractor, models in EXTRACTORS.items()
            for model in models
        ],
        extractors=[],
    )
    rows = run(study.model_copy(update={"extractors": ()}), out=folder, jobs=2)
    rows = rows[rows["status"] == "ok"]
    suite = load_study("real_images")
    pairs = rows[["extractor", "model"]].drop_duplicates().itertuples(index=False, name=None)
    chosen = {pair for pair in pairs if is_in(suite, *pair)}
    where = collect_environment()
    lines = [
        "# Candidates for the suite `real_images`",
        "",
        wrap(
            "Written by `python tests/benchmarks/real_images.py`. Macro F1, mean of 5 stratified "
            "folds (lesions and patients kept together), on samples of at most 800 images: "
            "HAM10000 with 115 images of each of 7 classes at 128 px, malaria at 50 px, brain_mri, "
            "covid_radiography and white_blood_cells (299 images) at 96 px. The configurations of "
            "the suite are in bold. The last column is mean seconds per fold of one worker."
        ),
        "",
        *format_table(rows, chosen),
        "",
        f"Commit {where['git_commit'][:12]}, {where['processor']}, {where['cores']} cores, Python "
        f"{where['python']}.",
    ]
    (ROOT / "results" / "real_images.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_in(suite, extractor: str, model: str) -> bool:
    """Whether a configuration is in the suite."""
    pairs = {(pair["extractor"], pair["model"]) for pair in suite.to_lists()["pipelines"]}
    return (extractor, model) in pairs or (
        extractor == "images" and model in suite.to_lists()["models"]
    )


if __name__ == "__main__":
    sys.exit(main())
