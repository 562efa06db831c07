"""Recalibrate the probabilities after every sampler, on three imbalanced medical datasets.

``python tests/benchmarks/recalibration.py`` (about 15 minutes on two cores; stored cells are not
run again) evaluates every sampler of the registry, alone and before each recalibration, and writes
``results/recalibration.md``: AUC, log loss and calibration error before and after. The data folder
must hold ``ham10000/`` and the MedMNIST files; rows go to ``results/recalibration/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pandas as pd
from result_pages import wrap

from benchmark import load_study, run
from benchmark.scoring.intervals import corrected_t_over_folds
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.strategies import REGISTRY

DATASETS = {
    "BreastMNIST": {"datasets": ["breastmnist"]},
    "RetinaMNIST": {"datasets": ["retinamnist"]},
    "HAM10000": {
        "datasets": [
            "csv:ham10000/metadata.csv(image='images/{image_id}.jpg', label='dx', "
            "group='lesion_id')"
        ],
        "size": 64,
        "train_sizes": [1200],
        "models": ["logistic_regression(C=0.1)"],  # a forest would take half an hour
    },
}
EXTRACTOR = "color_histogram + laplacian_pyramid(coarse_size=2) + lbp + glcm"
MODELS = ["logistic_regression(C=0.1)", "random_forest(n_estimators=50)"]
PARAMETERS = {  # other than the defaults
    "kmeans_smote": "(cluster_balance_threshold=0.01)",  # by default it finds no suitable cluster
    "instance_hardness_threshold": "(cv=2)",  # by default it takes half of the time of this page
}
SAMPLERS = [
    name + PARAMETERS.get(name, "")
    for name, target in REGISTRY.items()
    if target.startswith("imblearn.") or ".resampling:" in target
]
RECALIBRATIONS = ["none", "prior_correction", "temperature", "isotonic"]
METRICS = {"auc": ("AUC", 1), "log_loss": ("log loss", -1), "ece": ("ECE", -1)}  # name, direction
ALPHA = 0.05
HEAD = """# Recalibration after resampling

`python tests/benchmarks/recalibration.py`: every sampler of the registry, alone and followed by
each recalibration, as in `smote + prior_correction`; stratified folds (5), with all images of a
lesion of HAM10000 in one fold, of which 1,200 training images are used per fold; features
`{extractor}`.
Samplers have their default parameters, but for `{parameters}`.

