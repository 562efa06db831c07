"""Which cells of a plan are settled, and whether all of them are when a run ends."""

from __future__ import annotations

from collections.abc import Collection

from benchmark.errors import UserError
from benchmark.evaluation.plan import Plan
from benchmark.results.store import Store
from benchmark.study.cell import Cell
from benchmark.study.labels import describe_cell
from benchmark.utils.text import format_count


def settled_keys(store: Store, retried: Collection[str]) -> set[str]:
    """Keys of the stored cells that are not run again.

    A cell with the status 'ok' is settled only if its predictions are still as they were written.

    Parameters
    ----------
    store : Store
    retried : collection of str
        Statuses of the cells that are run again although they are stored.

    Returns
    -------
    set of str
    """
    digests = store.digests_by_key()
    keys = (key for key, status in store.statuses_by_key().items() if status not in retried)
    return {
        key for key in keys if key not in digests or store.folder.has_predictions(key, digests[key])
    }


def check_complete(plan: Plan, store: Store) -> None:
    """Check that every planned cell has a row, and the predictions that were written for it.

    Both can be missing at the end of a run, because plug-ins may write wherever the user may.

    Raises
    ------
    UserError
        A row is missing, or predictions are missing or were changed. The message gives the number
        of such cells and names one of them.
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
            f"{len(missing)} {have} no row, such as {describe_cell(missing[0].identity)}; "
            "run the same command again"
        )
    if damaged:
        raise UserError(
            f"the predictions of {format_count(len(damaged), 'cell')} are missing or were changed "
            f"after the cell had ended, such as those of {describe_cell(damaged[0].identity)}; "
            "run the same command again"
        )
