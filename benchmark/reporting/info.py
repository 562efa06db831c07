"""Overview of a results folder: completeness, failures, times, and the time saved by the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmark.reporting.row_problems import describe_environments, list_problems
from benchmark.study.labels import label_names
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

AXES = tuple(name for name in label_names() if name not in ("fingerprint", "size"))
STAGES = ("extract", "tune", "resample", "fit", "predict")
COLUMNS = (*(f"{stage}_s" for stage in STAGES), "matrices", "workers", "environment", "notes")


def make_completeness_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the planned cells and their statuses by the values of each axis.

    Parameters
    ----------
    rows : DataFrame
        As returned by ``load_results``.

    Returns
    -------
    DataFrame
        The columns are axis, value, planned, and one per status that occurs. The first line counts
        all cells; axes with a single value are left out.
    """
    statuses = [status for status in rows["status"].unique() if status != Status.PLANNED]
    lines = [
        ("all", "", rows),
        *(
            (axis, value, group)
            for axis in AXES
            if rows[axis].nunique() > 1
            for value, group in rows.groupby(axis)
        ),
    ]
    counts = [
        {
            "axis": axis,
            "value": str(value),
            "planned": len(group),
            **_count_by_status(group, statuses),
        }
        for axis, value, group in lines
    ]
    return pd.DataFrame(counts)


def _count_by_status(rows: pd.DataFrame, statuses: list[str]) -> dict[str, int]:
    return {
        status: int((rows["status"] == status).sum())
        for status in sorted(statuses, key=lambda name: (name != Status.OK, name))
    }


def make_cost_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds and share of the total time by stage of the work.

    Returns
    -------
    DataFrame
        One row per stage: extract, tune, resample, fit, predict. The columns are part (the stage),
        seconds and share. Each feature matrix is counted once.
    """
    done = rows[rows["status"] == Status.OK].drop_duplicates("key")
    seconds = {
        stage: float(done[f"{stage}_s"].sum()) if f"{stage}_s" in done else 0.0 for stage in STAGES
    }
    seconds["extract"] = sum(
        matrix["seconds"] for matrix in _collect_feature_matrices(done).values()
    )
    total = sum(seconds.values()) or 1.0
    return pd.DataFrame(
        [
            {"stage": stage, "seconds": value, "share": value / total}
            for stage, value in seconds.items()
        ]
    )


def describe_cache_savings(rows: pd.DataFrame) -> str:
    """Describe how much time was saved by computing each feature matrix only once."""
    done = rows[rows["status"] == Status.OK].drop_duplicates("key")
    matrices = _collect_feature_matrices(done)
    if not matrices:
        return "no features were computed"
    uses = sum(len(used) for used in done["matrices"] if isinstance(used, dict))
    once = sum(matrix["seconds"] for matrix in matrices.values())
    always = float(done["extract_s"].sum())
    mb = sum(matrix["mb"] for matrix in matrices.values())
    return (
        f"{format_count(len(matrices), 'feature matrix', 'feature matrices')} ({mb:.1f} MB) "
        f"computed in {once:.1f} s and used {format_count(uses, 'time')}: {always - once:.1f} s of "
        f"{always:.1f} s saved"
    )


def _collect_feature_matrices(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Distinct feature matrices used by the cells, by key."""
    by_cell = rows.get("matrices", ())
    return {
        key: matrix
        for matrices in by_cell
        if isinstance(matrices, dict)
        for key, matrix in matrices.items()
    }


def describe_results(rows: pd.DataFrame) -> Iterator[str]:
    """Yield lines on problems, on the time saved by the cache, and on the environment."""
    yield from list_problems(rows)
    yield describe_cache_savings(rows)
    environments = describe_environments(rows)
    if len(environments) == 1:  # several are listed among the problems
        yield environments[0]
