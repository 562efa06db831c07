"""Which cells of a plan are settled, and whether all are when a run ends."""

from __future__ import annotations

from collections.abc import Collection

from benchmark.errors import UserError
from benchmark.evaluation.plan import Plan
from benchmark.results.store import Store
from benchmark.study.cell import Cell
from benchmark.utils.text import format_count


def settled_keys(store: Store, retried: Collection[str]) -> set[str]:
    """Keys of stored cells that are not to be run again; one that is 'ok' needs its predictions as they were written.

    Parameters
    ----------
    store : Store
    retried : collection of str
        Statuses of cells that are run again all the same.
    """
    digests = store.digests_by_key()
    kept = (key for key, status in store.statuses_by_key().items() if status not in retried)
    return {
        key for key in kept if key not in digests or store.folder.has_predictions(key, digests[key])
    }


def check_complete(plan: Plan, store: Store) -> None:
    """Refuse to end well when a planned cell has no row, or other predictions than were written for it.

    Plug-ins may write wherever this user may.

    Raises
    ------
    UserError
        It says how many cells these are, and names one.
    """
    stored, digests = store.statuses_by_key(), store.digests_by_key()
    missing: list[Cell] = []
    damaged: list[Cell] = []
    for cell in plan.cells():
        if cell.key not in stored:
            missing.append(cell)
        elif cell.key in digests and not store.folder.has_predictions(cell.key, digests[cell.key]):
            damaged.append(cell)
    if missing:
        have = "planned cell has" if len(missing) == 1 else "planned cells have"
        raise UserError(
            f"{len(missing)} {have} no row, such as {_describe_cell(missing[0])}; run the same command again"
        )
    if damaged:
        raise UserError(
            f"the predictions of {format_count(len(damaged), 'cell')} are missing or were changed "
            "after the cell had ended, "
            f"such as those of {_describe_cell(damaged[0])}; run the same command again"
        )


def _describe_cell(cell: Cell) -> str:
    return " / ".join(
        str(cell.identity[axis]) for axis in ("dataset", "extractor", "strategy", "model", "seed")
    )
