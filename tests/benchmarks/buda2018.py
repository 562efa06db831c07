"""Test the findings of Buda, Maki & Mazurowski (2018) at a size that two cores can compute.

``python tests/benchmarks/buda2018.py`` (about an hour) draws imbalanced samples of 10,000 training
images of CIFAR-10 (the paper: 50,000), trains a small CNN for 10 epochs (the paper: an All-CNN
until convergence) with three seeds, and writes ``results/buda2018.md``. Since ten epochs of an
under-sampled training set are few steps, the CNN is also trained on it for as many steps as on the
over-sampled one. ``$BENCHMARK_DATA`` must hold CIFAR-10. With a results folder as argument, nothing
is run and its rows are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from result_pages import wrap

from benchmark import load_results, load_study, run

DATA = "cifar10(n_train=10000)"
OUT = "results/buda2018"
EPOCHS = 10
# ratio: epochs in which the under-sampled training set (of 1,000 and 200 images) takes as many
# steps as the over-sampled one
STEPS = {10: 100, 50: 500}
UNDER = "random_under, as many steps"
METRICS = ("accuracy", "auc", "f1", "minimum_recall")
HEAD = """# Findings of Buda, Maki & Mazurowski (2018), tested again

`python tests/benchmarks/buda2018.py`: step imbalance (half of the classes rare) in 10,000 training
images of CIFAR-10, the whole balanced test set, a small CNN of two convolutions, 10 epochs; {seeds}
seeds, which also draw the rare classes. Means ± standard deviations over the seeds. The paper
trained an All-CNN on all of CIFAR-10 until convergence. AUC is one-vs-rest, on probabilities that
are divided by the class shares and then scaled to a sum of one; with more than two classes, this
can change the AUC.
"""


def main() -> None:
    """Evaluate the study, compare it with the paper, and write the page."""
    rows = load_results(sys.argv[1]) if len(sys.argv) > 1 else _run()
    rows = rows[(rows["status"] == "ok") & (rows["model"] != "majority")]
    rows = rows.assign(
        way=rows["strategy"].where(rows["strategy"] != "none", rows["model"].map(_plain))
    )
    rows.loc[
        rows["model"].isin([f"simple_cnn(epochs={epochs})" for epochs in STEPS.values()]), "way"
    ] = UNDER
    lines = [HEAD.format(seeds=rows["seed"].nunique()), "## Findings", "", *answers(rows), ""]
    for imbalance, group in rows.groupby("imbalance", sort=False):
        lines += [
            f"## {imbalance}: {group['n_train'].iloc[0]:,} training images",
            "",
            *table(group),
            "",
        ]
    where = rows["environment"].iloc[0]
    lines += [
        f"Rows of commit {where['git_commit'][:12]}, on {where['processor']}, {where['cores']} "
        "cores, busy with other work."
    ]
    Path("results/buda2018.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run() -> pd.DataFrame:
    cnn, balanced = f"simple_cnn(epochs={EPOCHS})", ["step(ratio=1)"]
    imbalanced = [f"step(ratio={ratio})" for ratio in STEPS]
    studies = [
        {"imbalances": balanced, "strategies": ["none"], "models": [cnn]},
        {"imbalances": imbalanced, "models": [cnn]},
        {
            "imbalances": imbalanced,
            "strategies": ["none"],
            "models": [f"simple_cnn(epochs={EPOCHS}, two_phase=True)"],
        },
        *(
            {
                "imbalances": [f"step(ratio={k})"],
                "strategies": ["random_under"],
                "models": [f"simple_cnn(epochs={n})"],
            }
            for k, n in STEPS.items()
        ),
    ]
    for axes in studies:
        run(load_study("buda2018", datasets=[DATA], **axes), out=OUT, jobs=2)
    return load_results(OUT)


def _plain(model: str) -> str:
    return "two-phase training" if "two_phase" in model else "none"


def table(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the Markdown table of one ratio, the highest accuracy first."""
    groups = rows.groupby("way")[[*METRICS, "fit_s"]]
    means, spreads = groups.mean(), groups.std()
    yield "| strategy | " + " | ".join(METRICS) + " | fit_s |"
    yield "|---" * (len(METRICS) + 2) + "|"
    for way, mean in means.sort_values("accuracy", ascending=False).iterrows():
        cells = [f"{mean[metric]:.3f} ±{spreads.loc[way, metric]:.3f}" for metric in METRICS]
        yield f"| {way} | {' | '.join(cells)} | {mean['fit_s']:.0f} |"


def answers(rows: pd.DataFrame) -> Iterator[str]:
    """Yield each finding of the paper with the differences measured here, paired by seed."""
    for finding, metric, better, worse, wanted in (
        ("Thresholding raises accuracy", "accuracy", "prior_threshold", "none", "up"),
        ("Thresholding leaves AUC as it is", "auc", "prior_threshold", "none", "same"),
        ("Over-sampling beats under-sampling", "accuracy", "random_over", "random_under", "up"),
        ("Over-sampling beats under-sampling", "auc", "random_over", "random_under", "up"),
        ("Over-sampling beats under-sampling", "accuracy", "random_over", UNDER, "up"),
        ("Over-sampling beats under-sampling", "auc", "random_over", UNDER, "up"),
        ("Over-sampling beats doing nothing", "auc", "random_over", "none", "up"),
        (
            "Thresholding adds to over-sampling",
            "accuracy",
            "random_over + prior_threshold",
            "random_over",
            "up",
        ),
        (
            "Two-phase training lies below over-sampling",
            "auc",
            "random_over",
            "two-phase training",
            "up",
        ),
    ):
        imbalanced = rows[rows["imbalance"] != "step(ratio=1)"]
        differences = [
            _difference(group, metric, better, worse, wanted)
            for _, group in imbalanced.groupby("imbalance", sort=False)
        ]
        yield wrap(
            f"- **{finding}** ({metric}, {better} minus {worse}): {'; '.join(differences)}.", "  "
        )


def _difference(rows: pd.DataFrame, metric: str, better: str, worse: str, wanted: str) -> str:
    """Format a ratio, its mean difference, that of each seed, and whether all seeds agree."""
    values = rows.pivot_table(index="seed", columns="way", values=metric)
    difference = values[better] - values[worse]
    if wanted == "up":
        agrees, against = (difference > 0).all(), (difference < 0).all()
    else:
        agrees, against = (difference.abs() < 0.01).all(), (difference.abs() >= 0.01).all()
    verdict = "agrees" if agrees else "disagrees" if against else "seeds differ"
    each = ", ".join(f"{value:+.3f}" for value in difference)
    return f"{rows['imbalance'].iloc[0]} {difference.mean():+.3f} ({each}): {verdict}"


if __name__ == "__main__":
    main()
