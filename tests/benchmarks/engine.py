"""What the engine costs: overhead and memory over trivial cells, and what a second worker brings.

``python tests/benchmarks/engine.py`` measures at full size (about 4 minutes) and writes ``results/engine.md``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from benchmark import load_study
from benchmark.environment import environment
from benchmark.executors import make_executor
from benchmark.plan import make_plan
from benchmark.runner import evaluate_study
from benchmark.worker import Limits

FAULTS = Path(__file__).parents[1] / "faults.py"
MB = 1e6


def trivial(n_cells):
    """Study of cells that do next to nothing: a constant extractor and ``majority``."""
    return load_study("digits", extractors=[f"{FAULTS}:Constant"], models=["majority"], split="holdout", seeds=[*range(n_cells)])


def busy(n_cells, seconds=1.0):
    """Study of cells that each use a core for some seconds."""
    model = f"{FAULTS}:Honest(seconds={seconds})"
    return load_study("digits", extractors=[f"{FAULTS}:Constant"], models=[model], split="holdout", seeds=[*range(n_cells)])


def measure(study, jobs):
    """Run a study; seconds from the plan to the leaderboard, starting the workers included, and the runner's peak memory in MB."""
    runner, held = psutil.Process(), [0.0]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()

        def watch(plan, schedule):
            return lambda task, outcome: held.append(max(held.pop(), runner.memory_info().rss / MB))

        evaluate_study(make_plan(study), Path(folder), lambda gpu: make_executor("local", jobs, Limits(), gpu), progress=watch)
        held.append(max(held.pop(), runner.memory_info().rss / MB))
        return time.perf_counter() - start, held[0]


def report():
    """Measure all at full size, as Markdown."""
    few, few_mb = measure(trivial(2_000), jobs=1)
    many, many_mb = measure(trivial(20_000), jobs=1)
    one, _ = measure(busy(60), jobs=1)
    two, _ = measure(busy(60), jobs=2)
    where = environment()
    return f"""# The engine

Written by `python tests/benchmarks/engine.py` on {where["processor"]}, {where["cores"]} cores, {where["memory_gb"]} GB,
Python {where["python"]}. Times are from the plan to the written leaderboard and include starting the workers and their imports.

| trivial cells (constant extractor, `majority`, 360 test images of 10 classes), one worker | time a cell | memory of the runner |
| --- | --- | --- |
| 2,000 | {few / 2_000 * 1e3:.1f} ms | {few_mb:.0f} MB |
| 20,000 | {many / 20_000 * 1e3:.1f} ms | {many_mb:.0f} MB |

| 60 cells that keep a core busy for one second | time | share |
| --- | --- | --- |
| one worker | {one:.1f} s | 1 |
| two workers | {two:.1f} s | {two / one:.3f} |
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "results" / "engine.md")
    out = parser.parse_args().out
    out.write_text(report())
