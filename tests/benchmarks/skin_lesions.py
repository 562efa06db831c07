"""Every strategy on the skin lesions of HAM10000, against doing nothing: intervals and the corrected t-test over five folds.

``python tests/benchmarks/skin_lesions.py`` runs the suite ``skin_lesions`` (an hour or two; what is
stored is not run again) and writes ``results/skin_lesions.md``. ``$BENCHMARK_DATA`` holds
``ham10000/``; rows go to ``results/skin_lesions/``. With the name of a results folder nothing is
run, and its rows are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmark import load_results, load_study, run
from benchmark.scoring.intervals import corrected_t_over_folds
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.scoring.significance import Result

METRICS = ("f1", "balanced_accuracy", "minimum_recall", "auc")
TESTED = ("f1", "balanced_accuracy")
HEAD = """# Skin lesions: every strategy against none

`python tests/benchmarks/skin_lesions.py`: HAM10000 (Tschandl, Rosendahl & Kittler 2018), {n} images of {classes} classes
({least} to {most} images each), {shape}, {folds} stratified folds, the images of one lesion in one fold; features
`{extractor}`.
Means over the folds. Differences are those to `none` with the same model, with 95% interval and p of the corrected resampled t-test
(Nadeau & Bengio 2003); * marks p < 0.05 after Holm's correction over the {n_strategies} strategies tested with that model and metric;
s is seconds of resampling and fitting a fold, on one thread of a machine that may have been busy.
"""


def main() -> None:
    """Run, test, write."""
    rows = load_results(sys.argv[1]) if len(sys.argv) > 1 else run("skin_lesions", jobs=2)
    rows = rows[
        rows["strategy"].isin(load_study("skin_lesions").to_lists()["strategies"])
    ]  # a folder may hold others, too
    models = [model for model in rows["model"].unique() if model != "majority"]
    tested = {
        (model, metric): against_none(rows[rows["model"] == model], metric)
        for model in models
        for metric in TESTED
    }
    parts = [
        head(rows, len(next(iter(tested.values())))),
        "## What the data says",
        "",
        *sentences(rows, tested),
        "",
    ]
    for model in models:
        parts += [f"## {model}", "", *table(rows, model, tested), ""]
    environment = rows["environment"].iloc[0]
    parts += [
        f"Rows of commit {environment['git_commit'][:12]}, on {environment['processor']}, "
        f"{environment['cores']} cores."
    ]
    Path("results/skin_lesions.md").write_text("\n".join(parts) + "\n", encoding="utf-8")


def head(rows: pd.DataFrame, n_strategies: int) -> str:
    """Data and protocol, in words."""
    classes = (
        pd.DataFrame(list(rows.drop_duplicates("fold")["per_class"]))
        .map(lambda of: of["support"])
        .sum()
    )
    return HEAD.format(
        n=int(classes.sum()),
        classes=len(classes),
        least=int(classes.min()),
        most=int(classes.max()),
        folds=rows["fold"].nunique(),
        extractor=next(label for label in rows["extractor"] if label != "images"),
        n_strategies=n_strategies,
        shape=rows["shape"].dropna().iloc[0],
    )


def against_none(rows: pd.DataFrame, metric: str) -> dict[str, tuple[Result, float]]:
    """Result of the corrected t-test against none, and p after Holm's correction, by strategy."""
    done = rows[rows["status"] == "ok"].pivot_table(index="fold", columns="strategy", values=metric)
    strategies = [
        name
        for name in rows["strategy"].unique()
        if name != "none" and name in done and done[name].notna().all()
    ]
    found = {
        name: corrected_t_over_folds(done[name] - done["none"], rows["n_images"], rows["n_test"])
        for name in strategies
    }
    corrected = adjust_by_holm([result.p_value for result in found.values()])
    return {name: (result, p) for (name, result), p in zip(found.items(), corrected, strict=True)}


