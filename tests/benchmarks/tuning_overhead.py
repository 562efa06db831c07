"""Compare the time of tuned cells with the sum of the fits that they consist of.

``python tests/benchmarks/tuning_overhead.py`` (a few minutes; needs ``$BENCHMARK_DATA``) writes
``results/tuning_overhead.md``. Features are in the cache before a cell is timed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from result_pages import wrap

from benchmark import load_study
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.plan import make_plan
from benchmark.results.folder import ResultsFolder
from benchmark.utils.environment import collect_environment
from benchmark.utils.threads import limited_threads

ROUNDS = 2
PAGE = Path(__file__).parents[2] / "results" / "tuning_overhead.md"
MODELS = ["knn", "logistic_regression", "rbf_svm", "random_forest"]
STUDIES = {
    "digits": {"datasets": ["digits"], "extractors": ["hog"]},
    "BreastMNIST": {"datasets": ["breastmnist"], "extractors": ["hog"]},
}
FITS = ("tune_s", "resample_s", "fit_s", "predict_s")


def time_cell(cell, dataset) -> tuple[float, float, int]:
    """Return the seconds of a cell, those of its fits and predictions, and their number."""
    with tempfile.TemporaryDirectory() as path:
        folder = ResultsFolder(path)
        for subfolder in (folder.predictions_folder, folder.features):
            subfolder.mkdir()
        evaluate_on_dataset(cell, dataset, folder.path)  # fills the cache
        start = time.perf_counter()
        row = evaluate_on_dataset(cell, dataset, folder.path)
        seconds = time.perf_counter() - start
    return seconds, sum(row[name] for name in FITS), row["n_candidates"]


def main() -> None:
    """Time a cell of every study and model, and write the page."""
    lines = []
    for name, axes in STUDIES.items():
        study = load_study("digits", models=MODELS, tunings=["random(n=5)"], **axes)
        plan = make_plan(study)
        (dataset,) = plan.datasets.values()
        for cell in (cell for cell in plan.cells() if plan.is_in_first_round(cell)):
            with limited_threads():
                rounds = [time_cell(cell, dataset) for _ in range(ROUNDS)]
            whole, fits, n = min(rounds)
            lines.append(
                f"| {name} | {cell.model.label} | {n} | {whole:.2f} | {fits:.2f} | "
                f"{whole / fits - 1:+.1%} |"
            )
    where = collect_environment()
    head = wrap(
        "Written by `python tests/benchmarks/tuning_overhead.py`. A cell with `tuning: "
        "random(n=5)`: its time, the sum of resampling, fitting and predicting of all candidates "
        f"on all inner folds and of the final fit, and by how much the cell takes longer; the "
        f"fastest of {ROUNDS} rounds. One thread, features in the cache. {where['processor']}, "
        f"{where['cores']} cores, Python {where['python']}."
    )
    table = [
        "| dataset | model | candidates | cell, s | its fits, s | overhead |",
        "| --- | --- | --- | --- | --- | --- |",
        *lines,
    ]
    page = "\n".join(["# The overhead of tuning", "", head, "", *table])
    PAGE.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
