"""Rows are stored and read as they were; edited, corrupted or other files are refused."""

import io
import json
import shutil
import sqlite3
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmark import load_study, run
from benchmark.cli.app import app
from benchmark.cli.rich_output import print_leaderboards
from benchmark.engine.merge import merge_results
from benchmark.errors import UserError
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.reporting.compare import compare_configurations
from benchmark.reporting.info import describe_results, make_completeness_table
from benchmark.reporting.leaderboard import format_leaderboard, make_leaderboards
from benchmark.reporting.plots import draw_plots
from benchmark.reporting.report import write_report
from benchmark.reporting.text_tables import render_rows, render_tables
from benchmark.results.store import DuplicateKeyError, Store, load_results
from benchmark.serving.page_content import load_page_content


@pytest.fixture
def cells(digits, make_cell):
    return [make_cell(digits, fold=fold, model="majority") for fold in range(3)]


def test_two_rows_with_one_key_are_an_error(digits, cells, tmp_path):
    store, row = Store(tmp_path), evaluate_on_dataset(cells[0], digits, tmp_path)
    store.add_row(row)
    with pytest.raises(DuplicateKeyError):
        store.add_row(row)
    store.add_row(row, replace=True)
    assert store.statuses_by_key() == {row["key"]: "ok"}


def test_a_row_reads_back_as_it_was_and_cells_not_run_are_planned(digits, cells, tmp_path):
    store = Store(tmp_path)
    store.record_planned_cells((cell.identity, cell.key) for cell in cells)
    row = evaluate_on_dataset(cells[1], digits, tmp_path)
    store.add_row(row)
    frame = load_results(tmp_path)
    assert list(frame["status"]) == ["planned", "ok", "planned"]
    stored = frame.iloc[1]
    for name, value in row.items():
        if (
            name != "size"
            and not (isinstance(value, float) and np.isnan(value))
            and value is not None
        ):
            assert stored[name] == value or stored[name] == pytest.approx(value), name
    first = ["key", "status", "reason"]
    assert list(frame.columns[:3]) == first


def test_a_row_is_on_disk_as_soon_as_it_is_added(digits, cells, tmp_path):
    Store(tmp_path).add_row(evaluate_on_dataset(cells[0], digits, tmp_path))
    assert sqlite3.connect(tmp_path / "results.sqlite").execute(
        "SELECT key FROM rows"
    ).fetchone() == (cells[0].key,)


def test_a_label_whose_code_changed_points_to_its_new_key_and_history_stays(
    digits, make_cell, tmp_path
):
    store = Store(tmp_path)
    old, new = (
        make_cell(digits, model="knn(n_neighbors=3)"),
        make_cell(digits, model="knn(n_neighbors=4)"),
    )
    new.values["model"] = old.model  # the same label, another key
    new.__dict__["key"] = "otherkey"
    for cell in (old, new):
        store.record_planned_cells([(cell.identity, cell.key)])
        store.add_row(evaluate_on_dataset(cell, digits, tmp_path) | {"key": cell.key})
    assert list(load_results(tmp_path)["key"]) == ["otherkey"]
    assert set(store.statuses_by_key()) == {old.key, "otherkey"}


def test_a_folder_without_results_or_with_another_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="run a study with --out"):
        load_results(tmp_path)
    (tmp_path / "results.sqlite").write_text(
        "this is no database, whatever its name says, and it is long enough"
    )
    for attempt in (load_results, Store):
        with pytest.raises(UserError, match="not a results database"):
            attempt(tmp_path)
    assert (tmp_path / "results.sqlite").read_text().startswith("this is no database")


def test_a_folder_in_which_no_cell_has_been_run_gives_a_table(cells, tmp_path):
    Store(tmp_path).record_planned_cells((cell.identity, cell.key) for cell in cells)
    ((_, table),) = make_leaderboards(load_results(tmp_path), "f1")
    assert format_leaderboard(table)["done"][0] == "0/3"


def test_another_programs_database_is_left_as_it_is(tmp_path):
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        connection.execute("CREATE TABLE rows (a)")
    before = (tmp_path / "results.sqlite").read_bytes()
    for attempt in (load_results, Store):
        with pytest.raises(UserError, match="not a results database"):
            attempt(tmp_path)
    assert (tmp_path / "results.sqlite").read_bytes() == before


@pytest.fixture
def stored(digits, cells, tmp_path):
    """A results folder with three rows that are ok."""
    with Store(tmp_path / "stored") as store:
        store.record_planned_cells((cell.identity, cell.key) for cell in cells)
        for cell in cells:
            store.add_row(evaluate_on_dataset(cell, digits, tmp_path / "stored"))
    return tmp_path / "stored"


