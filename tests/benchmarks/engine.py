"""Measure the overhead of the engine, the gain of a second worker, and the time of the metrics.

``python tests/benchmarks/engine.py`` (about 4 minutes) writes ``results/engine.md``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from sklearn import metrics as sk
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from benchmark import load_study
from benchmark.engine.executors import executor_for
from benchmark.engine.runner import evaluate_study
from benchmark.engine.worker import Limits
from benchmark.evaluation.plan import make_plan
from benchmark.scoring.metrics import compute_metrics
from benchmark.scoring.predictions import Predictions
from benchmark.utils.environment import collect_environment

FAULTS = Path(__file__).parents[1] / "faults.py"
MB = 1e6
N_TRIVIAL = (2_000, 20_000)


def trivial(n_cells):
    """Make a study of cells with almost no work: a constant extractor and ``nearest_centroid``."""
    return load_study(
        "digits",
        extractors=[f"{FAULTS}:Constant"],
        models=["nearest_centroid"],
        split="holdout",
        seeds=[*range(n_cells)],
    )


def busy(n_cells, seconds=1.0):
    """Make a study of cells that each use a core for some seconds."""
    model = f"{FAULTS}:Honest(seconds={seconds})"
    return load_study(
        "digits",
        extractors=[f"{FAULTS}:Constant"],
        models=[model],
        split="holdout",
        seeds=[*range(n_cells)],
    )


def measure(study, jobs):
    """Run a study and measure its time and memory.

    Returns
    -------
    seconds : float
        From the plan to the leaderboard, including the start of the workers.
    memory : float
        Peak memory of the main process in MB, sampled after each cell.
    """
    process, memory = psutil.Process(), [0.0]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()

        def watch(plan, schedule):
            return lambda task, outcome: memory.append(process.memory_info().rss / MB)

        evaluate_study(
            make_plan(study), Path(folder), executor_for("local", jobs, Limits()), progress=watch
        )
        memory.append(process.memory_info().rss / MB)
        return time.perf_counter() - start, max(memory)


def real_predictions():
    """Predict 599 digits with a logistic regression."""
    images, y = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(images[599:], y[599:])
    return Predictions(
        y[:599], model.predict_proba(images[:599]), tuple("0123456789"), np.arange(599)
    )


def by_scikit_learn(p):
    """Compute the metrics of a multi-class row with scikit-learn's functions, one by one."""
    y, labels, proba = p.y_true, p.labels, p.proba
    averages = [
        (f, average)
        for f in (sk.precision_score, sk.recall_score, sk.f1_score)
        for average in ("macro", "weighted")
    ]
    return [
        *(f(y, labels, average=average, zero_division=0) for f, average in averages),
        *(
            f(y, labels)
            for f in (
                sk.accuracy_score,
                sk.balanced_accuracy_score,
                sk.matthews_corrcoef,
                sk.cohen_kappa_score,
            )
        ),
        sk.roc_auc_score(y, proba, multi_class="ovr"),
        sk.average_precision_score(y, proba),
        sk.log_loss(y, proba),
        sk.brier_score_loss(y, proba),
    ]


def metrics_seconds(rounds=50):
    """Measure the median seconds of scikit-learn's functions and of ours, alternating."""
    p, times = real_predictions(), ([], [])
    for _ in range(rounds):
        for k, function in enumerate((by_scikit_learn, compute_metrics)):
            start = time.perf_counter()
            function(replace(p))  # a copy, for which nothing is cached
            times[k].append(time.perf_counter() - start)
    return median(times[0]), median(times[1])


def report():
    """Measure everything at full size and return the page as Markdown."""
    theirs, ours = metrics_seconds()
    seconds, megabytes = zip(*(measure(trivial(n), jobs=1) for n in N_TRIVIAL), strict=True)
    one_worker, _ = measure(busy(60), jobs=1)
    two_workers, _ = measure(busy(60), jobs=2)
    where = collect_environment()
    trivial_rows = "\n".join(
        f"| {n:,} | {s / n * 1e3:.1f} ms | {mb:.0f} MB |"
        for n, s, mb in zip(N_TRIVIAL, seconds, megabytes, strict=True)
    )
    return f"""# The engine

Written by `python tests/benchmarks/engine.py` on {where["processor"]}, {where["cores"]} cores,
{where["memory_gb"]} GB, Python {where["python"]}.
Times are from the plan to the written leaderboard and include the start of the workers and their
imports.

Trivial cells (constant extractor, `nearest_centroid`, 360 test images of 10 classes) with one
worker:

| cells | time per cell | memory of the main process |
| --- | --- | --- |
{trivial_rows}

| 60 cells that keep a core busy for one second | time | share |
| --- | --- | --- |
| one worker | {one_worker:.1f} s | 1 |
| two workers | {two_workers:.1f} s | {two_workers / one_worker:.3f} |

Metrics of 599 predictions of 10 classes, median of 50 rounds, alternating. `compute_metrics` of
`benchmark.scoring.metrics` computes the same metrics and the calibration error.

| metrics | time | share |
| --- | --- | --- |
| 14 functions of scikit-learn, one by one | {theirs * 1e3:.1f} ms | 1 |
| `compute_metrics` | {ours * 1e3:.2f} ms | {ours / theirs:.3f} |
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[2] / "results" / "engine.md"
    )
    out = parser.parse_args().out
    out.write_text(report())
