import sqlite3

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.evaluate import evaluate
from benchmark.leaderboard import leaderboards, shown
from benchmark.store import DuplicateKeyError, Store, load_results


@pytest.fixture
def cells(digits, make_cell):
    return [make_cell(digits, fold=fold, model="majority") for fold in range(3)]


def test_two_rows_with_one_key_are_an_error(digits, cells, tmp_path):
    store, row = Store(tmp_path), evaluate(cells[0], digits, tmp_path)
    store.add(row)
    with pytest.raises(DuplicateKeyError):
        store.add(row)
    store.add(row, replace=True)
    assert store.statuses() == {row["key"]: "ok"}


def test_a_row_reads_back_as_it_was_and_cells_not_run_are_planned(digits, cells, tmp_path):
    store = Store(tmp_path)
    store.plan(cells)
    row = evaluate(cells[1], digits, tmp_path)
    store.add(row)
    frame = load_results(tmp_path)
    assert list(frame["status"]) == ["planned", "ok", "planned"]
    stored = frame.iloc[1]
    for name, value in row.items():
        if name != "size" and not (isinstance(value, float) and np.isnan(value)) and value is not None:
            assert stored[name] == value or stored[name] == pytest.approx(value), name
    first = ["key", "status", "reason"]
    assert list(frame.columns[:3]) == first


def test_a_row_is_on_disk_as_soon_as_it_is_added(digits, cells, tmp_path):
    Store(tmp_path).add(evaluate(cells[0], digits, tmp_path))
    assert sqlite3.connect(tmp_path / "results.sqlite").execute("SELECT key FROM rows").fetchone() == (cells[0].key,)


def test_a_label_whose_code_changed_points_to_its_new_key_and_history_stays(digits, make_cell, tmp_path):
    store = Store(tmp_path)
    old, new = make_cell(digits, model="knn(n_neighbors=3)"), make_cell(digits, model="knn(n_neighbors=4)")
    object.__setattr__(new, "model", old.model)  # the same label, another key
    new.__dict__["key"] = "otherkey"
    for cell in (old, new):
        store.plan([cell])
        store.add(evaluate(cell, digits, tmp_path) | {"key": cell.key})
    assert list(load_results(tmp_path)["key"]) == ["otherkey"]
    assert set(store.statuses()) == {old.key, "otherkey"}


def test_a_folder_without_results_or_with_something_else_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="run a study with --out"):
        load_results(tmp_path)
    (tmp_path / "results.sqlite").write_text("this is no database, whatever its name says, and it is long enough")
    for attempt in (load_results, Store):
        with pytest.raises(UserError, match="not a results database"):
            attempt(tmp_path)
    assert (tmp_path / "results.sqlite").read_text().startswith("this is no database")


def test_a_folder_where_nothing_is_done_yet_still_gives_a_table(cells, tmp_path):
    Store(tmp_path).plan(cells)
    ((_, table),) = leaderboards(load_results(tmp_path), "f1")
    assert shown(table)["done"][0] == "0/3"


def test_another_programs_database_is_left_as_it_is(tmp_path):
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        connection.execute("CREATE TABLE rows (a)")
    before = (tmp_path / "results.sqlite").read_bytes()
    for attempt in (load_results, Store):
        with pytest.raises(UserError, match="not a results database"):
            attempt(tmp_path)
    assert (tmp_path / "results.sqlite").read_bytes() == before