Each table has one line per sampler and, per metric, one column for the sampler alone (none) and one
for each recalibration. Values are means over the folds. An asterisk marks a recalibration that
differs from the same sampler alone: p < {alpha} of the corrected resampled t-test over the folds
(Nadeau & Bengio 2003), by Holm over the samplers of the column. ECE is the expected calibration
error of the predicted class, in 15 bins. Cells are empty where a fold has no value, and for
`prior_correction` without a sampler, which would change nothing and was not run.
`prior_correction` learns nothing from held-out images;
`temperature` and `isotonic` learn from inner folds of the training set, in which the sampler is
applied to the training images only.
"""


def strategy_label(sampler: str, recalibration: str) -> str:
    """Label of a sampler with a recalibration, in which 'none' is left out."""
    return " + ".join(name for name in (sampler, recalibration) if name != "none") or "none"


def evaluate_dataset(name: str, keys: dict) -> pd.DataFrame:
    """Evaluate all strategies on one dataset; one row per cell."""
    labels = [
        strategy_label(sampler, recalibration)
        for sampler in ["none", *SAMPLERS]
        for recalibration in RECALIBRATIONS
        if (sampler, recalibration) != ("none", "prior_correction")  # would change nothing
    ]
    study = load_study(
        "digits",
        name=f"recalibration-{name.lower()}",
        extractors=[EXTRACTOR],
        strategies=labels,
        split="stratified_kfold(folds=5)",
        **({"models": MODELS} | keys),
    )
    return run(study, out=f"results/recalibration/{name}", jobs=2).assign(name=name)


class Table:
    """Values of one dataset and model: by metric, a frame of samplers and recalibrations.

    Parameters
    ----------
    rows : DataFrame
        One row per strategy and fold.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        statuses = rows.groupby("strategy")["status"].agg(lambda values: values.eq("ok").all())
        self.complete = {strategy for strategy, is_complete in statuses.items() if is_complete}

    @property
    def n_classes(self) -> int:
        """Number of classes of the dataset."""
        return len(self.rows["per_class"].dropna().iloc[0])

    def by_fold(self, metric: str, sampler: str, recalibration: str) -> pd.Series | None:
        """Values by fold, or None where cells have no result."""
        label = strategy_label(sampler, recalibration)
        if label not in self.complete:
            return None
        return self.rows[self.rows["strategy"] == label].set_index("fold")[metric].sort_index()

    def effects(
        self, metric: str, recalibration: str, reference: str | None = None
    ) -> dict[str, tuple[float, bool]]:
        """Difference to a reference by sampler, and whether it is significant.

        The reference is the same sampler alone, or the given strategy.
        """
        results = {}
        for sampler in SAMPLERS:
            values = self.by_fold(metric, sampler, recalibration)
            before = (
                self.by_fold(metric, sampler, "none")
                if reference is None
                else self.by_fold(metric, "none", reference)
            )
            if values is None or before is None:
                continue
            results[sampler] = corrected_t_over_folds(
                values - before, self.rows["n_images"], self.rows["n_test"]
            )
        # no t-test where all folds differ equally, as the AUC of two classes after temperature
        p = [1.0 if result.refusal else result.p_value for result in results.values()]
        return {
            sampler: (result.effect, bool(corrected < ALPHA))
            for (sampler, result), corrected in zip(results.items(), adjust_by_holm(p), strict=True)
        }

    def lines(self) -> Iterator[str]:
        """Lines of the Markdown table."""
        columns = [
            f"{title}: {name}" if name == "none" else name
            for title, _ in METRICS.values()
            for name in RECALIBRATIONS
        ]
        yield f"| sampler | {' | '.join(columns)} |"
        yield "|---" * (len(columns) + 1) + "|"
        stars = {
            (metric, name): self.effects(metric, name)
            for metric in METRICS
            for name in RECALIBRATIONS[1:]
        }
        for sampler in ["none", *SAMPLERS]:
            cells = []
            for metric in METRICS:
                for name in RECALIBRATIONS:
                    values = self.by_fold(metric, sampler, name)
                    star = stars.get((metric, name), {}).get(sampler, (0, False))[1]
                    cells.append("" if values is None else f"{values.mean():.3f}{'*' * star}")
            yield f"| {sampler.partition('(')[0]} | {' | '.join(cells)} |"

    def reasons(self) -> Iterator[str]:
        """One line of a list per sampler without values in all folds."""
        missing = self.rows[self.rows["status"] != "ok"]
        for sampler, cells in missing.groupby(
            missing["strategy"].str.split(" + ", regex=False).str[0]
        ):
            folds = cells.groupby("strategy").size()
            yield wrap(
                f"- `{sampler}` has no values on up to {folds.max()} of "
                f"{self.rows['fold'].nunique()} folds, depending on the recalibration after it. "
                "The first reason is: "
                f"{cells['reason'].iloc[0]}",
                "  ",
            )


def compare_with_same_sampler(tables: dict[tuple[str, str], Table]) -> Iterator[str]:
    """One sentence per metric: what each recalibration changes after the samplers."""
    for metric, (title, direction) in METRICS.items():
        counted = [
            {name: table.effects(metric, name) for name in RECALIBRATIONS[1:]}
            for table in tables.values()
            if metric != "auc" or table.n_classes > 2
        ]
        yield describe_changes(title, direction, counted)


