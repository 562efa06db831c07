"""Measure where the time of every suite goes, in this checkout and at another commit.

``python tests/benchmarks/suite_profile.py COMMIT`` takes about an hour on two cores. It needs a
clone with history and ``$BENCHMARK_DATA``, and writes ``results/suite_profile.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

import pandas as pd
from against_commit import CHECKOUT, checkout_of
from end_to_end import write_lesions
from result_pages import wrap

from benchmark.utils.environment import collect_environment

LESIONS = "HAM10000"  # replaced by the sample that this script writes
FOLDS = "stratified_kfold(folds=3)"
STUDIES = {
    "digits": {"suite": "digits"},
    "imbalance_quick": {"suite": "imbalance_quick"},
    "occlusion": {"suite": "occlusion"},
    "cifar10_small, 1,000 training images": {
        "suite": "cifar10_small",
        "datasets": ["cifar10(n_train=1000)"],
    },
    "fashion_mnist, 5,000 training images": {
        "suite": "fashion_mnist",
        "datasets": ["fashion_mnist(n_train=5000)"],
    },
    "cifar10_lt, 5,000 training images, ratio 10": {
        "suite": "cifar10_lt",
        "datasets": ["cifar10(n_train=5000)"],
        "imbalances": ["long_tail(ratio=10)"],
        "strategies": ["none", "random_over", "smote"],
    },
    "skin_lesions, 805 images": {
        "suite": "skin_lesions",
        "datasets": [LESIONS],
        "split": FOLDS,
        "strategies": ["none", "smote", "cluster_centroids", "tuned_threshold"],
    },
    "digits on 805 images of HAM10000 at 128 px": {
        "suite": "digits",
        "datasets": [LESIONS],
        "size": 128,
        "split": FOLDS,
    },
    "real_images on the same": {
        "suite": "real_images",
        "datasets": [LESIONS],
        "size": 128,
        "split": FOLDS,
    },
}
ONLY_HERE = ("real_images on the same",)  # the suite is new
RUN = """
import json, sys
from pathlib import Path
from benchmark import load_study, run
arguments = json.loads(sys.argv[1])
suite, data = arguments.pop("suite"), arguments.pop("data")
rows = run(load_study(suite, **arguments), data=Path(data), out=Path("out"), jobs=2)
print(rows.to_json(orient="records"))
"""
STAGES = {"resample_s": "strategy", "fit_s": "model"}
N_LINES = 6


def run_study(arguments: dict, checkout: Path) -> pd.DataFrame:
    """Run a study with the packages of a checkout, and return its rows."""
    with tempfile.TemporaryDirectory() as folder:
        code = [sys.executable, "-c", RUN, json.dumps(arguments)]
        environ = {**os.environ, "PYTHONPATH": str(checkout)}
        done = subprocess.run(
            code, cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return pd.read_json(StringIO(done.stdout.splitlines()[-1]), orient="records")


def sum_stages(rows: pd.DataFrame) -> pd.Series:
    """Seconds of all cells by stage and component; a matrix counts once."""
    matrices = {key: each for used in rows["matrices"] for key, each in (used or {}).items()}
    extracted = pd.DataFrame(matrices.values(), columns=["extractor", "seconds"])
    parts = [sum_part("extract", extracted["extractor"], extracted["seconds"])]
    parts += [
        sum_part(stage.removesuffix("_s"), rows[column], rows[stage])
        for stage, column in STAGES.items()
    ]
    predict = pd.Series({"predict": rows["predict_s"].sum()})
    return pd.concat([*parts, predict]).sort_values(ascending=False)


def sum_part(stage: str, labels: pd.Series, seconds: pd.Series) -> pd.Series:
    """Seconds of one stage by component."""
    return seconds.groupby([f"{stage} `{name_component(label)}`" for label in labels]).sum()


def name_component(label: str) -> str:
    """Name without parameters; of a sum of extractors, their names."""
    return " + ".join(part.partition("(")[0].strip() for part in str(label).split(" + "))


def describe_profile(name: str, before: pd.Series | None, after: pd.Series) -> list[str]:
    """Return the section of one study: the largest parts before and after."""
    lines = [f"## {name}", "", "| part | before | share | after | share |", "|---|---|---|---|---|"]
    order = after if before is None else pd.concat([before, after]).groupby(level=0).max()
    parts = order.sort_values(ascending=False).index[:N_LINES]
    for part in (*parts, "all"):
        cells = [part]
        for side in (before, after):
            if side is None:
                cells += ["", ""]
                continue
            seconds = side.sum() if part == "all" else side.get(part, 0.0)
            cells += [f"{seconds:.2f} s", f"{seconds / side.sum():.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def main() -> None:
    """Run every study on both sides, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with CIFAR-10")
    parser.add_argument("--only", nargs="*", default=[*STUDIES], choices=[*STUDIES])
    parser.add_argument("--out", type=Path, default=CHECKOUT / "results" / "suite_profile.md")
    given = parser.parse_args()
    where = collect_environment()
    method = (
        f"Written by `python tests/benchmarks/suite_profile.py {given.commit}` on "
        f"{where['processor']}, {where['cores']} cores. Seconds of all cells of a study, added "
        f"over its two workers, at commit {given.commit} (before) and in this checkout (after); "
        "one run each, one after the other. The largest parts are listed. The suites that take "
        "hours are cut as their titles say; a fit includes calibration and thresholds."
    )
    lines = ["# Where the time of the suites goes", "", wrap(method), ""]
    with checkout_of(given.commit) as old, tempfile.TemporaryDirectory() as folder:
        lesions = write_lesions(Path(folder)).partition("(")[0] + "(allow_outside=True)"
        for name in given.only:
            arguments = {**STUDIES[name], "data": str(given.data.resolve())}
            if arguments.get("datasets") == [LESIONS]:
                arguments["datasets"] = [lesions]
            before = None if name in ONLY_HERE else sum_stages(run_study(arguments, old))
            after = sum_stages(run_study(arguments, CHECKOUT))
            lines += describe_profile(name, before, after)
            given.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
