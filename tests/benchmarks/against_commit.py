"""Compare the run time of whole commands in this checkout with that at another commit.

``python tests/benchmarks/against_commit.py COMMIT`` takes about ten minutes on two cores. It needs
a clone with history, and writes ``results/against_commit.md``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from result_pages import wrap

from benchmark.utils.environment import collect_environment

CHECKOUT = Path(__file__).parents[2]
N_TRIVIAL = 1000
TRIVIAL = f"""
import tempfile
from pathlib import Path
from benchmark import load_study
from benchmark.engine.executors import executor_for
from benchmark.evaluation.plan import make_plan
from benchmark.engine.runner import evaluate_study
from benchmark.engine.worker import Limits

if __name__ == "__main__":
    axes = dict(extractors=["pixels"], models=["nearest_centroid"], split="holdout")
    study = load_study("digits", seeds=[*range({N_TRIVIAL})], **axes)
    with tempfile.TemporaryDirectory() as folder:
        evaluate_study(make_plan(study), Path(folder), executor_for("local", 1, Limits()))
"""


@contextmanager
def checkout_of(commit):
    """Check out a commit in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", str(CHECKOUT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", f"{folder}/before", commit], check=True)
        try:
            yield Path(folder) / "before"
        finally:
            subprocess.run([*git, "remove", "--force", f"{folder}/before"], check=True)


def time_command(checkout, argv):
    """Measure the wall time in seconds of a Python command with the packages of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        environ = {**os.environ, "PYTHONPATH": str(checkout)}
        command = [sys.executable, *argv]
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        return time.perf_counter() - start


def compare_commands(commands, before, rounds):
    """Measure the seconds of every command before and after, alternating between both.

    The first round, which compiles, is not counted.
    """
    times = {name: ([], []) for name in commands}
    for turn in range(rounds + 1):
        for name, argv in commands.items():
            for side, checkout in enumerate((before, CHECKOUT)):
                seconds = time_command(checkout, argv)
                if turn:
                    times[name][side].append(seconds)
    return times


def format_row(name, before, after):
    """Format one row of the table: medians, and the median and range of the ratios per round."""
    ratios = sorted(b / a for a, b in zip(before, after, strict=True))
    spread = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return f"| {name} | {median(before):.2f} s | {median(after):.2f} s | {spread} |"


def main():
    """Measure all commands and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=CHECKOUT / "results" / "against_commit.md")
    given = parser.parse_args()
    commands = {
        "start-up: `python -m benchmark --help`": ["-m", "benchmark", "--help"],
        "`python -m benchmark list models`": ["-m", "benchmark", "list", "models"],
        "`python -m benchmark plan`": ["-m", "benchmark", "plan"],
        "the default study: `python -m benchmark run`": ["-m", "benchmark", "run"],
        f"{N_TRIVIAL:,} trivial cells (`pixels`, `nearest_centroid`), one worker": ["-c", TRIVIAL],
    }
    with checkout_of(given.commit) as before:
        times = compare_commands(commands, before, given.rounds)
    rows = [format_row(name, *pair) for name, pair in times.items()]
    where = collect_environment()
    method = (
        f"Written by `python tests/benchmarks/against_commit.py {given.commit}`: wall time of "
        f"whole commands, alternating between both versions. Medians of {given.rounds} rounds "
        "after a warm-up round; the ratio is the median over the rounds, with its range."
    )
    given.out.write_text(
        f"# This checkout against commit {given.commit}\n\n{wrap(method)}\n\n"
        "| command | before | after | ratio |\n| --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + f"\n\n{where['processor']}, {where['cores']} cores, Python {where['python']}.\n"
    )


if __name__ == "__main__":
    main()
