"""Compare ``resnet18`` on BreastMNIST and RetinaMNIST with the published values of ResNet-18.

``python tests/benchmarks/resnet.py`` (about 90 minutes on one core) evaluates the recipes below on
the official validation set with one seed, takes the one with the higher mean of AUC and accuracy,
evaluates it once on the test set with three seeds, and writes ``results/resnet.md``.
``$BENCHMARK_DATA`` must hold the datasets; rows go to ``results/resnet/``.
"""

from __future__ import annotations

from pathlib import Path

from medical import PUBLISHED, spread
from result_pages import wrap

from benchmark import load_study, run

RECIPES = [
    "resnet18(batch_size=32, epochs=20)",
    "resnet18(augmentation=('flip', 'shift'), batch_size=32, epochs=20)",
]
SEEDS = [0, 1, 2]


def main() -> None:
    """Choose the recipes, test them, and write the table."""
    lines = [
        "# BreastMNIST and RetinaMNIST: resnet18 trained here against the published ResNet-18",
        "",
        wrap(
            "Written by `python tests/benchmarks/resnet.py`: two recipes, "
            f"{' and '.join(f'`{recipe}`' for recipe in RECIPES)}, were evaluated on the official "
            "validation set (28x28 images, seed 0), and the one with the higher mean of AUC and "
            "accuracy there was evaluated once on the test set. Means ± standard deviations over "
            f"{len(SEEDS)} seeds. ResNet-18 (28) as published by Yang et al., Scientific Data "
            "10:41 (2023)."
        ),
        "",
        "| dataset | chosen | validation AUC, ACC of each recipe | test AUC | test ACC | "
        "published AUC | published ACC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (auc, accuracy) in PUBLISHED.items():
        axes = {
            "datasets": [name],
            "split": "validation",
            "extractors": [],
            "models": RECIPES,
            "seeds": SEEDS[:1],
        }
        rows = run(
            load_study("digits", name=f"{name}-validation", **axes), out="results/resnet", jobs=1
        ).set_index("model")
        means = rows[["auc", "accuracy"]].mean(axis=1)
        chosen = load_study(
            "digits", name=f"{name}-test", datasets=[name], models=[means.idxmax()], seeds=SEEDS
        )
        test = run(chosen, out="results/resnet", jobs=1)
        validation = "; ".join(
            f"{rows.loc[recipe, 'auc']:.3f}, {rows.loc[recipe, 'accuracy']:.3f}"
            for recipe in rows.index
        )
        cells = f"{spread(test['auc'])} | {spread(test['accuracy'])} | {auc:.3f} | {accuracy:.3f}"
        lines.append(f"| {name} | `{means.idxmax()}` | {validation} | {cells} |")
        print(lines[-1], flush=True)  # noqa: T201
    where = test["environment"].iloc[0]
    lines += [
        "",
        f"Rows of commit {where['git_commit'][:12]}, on {where['processor']}, {where['cores']} "
        "cores.",
    ]
    Path("results/resnet.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
