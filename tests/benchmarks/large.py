"""Measure studies of up to a million images: time, memory, workers, Dask, and the plan's estimate.

    python tests/benchmarks/large.py DATA WORK

reads CIFAR-10 from ``DATA/cifar-10-batches-bin`` (or downloads it), needs 12 GB in the folder WORK
and about half an hour on two cores, and writes ``results/large.md``. ``--sizes 20000 50000`` tries
it out and prints the page.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from large_data import write_arrays
from result_pages import wrap

from benchmark import load_study
from benchmark.engine.estimate import estimate_remaining_work
from benchmark.engine.executors import executor_for
from benchmark.engine.matrix_job import MatrixTask
from benchmark.engine.runner import evaluate_study
from benchmark.engine.worker import Limits
from benchmark.evaluation.plan import make_plan
from benchmark.results.store import load_results
from benchmark.utils.environment import collect_environment
from benchmark.utils.memory import release_memory

SIZES = (100_000, 300_000, 1_000_000)
EXTRACTORS = ("hog(pixels_per_cell=(8, 8))", "color_histogram", "sift_bovw")
MODELS = ("chunked_logistic_regression", "lightgbm(max_iter=10)")
ROUNDS = 3  # of 1 worker and 2 workers, alternating, with the smallest size


class MemoryMonitor:
    """Peak memory of this process and its descendants, sampled while the block runs.

    Attributes
    ----------
    resident : float
        Largest sum of resident memory in GB; a page that two processes share counts twice.
    proportional : float
        The same, with shared pages divided among their processes (Linux).
    """

    def __enter__(self) -> MemoryMonitor:
        self.resident = self.proportional = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.2):
            memory = []
            for process in [me, *me.children(recursive=True)]:
                try:
                    memory.append(process.memory_full_info())
                except psutil.Error:  # it has just ended
                    continue
            self.resident = max(self.resident, sum(each.rss for each in memory) / 1e9)
            self.proportional = max(self.proportional, sum(each.pss for each in memory) / 1e9)


@dataclass
class Run:
    """What is measured of one run."""

    folder: Path
    load_s: float = 0.0
    extraction_s: float = 0.0  # from the first task to the last complete matrix
    run_s: float = 0.0
    resident: float = 0.0
    proportional: float = 0.0
    estimate_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)


def run_study(
    dataset: str,
    folder: Path,
    models: tuple[str, ...],
    jobs: int = 2,
    scheduler: str = "local",
    estimate: bool = False,
    data: Path | None = None,
    **axes: list,
) -> Run:
    """Run the study from scratch."""
    shutil.rmtree(folder, ignore_errors=True)
    study = load_study(
        "digits", datasets=[dataset], extractors=[*EXTRACTORS], models=[*models], **axes
    )
    run, times = Run(folder), []
    with MemoryMonitor() as memory:
        start = time.perf_counter()
        plan = make_plan(study, data)
        run.load_s = time.perf_counter() - start
        if estimate:
            run.estimate_s = estimate_remaining_work(plan, folder / "results", jobs).duration

        def report(plan, schedule):
            times.append(time.perf_counter())

            def record(task, outcome):
                assert outcome["status"] == "ok", outcome["reason"]
                if isinstance(task, MatrixTask):
                    times.append(time.perf_counter())

            return record

        start = time.perf_counter()
        evaluate_study(
            plan, folder / "results", executor_for(scheduler, jobs, Limits()), progress=report
        )
        run.run_s = time.perf_counter() - start
    run.extraction_s = times[-1] - times[0]
    run.resident, run.proportional = memory.resident, memory.proportional
    run.rows = load_results(folder / "results")
    return run


def predictions(run: Run) -> dict[str, bytes]:
    """Content of the files of predictions, by name."""
    return {
        path.name: path.read_bytes() for path in (run.folder / "results" / "predictions").iterdir()
    }


def matrices(run: Run) -> dict[str, str]:
    """Digests of the feature matrices by the names of their files, which also hold seconds."""
    digests = {}
    for path in (run.folder / "results" / "features").iterdir():
        matrix, digest = np.load(path, mmap_mode="r"), hashlib.sha256()
        for start in range(0, len(matrix), 100_000):
            digest.update(np.ascontiguousarray(matrix[start : start + 100_000]).data)
            release_memory(matrix)
        digests[path.name] = digest.hexdigest()
    return digests


def compare_workers(dataset: str, folder: Path, rounds: int) -> tuple[float, float]:
    """Measure extraction with one worker and with two; their matrices must be equal bit for bit.

    Returns
    -------
    one, two : float
        Seconds of the fastest round; the rounds alternate.
    """
    seconds: dict[int, list[float]] = {1: [], 2: []}
    contents = {}
    for _ in range(rounds):
        for jobs in seconds:
            run = run_study(dataset, folder, ("nearest_centroid",), jobs)
            seconds[jobs].append(run.extraction_s)
            contents[jobs] = matrices(run)
    assert contents[1] == contents[2]
    return min(seconds[1]), min(seconds[2])


def describe_used_images(data: Path, folder: Path) -> str:
    """Describe the extraction of a study of CIFAR-10 that uses few training images."""
    parts = []
    for train_size in (1500, 1.0):
        run = run_study(
            "cifar10", folder, ("nearest_centroid",), jobs=1, data=data, train_sizes=[train_size]
        )
        matrices = [matrix for used in run.rows["matrices"] for matrix in used.values()]
        seconds = sum(matrix["seconds"] for matrix in matrices)
        parts.append(f"{seconds:.1f} s for {matrices[0]['n_images']:,} images")
    return (
        "With `train_sizes: [1500]` and the 10,000 test images of CIFAR-10, the three extractors "
        f"take {parts[0]}; with all training images, they take {parts[1]}."
    )


def time_table(runs: dict[int, Run]) -> list[str]:
    """Times and memory of the runs, and how the times grow."""
    lines = [
        "| images | load | extraction | "
        + " | ".join(f"`{model}`" for model in MODELS)
        + " | run, 2 workers | plan | plan / run | memory |",
        "| --- " * (7 + len(MODELS)) + "|",
    ]
    for n, run in runs.items():
        fits = [run.rows.loc[run.rows["model"] == model, "fit_s"].sum() for model in MODELS]
        extraction = run.rows.drop_duplicates("extractor")["extract_s"].sum()
        middle = run.estimate_s[1]
        cells = [
            f"{n:,}",
            *(f"{seconds:.1f} s" for seconds in (run.load_s, extraction, *fits, run.run_s, middle)),
            f"{middle / run.run_s:.2f}",
            f"{run.resident:.2f} GB",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    (small, first), (large, last) = min(runs.items()), max(runs.items())

    def growth(measure) -> str:
        return f"{measure(last) / measure(first) / (large / small):.2f}"

    fits = [
        growth(lambda run, model=model: run.rows.loc[run.rows["model"] == model, "fit_s"].sum())
        for model in MODELS
    ]
    lines.append(
        f"| growth / {large / small:g} | {growth(lambda run: run.load_s)} | "
        + growth(lambda run: run.rows.drop_duplicates("extractor")["extract_s"].sum())
        + f" | {' | '.join(fits)} | {growth(lambda run: run.run_s)} | | | |"
    )
    return lines


def write_page(
    runs: dict[int, Run],
    workers: dict[int, tuple[float, float]],
    dask: dict[int, Run],
    used_images: str,
) -> str:
    """Write the page."""
    largest = max(runs)
    environment = collect_environment()
    lines = [
        "# Data larger than memory",
        "",
        wrap(
            f"Studies of up to {largest:,} images of 32x32x3: those of CIFAR-10, shifted and "
            "mirrored, with its split (5 of 6 are training images). Three extractors "
            f"({', '.join(f'`{name}`' for name in EXTRACTORS)}), each with two models that read "
            "features in chunks. `python tests/benchmarks/large.py` wrote this page on "
            f"{environment['processor']}, {environment['cores']} cores."
        ),
        "",
        "## Time and memory",
        "",
        wrap(
            "Seconds of one worker, summed over the cells, for extraction and the fits of each "
            "model; wall-clock time for loading (which includes the search for copies and "
            "near-duplicates) and for the whole run with two workers after it. `plan` is its "
            "estimate before the run, from small cells. Memory is the largest sum of the resident "
            "memory of the runner and its workers, memory maps included, in which shared pages "
            "count once per process. The last line is the growth of the time divided by that of "
            "the number of images: 1 is linear."
        ),
        "",
        *time_table(runs),
        "",
        wrap(
            f"With {largest:,} images, the peak is {runs[largest].resident:.2f} GB, or "
            f"{runs[largest].proportional:.2f} GB if shared pages count once. The images take "
            f"{largest * 3072 / 1e9:.2f} GB, the feature matrices "
            f"{matrix_gb(runs[largest]):.2f} GB."
        ),
        "",
        "## Two workers",
        "",
        "Wall-clock seconds of extraction; the matrices are equal bit for bit.",
        "",
        "| images | 1 worker | 2 workers | ratio | rounds |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {n:,} | {one:.1f} s | {two:.1f} s | {one / two:.2f} | "
            f"{ROUNDS if n == min(runs) else 1} |"
            for n, (one, two) in workers.items()
        ),
        "",
        "## Only what is used",
        "",
        wrap(used_images),
        "",
        "## Dask",
        "",
        wrap(
            "On a Dask cluster of two workers, the predictions and the feature matrices are equal "
            "bit for bit: "
            + "; ".join(
                f"{n:,} images, {run.run_s:.0f} s against {runs[n].run_s:.0f} s"
                for n, run in dask.items()
            )
            + "."
        ),
        "",
        "## Accuracy",
        "",
        "| images | " + " | ".join(f"`{e}` / `{m}`" for e in EXTRACTORS for m in MODELS) + " |",
        "| --- " * (1 + len(EXTRACTORS) * len(MODELS)) + "|",
        *(
            f"| {n:,} | "
            + " | ".join(
                f"{run.rows.set_index(['extractor', 'model']).loc[(e, m), 'accuracy']:.3f}"
                for e in EXTRACTORS
                for m in MODELS
            )
            + " |"
            for n, run in runs.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def matrix_gb(run: Run) -> float:
    """Size of the feature matrices in GB."""
    used = run.rows.drop_duplicates("extractor")["matrices"]
    return sum(matrix["mb"] for each in used for matrix in each.values()) / 1e3


def main() -> None:
    """Measure everything, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    sizes, work = sorted(arguments.sizes), arguments.work
    runs, workers, dask = {}, {}, {}
    for n in sizes:
        arrays = work / f"images-{n}"
        if not (arrays / "classes.txt").exists():
            write_arrays(arguments.data, arrays, n)
        dataset = f"arrays:{arrays}"
        runs[n] = run_study(dataset, work / "local", MODELS, estimate=True)
        if n in (sizes[0], sizes[-1]):
            rounds = ROUNDS if n == sizes[0] else 1
            workers[n] = compare_workers(dataset, work / "extraction", rounds)
            dask[n] = run_study(dataset, work / "dask", MODELS, scheduler="local-cluster")
            assert predictions(dask[n]) == predictions(runs[n])
            assert matrices(dask[n]) == matrices(runs[n])
        print(n, runs[n], workers.get(n), dask.get(n) and dask[n].run_s, flush=True)  # noqa: T201
    used_images = describe_used_images(arguments.data, work / "cifar10")
    page = write_page(runs, workers, dask, used_images)
    if sizes == sorted(SIZES):
        (Path(__file__).parents[2] / "results" / "large.md").write_text(page)
    print(page)  # noqa: T201


if __name__ == "__main__":
    main()