def describe_changes(
    title: str, direction: int, tables: list[dict[str, dict[str, tuple[float, bool]]]]
) -> str:
    """Describe what recalibrations change, on the lines that all of them have.

    Parameters
    ----------
    title : str
        Name of the metric.
    direction : int
        1 if higher is better, or else -1.
    tables : list of dict
        Per table and recalibration, the effects by sampler, as of ``Table.effects``.
    """
    effects: dict[str, list[tuple[float, bool]]] = {name: [] for name in RECALIBRATIONS[1:]}
    for table in tables:
        common = set.intersection(*(set(table[name]) for name in effects))
        for name, of_name in effects.items():
            of_name += [table[name][sampler] for sampler in sorted(common)]
    parts = []
    for name, of_name in effects.items():
        better = sum(is_real and direction * effect > 0 for effect, is_real in of_name)
        worse = sum(is_real and direction * effect < 0 for effect, is_real in of_name)
        middle = median(effect for effect, _ in of_name)
        parts.append(
            f"`{name}` improves {better} lines significantly and worsens {worse} (median change "
            f"{middle:+.3f})"
        )
    n = len(effects[RECALIBRATIONS[1]])
    which = (
        "lines of datasets with more than two classes"
        if title == METRICS["auc"][0]
        else "lines of samplers"
    )
    return wrap(
        f"- **{title}**, against the same sampler alone, on the {n} {which} on which all three "
        f"recalibrations have values: {'; '.join(parts)}.",
        "  ",
    )


def compare_with_no_sampler(tables: dict[tuple[str, str], Table]) -> Iterator[str]:
    """One sentence per metric: whether a sampler is worth it at all."""
    for metric, (title, direction) in METRICS.items():
        parts = []
        for name in RECALIBRATIONS:
            reference = "none" if name == "prior_correction" else name
            effects = [
                effect
                for table in tables.values()
                for effect in table.effects(metric, name, reference).values()
            ]
            better = sum(is_real and direction * effect > 0 for effect, is_real in effects)
            worse = sum(is_real and direction * effect < 0 for effect, is_real in effects)
            how = "alone" if name == "none" else f"with `{name}`"
            parts.append(f"{how} {better} of {len(effects)} are better and {worse} worse")
        yield wrap(
            f"- **{title}**, against no sampler: {'; '.join(parts)}. With `temperature` and "
            "`isotonic`, the model without a sampler is recalibrated in the same way.",
            "  ",
        )


def main() -> None:
    """Evaluate the datasets and write the page."""
    rows = pd.concat([evaluate_dataset(name, keys) for name, keys in DATASETS.items()])
    tables = {key: Table(cells) for key, cells in rows.groupby(["name", "model"], sort=False)}
    lines = [
        HEAD.format(
            extractor=EXTRACTOR,
            alpha=ALPHA,
            parameters="`\nand `".join(name + given for name, given in PARAMETERS.items()),
        ),
        "## Findings",
        "",
        *compare_with_same_sampler(tables),
        *compare_with_no_sampler(tables),
        "",
    ]
    for (name, model), table in tables.items():
        per_class = pd.DataFrame(list(table.rows.drop_duplicates("fold")["per_class"]))
        support = per_class.map(lambda metrics: metrics["support"]).sum()
        lines += [
            f"## {name}, {model}",
            "",
            wrap(
                f"{support.sum():,.0f} images of {len(support)} classes ({support.min():.0f} to "
                f"{support.max():,.0f} images each), {table.rows['shape'].dropna().iloc[0]}."
            ),
            "",
            *table.lines(),
            "",
        ]
        reasons = list(table.reasons())
        lines += [*reasons, ""] if reasons else []
    environment = rows["environment"].iloc[0]
    lines.append(
        f"Rows of commit {environment['git_commit'][:12]}, on {environment['processor']}, "
        f"{environment['cores']} cores."
    )
    Path("results/recalibration.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
