"""Compare every strategy with none on the skin lesions of HAM10000, over five folds.

``python tests/benchmarks/skin_lesions.py`` runs the suite ``skin_lesions`` (an hour or two; stored
cells are not run again) and writes ``results/skin_lesions.md``, with intervals and p-values of the
corrected t-test. ``$BENCHMARK_DATA`` must hold ``ham10000/``; rows go to ``results/skin_lesions/``.
With a results folder as argument, nothing is run and its rows are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from result_pages import wrap

from benchmark import load_results, load_study, run
from benchmark.scoring.intervals import corrected_t_over_folds
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.scoring.significance import Result

METRICS = ("f1", "balanced_accuracy", "minimum_recall", "auc")
TESTED = ("f1", "balanced_accuracy")
HEAD = """# Skin lesions: every strategy against none

`python tests/benchmarks/skin_lesions.py`: HAM10000 (Tschandl, Rosendahl & Kittler 2018), {n} images
of {classes} classes ({least} to {most} images each), {shape}, {folds} stratified folds with all
images of a lesion in one fold; features
`{extractor}`.

Means over the folds. Differences are those to `none` with the same model, with 95% interval and p
of the corrected resampled t-test (Nadeau & Bengio 2003). An asterisk marks p < 0.05 after Holm's
correction over the {n_strategies} strategies tested with that model and metric. The column s is the
seconds of resampling and fitting per fold, on one thread of a machine that may have been busy.
"""


def main() -> None:
    """Evaluate the suite, test the strategies, and write the page."""
    rows = load_results(sys.argv[1]) if len(sys.argv) > 1 else run("skin_lesions", jobs=2)
    # the folder may hold rows of other strategies
    rows = rows[rows["strategy"].isin(load_study("skin_lesions").to_lists()["strategies"])]
    models = [model for model in rows["model"].unique() if model != "majority"]
    tested = {
        (model, metric): against_none(rows[rows["model"] == model], metric)
        for model in models
        for metric in TESTED
    }
    lines = [
        head(rows, len(next(iter(tested.values())))),
        "## Findings",
        "",
        *sentences(rows, tested),
        "",
    ]
    for model in models:
        lines += [f"## {model}", "", *table(rows, model, tested), ""]
    environment = rows["environment"].iloc[0]
    lines += [
        f"Rows of commit {environment['git_commit'][:12]}, on {environment['processor']}, "
        f"{environment['cores']} cores."
    ]
    Path("results/skin_lesions.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def head(rows: pd.DataFrame, n_strategies: int) -> str:
    """Describe data and protocol."""
    per_class = pd.DataFrame(list(rows.drop_duplicates("fold")["per_class"]))
    classes = per_class.map(lambda metrics: metrics["support"]).sum()
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
    """Compute the corrected t-test against none, and p after Holm's correction, by strategy."""
    done = rows[rows["status"] == "ok"].pivot_table(index="fold", columns="strategy", values=metric)
    strategies = [
        name
        for name in rows["strategy"].unique()
        if name != "none" and name in done and done[name].notna().all()
    ]
    results = {
        name: corrected_t_over_folds(done[name] - done["none"], rows["n_images"], rows["n_test"])
        for name in strategies
    }
    corrected = adjust_by_holm([result.p_value for result in results.values()])
    return {name: (result, p) for (name, result), p in zip(results.items(), corrected, strict=True)}


def table(
    rows: pd.DataFrame, model: str, tested: dict[tuple[str, str], dict[str, tuple[Result, float]]]
) -> Iterator[str]:
    """Yield the lines of the Markdown table of one model, the highest value of METRICS[0] first."""
    cells = rows[rows["model"] == model]
    complete = cells.groupby("strategy")["status"].transform(
        lambda statuses: statuses.eq("ok").all()
    )
    means = cells[complete].groupby("strategy")[[*METRICS, "fit_s", "resample_s"]].mean()
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
        columns = [
            *(f"{mean[metric]:.3f}" for metric in METRICS),
            *(difference(tested[model, metric].get(str(name))) for metric in TESTED),
        ]
        yield f"| {name} | {' | '.join(columns)} | {mean['fit_s'] + mean['resample_s']:.1f} |"
    for name, missing in cells[cells["status"] != "ok"].groupby("strategy"):
        yield f"| {name} {'| ' * (len(METRICS) + len(TESTED) + 2)}|"
        reasons.append(
            f"`{name}` has no values: {missing['reason'].iloc[0]} ({len(missing)} of "
            f"{cells['fold'].nunique()} folds)."
        )
    for reason in reasons:
        yield from ("", wrap(reason))


def difference(outcome: tuple[Result, float] | None) -> str:
    """Format one cell, such as '+0.012 (0.003 to 0.021), p = 0.01 *'."""
    if outcome is None:
        return ""
    result, corrected = outcome
    if result.refusal:
        return f"{result.effect:+.3f}, not computed: {result.refusal}"
    p = "p < 0.001" if result.p_value < 0.001 else f"p = {result.p_value:.2g}"
    return f"{result.effect:+.3f} ({result.lower:+.3f} to {result.upper:+.3f}), {p}" + (
        " *" if corrected < 0.05 else ""
    )


def sentences(
    rows: pd.DataFrame, tested: dict[tuple[str, str], dict[str, tuple[Result, float]]]
) -> Iterator[str]:
    """Yield one sentence per tested metric, and one about what it costs in accuracy."""
    for metric in TESTED:
        findings = []
        for model in dict.fromkeys(model for model, _ in tested):
            outcomes = tested[model, metric]
            effects = [result.effect for result, p in outcomes.values() if p < 0.05]
            best = max(outcomes, key=lambda name: outcomes[name][0].effect)
            findings.append(
                f"with {model}, {sum(effect > 0 for effect in effects)} of {len(outcomes)} "
                f"strategies raise it significantly and {sum(effect <= 0 for effect in effects)} "
                f"lower it (the highest is {best}, {outcomes[best][0].effect:+.3f})"
            )
        yield wrap(f"- **{metric}** against `none`: {'; '.join(findings)}.", "  ")
    complete = rows.groupby(["model", "strategy"])["status"].transform(
        lambda statuses: statuses.eq("ok").all()
    )
    means = (
        rows[complete]
        .groupby(["model", "strategy"])[["f1", "balanced_accuracy", "accuracy"]]
        .mean()
    )
    baseline = means.xs("majority")["accuracy"].iloc[0]
    model, strategy = means["balanced_accuracy"].idxmax()
    best = means.loc[model, strategy]
    yield wrap(
        f"- **accuracy** contradicts this: `majority` has {baseline:.3f}, and "
        f"{(means['accuracy'] < baseline).sum()} of the {len(means) - 1} configurations have less. "
        f"The configuration with the highest balanced accuracy ({strategy} with {model}: "
        f"{best['balanced_accuracy']:.3f}) has {best['accuracy']:.3f}.",
        "  ",
    )


if __name__ == "__main__":
    main()
