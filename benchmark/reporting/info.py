"""What a results folder holds: how complete it is, what went wrong, what it cost, and what the cache saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmark.reporting.leaderboard import describe_environments, list_problems
from benchmark.study.axes import label_names
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

AXES = tuple(name for name in label_names() if name not in ("fingerprint", "size"))
PARTS = ("extract", "resample", "fit", "predict")
COLUMNS = (*(f"{part}_s" for part in PARTS), "matrices", "workers", "environment", "notes")


def make_completeness_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Cells by the value of each axis: how many are planned, and how they ended; axes with a single value are left out.

    Parameters
    ----------
    rows : DataFrame
        As ``load_results`` gives them.

    Returns
    -------
    DataFrame
        axis, value, planned, then a column for each status there is.
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
    counted = [
        {
            "axis": axis,
            "value": str(value),
            "planned": len(group),
            **_count_by_status(group, statuses),
        }
        for axis, value, group in lines
    ]
    return pd.DataFrame(counted)


def _count_by_status(rows: pd.DataFrame, statuses: list[str]) -> dict[str, int]:
    return {
        status: int((rows["status"] == status).sum())
        for status in sorted(statuses, key=lambda name: (name != Status.OK, name))
    }


def make_cost_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds by part of the work, each matrix of features counted once, and their shares; (4, 3)."""
    done = rows[rows["status"] == Status.OK].drop_duplicates("key")
    seconds = {
        part: float(done[f"{part}_s"].sum()) if f"{part}_s" in done else 0.0 for part in PARTS
    }
    seconds["extract"] = sum(
        matrix["seconds"] for matrix in _collect_feature_matrices(done).values()
    )
    whole = sum(seconds.values()) or 1.0
    return pd.DataFrame(
        [
            {"part": part, "seconds": value, "share": value / whole}
            for part, value in seconds.items()
        ]
    )


def describe_cache_savings(rows: pd.DataFrame) -> str:
    """Say what computing each matrix of features once saved."""
    done = rows[rows["status"] == Status.OK].drop_duplicates("key")
    matrices = _collect_feature_matrices(done)
    if not matrices:
        return "no features were computed"
    uses = sum(len(used) for used in done["matrices"] if isinstance(used, dict))
    once, always = (
        sum(matrix["seconds"] for matrix in matrices.values()),
        float(done["extract_s"].sum()),
    )
    mb = sum(matrix["mb"] for matrix in matrices.values())
    return (
        f"{format_count(len(matrices), 'matrix', 'matrices')} of features ({mb:.1f} MB), computed in "
        f"{once:.1f} s and used "
        f"{format_count(uses, 'time')}: "
        f"{always - once:.1f} s of {always:.1f} s saved"
    )


def _collect_feature_matrices(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = rows.get("matrices", ())
    return {key: matrix for used in found if isinstance(used, dict) for key, matrix in used.items()}


def describe_results(rows: pd.DataFrame) -> Iterator[str]:
    """Text of all but the table of completeness."""
    yield from list_problems(rows)
    yield describe_cache_savings(rows)
    where = describe_environments(rows)
    if len(where) == 1:  # otherwise they are among the problems
        yield where[0]