def change(folder, *statements):
    with sqlite3.connect(folder / "results.sqlite") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def open_errors(folder):
    """Messages of the errors when a folder is read, and when it is opened for writing."""
    messages = []
    for attempt in (load_results, lambda folder: Store(folder).__exit__()):
        with pytest.raises(UserError) as caught:
            attempt(folder)
        messages.append(str(caught.value))
    return messages


@pytest.mark.parametrize(
    ("version", "age"),
    [
        (0, "an older version"),
        (1, "an older version"),
        (2, "an older version"),
        (4, "a newer version"),
        (-1, "an older version"),
    ],
)
def test_a_database_of_another_schema_is_refused_with_both_numbers(stored, version, age):
    change(stored, f"PRAGMA user_version = {version}")
    for message in open_errors(stored):
        assert age in message
        assert f"(schema {version}, this one reads 3)" in message


def test_a_truncated_or_overwritten_database_is_reported_as_corrupted(stored):
    path = stored / "results.sqlite"
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        whole[:4096],
        whole[:4096] + bytes(200) + whole[4296:],
    ):
        path.write_bytes(content)
        for message in open_errors(stored):
            assert "is corrupted" in message
            assert "\n" not in message
    assert path.read_bytes() == content, "nothing was written into it"


def test_a_folder_in_place_of_the_database_is_reported_as_one(stored):
    (stored / "results.sqlite").unlink()
    (stored / "results.sqlite").mkdir()
    assert all("is a folder" in message for message in open_errors(stored))


EDITS = {
    "f1 = 'x'": "'f1': Input should be a valid number",
    "f1 = 1.5": "'f1': must be between 0 and 1, or NaN where it is undefined (found: 1.5)",
    "mcc = -2": "'mcc': must be between -1 and 1, or NaN where it is undefined (found: -2",
    "log_loss = -0.1": "'log_loss': must be between 0 and 1000, or NaN",
    "accuracy = NULL": "has no value in column 'accuracy'",
    "f1 = x'00ff'": "'f1': Input should be a valid number",
    "n_train = 1.5": "'n_train': Input should be a valid integer",
    "n_train = -1": "'n_train': Input should be greater than or equal to 0",
    "fit_s = NULL": "is 'ok' but has no value in column 'fit_s'",
    "matrices = NULL": "has no value in column 'matrices'",
    "status = 'fine'": "'status': Input should be 'planned'",
    "environment = '{}'": "'environment': processor: Field required",
    "notes = 'x'": "'notes': Invalid JSON",
    "notes = '[1]'": "'notes': Input should be an object",
    "per_class = '1'": "'per_class': Input should be an object",
    "per_class = '{}'": "'per_class': Dictionary should have at least 1 item",
    "per_class = '{\"0\": {}}'": "'per_class': 0.recall: Field required",
    "per_class = json_remove(per_class, '$.1.support')": "'per_class': 1.support: Field required",
    "per_class = json_set(per_class, '$.1.support', -1)": (
        "'per_class': 1.support: Input should be greater"
    ),
    "per_class = json_set(per_class, '$.1.recall', 7)": (
        "'per_class': 1.recall: must be between 0 and 1, or NaN where it is undefined (found: 7)"
    ),
    "per_class = json_set(per_class, '$.1.recall', null)": (
        "'per_class': 1.recall: Input should be a valid number"
    ),
    "per_class = json_set(per_class, '$.1.train', 'x')": (
        "'per_class': 1.train: Input should be a valid integer"
    ),
    "matrices = '{\"k\": {}}'": "'matrices': k.extractor: Field required",
    "history = '[[['": "'history': Invalid JSON",
}


@pytest.mark.parametrize(("edit", "problem"), EDITS.items())
def test_an_edited_row_is_named_with_its_column(stored, edit, problem):
    key = load_results(stored)["key"][1]
    change(stored, f"UPDATE rows SET {edit} WHERE key = '{key}'")
    with pytest.raises(UserError, match="it was edited, or written by another version") as caught:
        load_results(stored)
    assert problem in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    "identity",
    [
        "'{'",
        "'[]'",
        "NULL",
        "json_remove(identity, '$.dataset')",
        "json_set(identity, '$.split', null)",
        "1",
    ],
)
def test_labels_of_a_wrong_shape_are_an_error(stored, identity):
    change(stored, f"UPDATE planned SET identity = {identity} WHERE rowid = 1")
    with pytest.raises(UserError, match="'labels'"):
        load_results(stored, [])


LABELS = {
    ("imbalance", "step(ratio=''x'')"): "imbalance: ratio of",
    ("imbalance", "step(ratio=[1])"): "imbalance: ratio of",
    ("occlusion", "boxes(share=''x'')"): "occlusion: share of",
    ("occlusion", "boxes(share=None)"): "occlusion: share of",
    ("strategy", "a + + b"): "strategy: cannot read",
    ("dataset", ""): "dataset: an empty name",
}


