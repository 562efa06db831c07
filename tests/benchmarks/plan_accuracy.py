"""Compare the times that ``plan`` announces with those that ``run`` takes.

``python tests/benchmarks/plan_accuracy.py`` (some minutes; needs ``$BENCHMARK_DATA``) writes
``results/plan.md``. Each study is planned and run in processes of its own, with a results folder
that has no neighbours, so that ``plan`` has to measure small cells.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark.engine.executors import default_jobs
from benchmark.utils.environment import collect_environment

MALARIA = "csv:malaria/metadata.csv(label='label', group='group')"
STUDIES = {
    "digits, its default suite": [],
    "BreastMNIST, the suite of the digits": ["digits", "--dataset", "breastmnist"],
    "800 images of HAM10000 at 64 px": ["--dataset", "folder:HAM", "--size", "64"],
    "6,000 images of malaria cells at 32 px": ["--dataset", MALARIA, "--size", "32"],
}
UNITS = {"s": 1, "min": 60, "h": 3600}


def benchmark(*arguments):
    """Run a command; return its output and the seconds that it took."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout, time.monotonic() - start


def read_duration(text):
    """Seconds of a duration such as '1 h 30 min'."""
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+) (s|min|h)\b", text))


def copy_ham_images(folder, n=800):
    """Copy random images of HAM10000, one folder per class."""
    source = Path(os.environ["BENCHMARK_DATA"]) / "ham10000"
    with (source / "metadata.csv").open() as file:
        rows = random.Random(0).sample([*csv.DictReader(file)], n)
    for row in rows:
        (folder / row["dx"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "images" / f"{row['image_id']}.jpg", folder / row["dx"])


def measure(arguments):
    """Plan and run a study; return the announcement, and seconds of the plan and of the run."""
    with tempfile.TemporaryDirectory() as folder:
        out = "--out", str(Path(folder) / "out")
        if "folder:HAM" in arguments:
            copy_ham_images(Path(folder) / "ham")
            arguments = [part.replace("HAM", f"{folder}/ham") for part in arguments]
        planned, plan_seconds = benchmark("plan", *arguments, *out)
        announced = re.search(r"cells to run: (.*); [\d.]+ MB", planned)[1]
        _, run_seconds = benchmark("run", *arguments, *out)
    return announced, plan_seconds, run_seconds


def describe_accuracy(name):
    """Measure a study, and return its line of the table."""
    announced, plan_seconds, seconds = measure(STUDIES[name])
    ratio = read_duration(announced.partition(" with ")[0]) / seconds
    return (
        f"| {name} | {announced} | {seconds:.0f} s | {ratio:.2f} | {plan_seconds:.0f} s | "
        f"{os.getloadavg()[1]:.1f} |"
    )


def make_page(lines):
    """Return the page as Markdown."""
    where, rows = collect_environment(), "\n".join(lines)
    return f"""# The time that `plan` announces

Written by `python tests/benchmarks/plan_accuracy.py` on {where["processor"]},
{where["cores"]} cores, {where["memory_gb"]} GB, Python {where["python"]}, {default_jobs()} workers.
`plan` finds no stored rows and measures cells on few images for at most 10 s. The times of both
commands include the start of Python and of the workers. The load is the average over 5 minutes at
the end of the run: far above the number of workers, other programs shared the cores.

| study | announced | run | announced / run | plan | load |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[*STUDIES], choices=[*STUDIES])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[2] / "results" / "plan.md"
    )
    options = parser.parse_args()
    measured = []
    for study in options.only:
        measured.append(describe_accuracy(study))
        options.out.write_text(make_page(measured))
