"""Results folders with damaged files or edited values give tables, or an error of one line."""

import io
import json
import shutil
import sqlite3
import tracemalloc
from contextlib import closing

import numpy as np
import pytest
from rich.console import Console

from benchmark import load_study, run
from benchmark.cli.rich_output import print_leaderboards
from benchmark.engine.merge import merge_results
from benchmark.errors import UserError
from benchmark.reporting import info, text_tables
from benchmark.reporting.plots import recalls
from benchmark.reporting.plots.rows import Results
from benchmark.reporting.results_view import ResultsView
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import Store, load_results
from benchmark.scoring.predictions import Predictions

pytestmark = pytest.mark.slow

FILES, EDITS, PREDICTIONS = 150, 300, 200
LABELS = (
    *("step(ratio='x')", "step(ratio=[1])", "step(", "boxes(share='x')", "boxes(share=None)"),
    *("a + + b", "x(a=1)(b=2)"),
)
PER_CLASS = (
    *({}, {"recall": 0.5}, {"support": 1, "train": 1}, [], 5, None),
    *({"recall": None, "support": None}, {"support": -1}),
)
STATEMENTS = (
    "DELETE FROM planned",
    "DELETE FROM rows",
    "DROP TABLE planned",
    "UPDATE rows SET per_class = '{}'",
)
ODD_VALUES = (
    *(None, 0, -1, 2**63 - 1, 1.5, 1e308, float("inf"), "", "x", "1", "\x1b[31m", "("),
    *("[]", "{}", "null", "[[", "a" * 10_000, b"\xff\x00"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Results folder of a small study."""
    folder = tmp_path_factory.mktemp("whole")
    run(
        load_study(
            "digits",
            extractors=["pixels"],
            models=["knn", "gaussian_nb", "majority"],
            seeds=[0, 1],
            split="holdout",
        ),
        folder,
    )
    return folder


@pytest.fixture
def damaged(whole, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("features", "images"))
    return folder


def mutated(content, rng):
    """Cut off, overwrite, insert or flip bytes."""
    data = bytearray(content)
    how, at = rng.integers(4), int(rng.integers(len(data)))
    if how == 0:
        return bytes(data[:at])
    if how == 1:
        data[at : at + int(rng.integers(1, 300))] = rng.bytes(int(rng.integers(1, 300)))
    if how == 2:
        data[at:at] = rng.bytes(int(rng.integers(1, 50)))
    for position in rng.integers(0, len(data), int(rng.integers(1, 40))) if how == 3 else ():
        data[position] = int(rng.integers(256))
    return bytes(data)


def use(folder, out):
    """Call everything that reads rows, and count the calls that raise a UserError."""

    def write():
        with Store(folder) as store:
            store.statuses_by_key()

    def show():
        rows, view = load_results(folder), ResultsView(folder)
        print_leaderboards(Console(file=io.StringIO(), width=200), rows)
        text_tables.render_rows(rows, "md")
        text_tables.render_tables(rows, "csv", "f1", "class")
        (
            Results(rows, view).most_imbalanced_groups(),
            list(recalls.draw_recall_heat_maps(Results(rows[rows["status"] == "ok"], view), "f1")),
        )
        (
            info.make_completeness_table(rows),
            info.make_cost_table(rows),
            list(info.describe_results(rows)),
        )

    shutil.rmtree(out, ignore_errors=True)
    messages = [
        error_message(attempt) for attempt in (show, write, lambda: merge_results([folder], out))
    ]
    assert max(map(len, messages)) < 1_000
    assert not any("\n" in line for line in messages)
    return sum(map(bool, messages))


def error_message(attempt):
    """Return the message of the UserError that a call raises, or an empty string."""
    try:
        attempt()
    except UserError as error:
        return str(error)
    return ""


def test_a_damaged_database_is_a_table_or_one_line(damaged, tmp_path):
    rng, path = np.random.default_rng(13), damaged / "results.sqlite"
    content, n_refused = path.read_bytes(), 0
    for _ in range(FILES):
        path.write_bytes(mutated(content, rng))
        n_refused += use(damaged, tmp_path / "out")
    assert n_refused > FILES


def test_an_edited_value_is_a_table_or_one_line(damaged, tmp_path):
    rng, path = np.random.default_rng(14), damaged / "results.sqlite"
    content = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        columns = [("rows", name) for _, name, *_ in connection.execute("PRAGMA table_info(rows)")]
    columns += [("planned", "identity"), ("planned", "key"), ("rows", "per_class")] * 10
    n_refused = 0
    for _ in range(EDITS):
        path.write_bytes(content)
        table, column = columns[rng.integers(len(columns))]
        value, where = ODD_VALUES[rng.integers(len(ODD_VALUES))], int(rng.integers(1, 7))
        with closing(sqlite3.connect(path)) as connection, connection:
            if column == "identity" and rng.random() < 0.8:
                (text,) = connection.execute(
                    "SELECT identity FROM planned WHERE rowid = ?", (where,)
                ).fetchone()
                labels = json.loads(text)
                value = LABELS[rng.integers(len(LABELS))] if rng.random() < 0.4 else value
                labels[list(labels)[rng.integers(len(labels))]] = (
                    None if isinstance(value, bytes) else value
                )
                value = json.dumps(labels)
            if column == "per_class" and rng.random() < 0.9:
                (text,) = connection.execute(
                    "SELECT per_class FROM rows WHERE rowid = ?", (where,)
                ).fetchone()
                classes = json.loads(text)
                classes[str(rng.integers(12))] = PER_CLASS[rng.integers(len(PER_CLASS))]
                value = json.dumps(classes)
            connection.execute(
                f'UPDATE OR IGNORE {table} SET "{column}" = ? WHERE rowid = ?', (value, where)
            )
            if rng.random() < 0.05:
                connection.execute(STATEMENTS[rng.integers(len(STATEMENTS))])
        n_refused += use(damaged, tmp_path / "out")
    assert n_refused > EDITS / 2


def test_damaged_predictions_are_the_right_ones_or_one_line(damaged):
    rng = np.random.default_rng(15)
    path = next((damaged / "predictions").iterdir())
    content, right, n_refused = path.read_bytes(), Predictions.load(path), 0
    tracemalloc.start()
    for _ in range(PREDICTIONS):
        path.write_bytes(mutated(content, rng))
        predictions = []
        message = error_message(
            lambda predictions=predictions: predictions.append(
                ResultsFolder(damaged).read_predictions(path.stem)
            )
        )
        assert len(message) < 1_000
        assert all(np.array_equal(stored.proba, right.proba) for stored in predictions)
        n_refused += bool(message)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert n_refused > PREDICTIONS / 2
