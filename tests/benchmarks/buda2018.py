"""The findings of Buda, Maki & Mazurowski (2018) looked for at a size that two cores can carry.

``python tests/benchmarks/buda2018.py`` (about an hour) makes imbalanced parts of 10,000 training
images of CIFAR-10 (their 50,000), trains a small CNN for 10 epochs (theirs: an All-CNN, trained to
the end) with three seeds, and writes ``results/buda2018.md``. Ten epochs of an under-sampled part
are few steps, so it is also trained for as many steps as the over-sampled one. ``$BENCHMARK_DATA``
holds CIFAR-10. With the name of a results folder nothing is run, and its rows are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmark import load_results, load_study, run

DATA = "cifar10(n_train=10000)"
OUT = "results/buda2018"
EPOCHS = 10
STEPS = {
    10: 100,
    50: 500,
}  # epochs in which the under-sampled part, of 1,000 and 200 images, makes as many steps as the over-sampled one
UNDER = "random_under, as many steps"
METRICS = ("accuracy", "auc", "f1", "minimum_recall")
HEAD = """# Findings of Buda, Maki & Mazurowski (2018), looked for

`python tests/benchmarks/buda2018.py`: step imbalance (half of the classes rare) made of 10,000 training images of CIFAR-10, the whole
balanced test set, a small CNN of two convolutions, 10 epochs; {seeds} seeds, which also draw the rare classes. Means ± standard deviations
over the seeds. The paper trained an All-CNN on all of CIFAR-10, to the end. AUC is of one class against the rest, on probabilities that are
scaled to a sum of one after they are divided by the class shares: with more than two classes that may change it.
"""


def main() -> None:
    """Run, tabulate, answer, write."""
    rows = load_results(sys.argv[1]) if len(sys.argv) > 1 else _run()
    rows = rows[(rows["status"] == "ok") & (rows["model"] != "majority")]
    rows = rows.assign(
        way=rows["strategy"].where(rows["strategy"] != "none", rows["model"].map(_plain))
    )
    rows.loc[
        rows["model"].isin([f"simple_cnn(epochs={epochs})" for epochs in STEPS.values()]), "way"
    ] = UNDER
    parts = [HEAD.format(seeds=rows["seed"].nunique()), "## What was found", "", *answers(rows), ""]
    for imbalance, group in rows.groupby("imbalance", sort=False):
        parts += [
            f"## {imbalance}: {group['n_train'].iloc[0]:,} training images",
            "",
            *table(group),
            "",
        ]
    where = rows["environment"].iloc[0]
    parts += [
        f"Rows of commit {where['git_commit'][:12]}, on {where['processor']}, {where['cores']} "
        "cores, busy with other work."
    ]
    Path("results/buda2018.md").write_text("\n".join(parts) + "\n", encoding="utf-8")


def _run() -> pd.DataFrame:
    cnn, balanced = f"simple_cnn(epochs={EPOCHS})", ["step(ratio=1)"]
    imbalanced = [f"step(ratio={ratio})" for ratio in STEPS]
    parts = [
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
    for part in parts:
        run(load_study("buda2018", datasets=[DATA], **part), out=OUT, jobs=2)
    return load_results(OUT)


def _plain(model: str) -> str:
    return "two-phase training" if "two_phase" in model else "none"


def table(rows: pd.DataFrame) -> Iterator[str]:
    """Lines of the Markdown table of one ratio, the highest accuracy first."""
    of = rows.groupby("way")[[*METRICS, "fit_s"]]
    means, spreads = of.mean(), of.std()
    yield "| strategy | " + " | ".join(METRICS) + " | fit_s |"
    yield "|---" * (len(METRICS) + 2) + "|"
    for way, mean in means.sort_values("accuracy", ascending=False).iterrows():
        cells = [f"{mean[metric]:.3f} ±{spreads.loc[way, metric]:.3f}" for metric in METRICS]
        yield f"| {way} | {' | '.join(cells)} | {mean['fit_s']:.0f} |"


def answers(rows: pd.DataFrame) -> Iterator[str]:
    """Findings of the paper, each with the figures found here, paired by seed."""
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
        found = [
            _difference(group, metric, better, worse, wanted)
            for _, group in imbalanced.groupby("imbalance", sort=False)
        ]
        yield f"- **{finding}** ({metric}, {better} minus {worse}): {'; '.join(found)}."


def _difference(rows: pd.DataFrame, metric: str, better: str, worse: str, wanted: str) -> str:
    """Ratio, mean difference, each seed's, and whether all seeds agree with the finding."""
    of = rows.pivot_table(index="seed", columns="way", values=metric)
    found = of[better] - of[worse]
    agrees = (found > 0).all() if wanted == "up" else (found.abs() < 0.01).all()
    against = (found < 0).all() if wanted == "up" else (found.abs() >= 0.01).all()
    verdict = "agrees" if agrees else "disagrees" if against else "seeds differ"
    each = ", ".join(f"{value:+.3f}" for value in found)
    return f"{rows['imbalance'].iloc[0]} {found.mean():+.3f} ({each}): {verdict}"


if __name__ == "__main__":
    main()