def table(
    rows: pd.DataFrame, model: str, tested: dict[tuple[str, str], dict[str, tuple[Result, float]]]
) -> Iterator[str]:
    """Lines of the Markdown table of one model, the highest first metric first."""
    mine = rows[rows["model"] == model]
    complete = mine.groupby("strategy")["status"].transform(
        lambda statuses: statuses.eq("ok").all()
    )
    means = mine[complete].groupby("strategy")[[*METRICS, "fit_s", "resample_s"]].mean()
    reasons: list[str] = []
    yield (
        "| strategy | "
        + " | ".join(METRICS)
        + " | "
        + " | ".join(f"{metric}: difference, interval, p" for metric in TESTED)
        + " | s |"
    )
    yield "|---" * (len(METRICS) + len(TESTED) + 2) + "|"
    for name, mean in means.sort_values(METRICS[0], ascending=False).iterrows():
        cells = [
            *(f"{mean[metric]:.3f}" for metric in METRICS),
            *(difference(tested[model, metric].get(str(name))) for metric in TESTED),
        ]
        yield f"| {name} | {' | '.join(cells)} | {mean['fit_s'] + mean['resample_s']:.1f} |"
    for name, missing in mine[mine["status"] != "ok"].groupby("strategy"):
        yield f"| {name} {'| ' * (len(METRICS) + len(TESTED) + 2)}|"
        reasons.append(
            f"`{name}` has no figures: {missing['reason'].iloc[0]} ({len(missing)} of "
            f"{mine['fold'].nunique()} folds)."
        )
    yield from ("", *reasons) if reasons else ()


def difference(found: tuple[Result, float] | None) -> str:
    """One cell: '+0.012 (0.003 to 0.021), p = 0.01 *'."""
    if found is None:
        return ""
    result, corrected = found
    if result.refusal:
        return f"{result.effect:+.3f}, refused: {result.refusal}"
    p = "p < 0.001" if result.p_value < 0.001 else f"p = {result.p_value:.2g}"
    return f"{result.effect:+.3f} ({result.lower:+.3f} to {result.upper:+.3f}), {p}" + (
        " *" if corrected < 0.05 else ""
    )


def sentences(
    rows: pd.DataFrame, tested: dict[tuple[str, str], dict[str, tuple[Result, float]]]
) -> Iterator[str]:
    """What the tests say, one sentence for each metric tested, and one for the cost of it."""
    for metric in TESTED:
        parts = []
        for model in dict.fromkeys(model for model, _ in tested):
            found = tested[model, metric]
            up, down = (
                [
                    name
                    for name, (result, p) in found.items()
                    if p < 0.05 and (result.effect > 0) == better
                ]
                for better in (True, False)
            )
            best = max(found, key=lambda name: found[name][0].effect)
            parts.append(
                f"with {model}, {len(up)} of {len(found)} strategies raise it beyond chance and "
                f"{len(down)} lower it "
                f"(the highest is {best}, {found[best][0].effect:+.3f})"
            )
        yield f"- **{metric}** against `none`: " + "; ".join(parts) + "."
    complete = rows.groupby(["model", "strategy"])["status"].transform(
        lambda statuses: statuses.eq("ok").all()
    )
    done = (
        rows[complete]
        .groupby(["model", "strategy"])[["f1", "balanced_accuracy", "accuracy"]]
        .mean()
    )
    baseline = done.xs("majority")["accuracy"].iloc[0]
    model, strategy = done["balanced_accuracy"].idxmax()
    best = done.loc[model, strategy]
    yield (
        f"- **Accuracy** says otherwise: `majority` has {baseline:.3f}, and "
        f"{(done['accuracy'] < baseline).sum()} of the {len(done) - 1} "
        f"entries have less; the entry of the highest balanced accuracy ({strategy} with {model}: "
        f"{best['balanced_accuracy']:.3f}) has "
        f"{best['accuracy']:.3f}."
    )


if __name__ == "__main__":
    main()
