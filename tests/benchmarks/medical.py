"""Compare the best classical pipeline on BreastMNIST and RetinaMNIST with the published ResNet-18.

``python tests/benchmarks/medical.py`` (about 15 minutes) evaluates every pipeline below on the
official validation set with five seeds, takes the one with the highest mean of AUC and accuracy,
evaluates it once on the test set with the same seeds, and writes ``results/medical.md``.
``$BENCHMARK_DATA`` must hold the datasets; rows go to ``results/medical/``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from result_pages import wrap

from benchmark import load_study, run

# ResNet-18 (28), AUC and ACC, Yang et al. 2023, table 3
PUBLISHED = {"breastmnist": (0.901, 0.863), "retinamnist": (0.717, 0.524)}
SEEDS = [0, 1, 2, 3, 4]
HOG = "hog(pixels_per_cell=(7, 7), cells_per_block=(2, 2))"
PYRAMID = "laplacian_pyramid(grid=(4, 4))"
COLOR = "color_histogram(grid=(4, 4))"
SIFT = "sift_bovw(step=2, bin_sizes=(3, 4), sigma=0.5, root=True, levels=2)"
PATCHES = "kmeans_patches(root=True)"
LBP = "lbp(method='nri_uniform', grid=(4, 4))"
EXTRACTORS = [
    *("pixels", "pca(n_components=32)", HOG, "laplacian_pyramid", PYRAMID, COLOR, LBP, "glcm"),
    *("gabor(grid=(4, 4))", "gist", SIFT, PATCHES, f"{PYRAMID} + {HOG}", f"{PYRAMID} + gist"),
    f"laplacian_pyramid + glcm + {LBP}",
    f"{COLOR} + {PYRAMID} + {HOG}",
    f"{PATCHES} + {PYRAMID}",
]
MODELS = [
    *("rbf_svm", "rbf_svm(C=10)", "linear_svm(C=0.001)"),
    *("logistic_regression(C=0.001)", "logistic_regression(C=0.01)"),
    *("random_forest(n_estimators=500)", "gradient_boosting"),
    "knn(n_neighbors=15, weights='distance')",
]


def choose_pipeline(rows: pd.DataFrame) -> tuple[str, str]:
    """Find the extractor and model with the highest mean of AUC and accuracy over the seeds."""
    pipelines = rows[rows["status"] == "ok"].groupby(["extractor", "model"])
    return pipelines[["auc", "accuracy"]].mean().mean(axis=1).idxmax()


def spread(values: pd.Series) -> str:
    """Format mean and standard deviation over the seeds."""
    return f"{values.mean():.3f} ±{values.std():.3f}"


def main() -> None:
    """Choose the pipelines, test them, and write the table."""
    lines = [
        "# BreastMNIST and RetinaMNIST: classical pipelines against the published ResNet-18",
        "",
        wrap(
            f"Written by `python tests/benchmarks/medical.py`: {len(EXTRACTORS) * len(MODELS)} "
            "pipelines were evaluated on the official validation set (28x28 images, "
            f"{len(SEEDS)} seeds), and the one with the highest mean of AUC and accuracy there was "
            "evaluated once on the test set. Means ± standard deviations over the seeds, on which "
            "all random choices of a pipeline depend; a pipeline without random choices has a "
            "deviation of 0. ResNet-18 (28) as published by Yang et al., Scientific Data 10:41 "
            "(2023), one run."
        ),
        "",
        "| dataset | pipeline | validation AUC | validation ACC | test AUC | test ACC | ResNet-18 "
        "AUC | ResNet-18 ACC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (auc, accuracy) in PUBLISHED.items():
        study = load_study(
            "digits",
            name=f"{name}-validation",
            datasets=[name],
            extractors=EXTRACTORS,
            models=MODELS,
            seeds=SEEDS,
            split="validation",
        )
        rows = run(study, out="results/medical", jobs=2)
        extractor, model = choose_pipeline(rows)
        on_validation = rows[(rows["extractor"] == extractor) & (rows["model"] == model)]
        final = load_study(
            "digits",
            name=f"{name}-test",
            datasets=[name],
            extractors=[extractor],
            models=[model],
            seeds=SEEDS,
        )
        test = run(final, out="results/medical", jobs=2)
        cells = [
            spread(frame[metric])
            for frame in (on_validation, test)
            for metric in ("auc", "accuracy")
        ]
        lines.append(
            f"| {name} | {extractor}, {model} | {' | '.join(cells)} | {auc:.3f} | {accuracy:.3f} |"
        )
        print(lines[-1], flush=True)  # noqa: T201
    where = test["environment"].iloc[0]
    lines += [
        "",
        f"Rows of commit {where['git_commit'][:12]}, on {where['processor']}, {where['cores']} "
        "cores.",
    ]
    Path("results/medical.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