@pytest.mark.parametrize(("edit", "problem"), LABELS.items())
def test_a_label_that_no_table_could_read_is_named(stored, edit, problem):
    name, label = edit
    change(
        stored,
        f"UPDATE planned SET identity = json_set(identity, '$.{name}', '{label}') WHERE rowid = 1",
    )
    with pytest.raises(UserError) as caught:
        load_results(stored, [])
    assert problem in str(caught.value)


def test_rows_of_no_planned_cell_are_refused_before_anything_is_merged(stored, tmp_path):
    change(stored, "DELETE FROM planned")
    with pytest.raises(UserError, match="lists no planned cells; run its study again with --out"):
        merge_results([stored], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("columns", [None, [], ["f1", "per_class"]])
def test_a_folder_in_which_nothing_is_planned_is_an_empty_table_in_every_display(
    stored, columns, tmp_path
):
    change(stored, "DELETE FROM planned")
    rows = load_results(stored, columns)
    assert rows.empty
    assert {"status", "dataset", "occlusion", "model"} <= set(rows)
    print_leaderboards(Console(file=io.StringIO()), rows)
    assert make_completeness_table(rows)["planned"][0] == 0
    assert list(describe_results(rows)) == ["no features were computed"]
    assert json.loads(render_rows(rows, "json")) == []
    refused = (
        *(partial(render_tables, rows, form, "f1") for form in ("md", "csv", "latex", "json")),
        *(partial(render_tables, rows, "csv", "f1", by) for by in ("class", "occlusion")),
        *(
            partial(draw_plots, stored),
            partial(compare_configurations, stored, "a", "b"),
            partial(load_page_content, [stored]),
            partial(write_report, stored),
        ),
    )
    for attempt in refused:
        with pytest.raises(UserError):
            attempt()


@pytest.mark.parametrize("column", ["key", "status"])
def test_a_row_without_a_key_or_a_status_is_refused_by_every_reader(stored, column, tmp_path):
    # the copy of a table has no NOT NULL constraints
    with sqlite3.connect(stored / "results.sqlite") as connection:
        connection.executescript(
            "CREATE TABLE r AS SELECT * FROM rows; DROP TABLE rows; ALTER TABLE r RENAME TO rows"
        )
    connection.close()
    change(stored, f"UPDATE rows SET {column} = NULL WHERE rowid = 1")
    with Store(stored) as store, pytest.raises(UserError, match=f"'{column}'"):
        store.statuses_by_key()
    with pytest.raises(UserError, match=f"'{column}'"):
        merge_results([stored], tmp_path / "out")


def test_a_key_with_a_path_out_of_the_folder_is_an_error(stored):
    change(stored, "UPDATE planned SET key = '../../x' WHERE rowid = 1")
    with pytest.raises(UserError, match="'key'"):
        load_results(stored)


def test_a_missing_table_or_column_is_an_error(stored):
    change(stored, "ALTER TABLE rows DROP COLUMN predict_s")
    with pytest.raises(UserError, match="'predict_s'"):
        load_results(stored)
    change(stored, "DROP TABLE planned")
    with pytest.raises(UserError, match="no such table: planned"):
        load_results(stored)


def test_reading_rolls_back_a_killed_writers_transaction_without_writing_into_the_folder(
    stored, tmp_path
):
    writer = sqlite3.connect(stored / "results.sqlite", isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE rows SET status = 'failed', reason = hex(zeroblob(100000))")
    killed = tmp_path / "killed"
    shutil.copytree(stored, killed)  # a copy with the journal, and without locks
    writer.rollback()
    writer.close()
    before = {path.name: path.read_bytes() for path in killed.glob("results.sqlite*")}
    assert len(before) == 2
    assert list(load_results(killed)["status"]) == ["ok"] * 3
    assert {path.name: path.read_bytes() for path in killed.glob("results.sqlite*")} == before


@pytest.mark.parametrize("command", [("compare", "knn", "majority"), ("plot",), ("merge",)])
def test_exchanged_predictions_are_refused_by_every_command_that_reads_them(tmp_path, command):
    folder = tmp_path / "out"
    rows = run(
        load_study("digits", extractors=["pixels"], models=["majority", "knn"], split="holdout"),
        out=folder,
    )
    files = [folder / "predictions" / f"{key}.npz" for key in rows["key"]]
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, reversed(contents), strict=True):
        file.write_bytes(content)
    name, *arguments = command
    options = ("--metric", "accuracy") if name == "compare" else ("--out", tmp_path / "elsewhere")
    outcome = CliRunner().invoke(app, [name, str(folder), *arguments, *map(str, options)])
    assert isinstance(outcome.exception, UserError)
    assert "was changed after its cell had ended: run its study again with --force" in str(
        outcome.exception
    )
