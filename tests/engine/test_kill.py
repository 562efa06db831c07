"""A runner that is killed at any moment loses no row, repeats no cell and leaves no files."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmark import load_results
from benchmark.scoring.predictions import Predictions

FAULTS = str(Path(__file__).parents[1] / "faults.py")
KILLS = 20
STUDY = """
name: kill
datasets: [digits]
split: holdout
extractors: ["FAULTS:Constant(seconds=0.2)", hog]
models: ["FAULTS:Honest(seconds=0.25)", knn]
seeds: SEEDS
""".replace("FAULTS", FAULTS)
COMPARED = ["key", "status", "accuracy", "log_loss", "auc", "n_train", "n_test"]


@pytest.fixture
def study(tmp_path):
    """A study of 80 cells, half of them slow."""
    return write_study(tmp_path, 20)


def write_study(folder, n_seeds, **changes):
    text = STUDY.replace("SEEDS", str([*range(n_seeds)]))
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "kill.yaml").write_text(text)
    return folder / "kill.yaml"


def start_runner(study, out, log, *arguments, **options):
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        str(study),
        "--out",
        str(out),
        "--jobs",
        "2",
        *arguments,
    ]
    return subprocess.Popen(
        command,
        env={**os.environ, "WORK_LOG": str(log)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def wait_for_end(process, exit_code=0):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == exit_code, output.decode()
    return output.decode()


def start_times(log, model="Honest"):
    """Times at which the cells of a model started, by the name and seed of the model."""
    times_by_name = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        name, time_s, _ = line.split()
        times_by_name.setdefault(name, []).append(float(time_s))
    return {name: times for name, times in times_by_name.items() if name.startswith(model)}


def end_times(folder):
    """Times at which the cells that are ok ended, by key."""
    if not (folder / "results.sqlite").exists() or not (folder / "results.sqlite").stat().st_size:
        return {}
    rows = load_results(folder)
    return (
        {row["key"]: row["ended"] for row in rows[rows["status"] == "ok"].to_dict("records")}
        if "ended" in rows
        else {}
    )


def leftover_files(folder):
    hidden = [path for path in folder.rglob("*") if path.name.startswith(".")]
    return [*hidden, *(folder / "claims").iterdir(), *folder.glob("*-journal")]


def processes_alive_after(processes, seconds):
    """Processes that still run after some seconds, without those that are zombies."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [
        process
        for process in alive
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def compared_columns(folder):
    rows = load_results(folder).sort_values("key")
    assert rows["key"].is_unique
    return rows[COMPARED].to_dict("records")


@pytest.mark.slow
def test_a_run_killed_at_random_times_ends_like_one_that_was_not_interrupted(tmp_path):
    study, n = write_study(tmp_path, 80), 320
    delays, stored, killed_while_working = random.Random(7), {}, 0
    for kill in range(KILLS):
        process = start_runner(study, tmp_path / "killed", tmp_path / "log")
        while kill % 2 and process.poll() is None and end_times(tmp_path / "killed") == stored:
            time.sleep(0.02)  # every other run is killed while it works, the rest at its start
        time.sleep(delays.uniform(0, 1.5 if kill % 2 else 3.0))
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not processes_alive_after(children, 5)
        stored_now = end_times(tmp_path / "killed")
        assert stored.items() <= stored_now.items(), "a stored row was lost or computed again"
        killed_while_working += len(stored) < len(stored_now) < n
        stored = stored_now
    assert killed_while_working >= KILLS / 2 - 1
    wait_for_end(start_runner(study, tmp_path / "killed", tmp_path / "log"))
    assert stored.items() <= end_times(tmp_path / "killed").items()
    wait_for_end(start_runner(study, tmp_path / "whole", tmp_path / "whole.log"))
    assert compared_columns(tmp_path / "killed") == compared_columns(tmp_path / "whole")
    for path in (tmp_path / "whole" / "predictions").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / "predictions" / path.name).read_bytes()
    assert not leftover_files(tmp_path / "killed")
    assert len(list((tmp_path / "killed" / "predictions").iterdir())) == n


@pytest.mark.slow
def test_two_runners_on_one_folder_run_every_cell_once(study, tmp_path):
    both = [start_runner(study, tmp_path / "out", tmp_path / "log") for _ in range(2)]
    for process in both:
        assert "20/20" in wait_for_end(process)
    assert len(compared_columns(tmp_path / "out")) == 80
    assert set(load_results(tmp_path / "out")["status"]) == {"ok"}
    counts = [len(times) for times in start_times(tmp_path / "log").values()]
    assert counts == [2] * 20, "each seed has two honest cells, one per extractor"
    assert (tmp_path / "log").read_text().count("Constant") == 4, (
        "1,797 images are 4 batches, computed once"
    )
    assert not leftover_files(tmp_path / "out")


@pytest.mark.slow
def test_two_runners_that_retry_run_every_cell_once_more(tmp_path):
    study = write_study(tmp_path, 10, **{"Honest(seconds=0.25)": "Raises"})
    wait_for_end(start_runner(study, tmp_path / "out", tmp_path / "log"), exit_code=1)
    (tmp_path / "log").unlink()
    both = [
        start_runner(study, tmp_path / "out", tmp_path / "log", "--retry", "failed")
        for _ in range(2)
    ]
    for process in both:
        wait_for_end(process, exit_code=1)
    assert [len(times) for times in start_times(tmp_path / "log", "Raises").values()] == [2] * 10, (
        "each seed has two cells that fail"
    )


@pytest.mark.slow
def test_files_of_others_in_a_results_folder_are_left_unchanged(tmp_path):
    study, folder = write_study(tmp_path, 1), tmp_path / "out"
    files = [
        folder / name
        for name in (
            ".env.local",
            "claims/2024.csv",
            "predictions/.my.notes",
            ".venv3.11/x.y",
            ".a.b.c.part",
        )
    ]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    stale = folder / "predictions" / ".0123456789abcdef0123.npz.abcd1234.part"
    stale.write_text("half")
    wait_for_end(start_runner(study, folder, tmp_path / "log"))
    assert [path.read_text() for path in files] == ["mine"] * 5
    assert not stale.exists()


@pytest.mark.parametrize("guarded", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_script_with_workers_works_or_gets_an_error_that_names_the_fix(tmp_path, guarded):
    call = f"print(len(run(study, {str(tmp_path / 'out')!r}, jobs=2)))"
    script = tmp_path / "script.py"
    script.write_text(
        "from benchmark import load_study, run\n"
        "study = load_study('digits', extractors=['pixels'], models=['knn'])\n"
        + (f"if __name__ == '__main__':\n    {call}" if guarded else call)
    )
    finished = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (finished.returncode == 0) == guarded
    assert finished.stdout == ("3\n" if guarded else "")
    assert ("if __name__ == '__main__'" in finished.stderr) != guarded


@pytest.mark.slow
def test_a_runner_takes_over_the_cells_that_a_killed_one_had_claimed(study, tmp_path):
    first = start_runner(study, tmp_path / "out", tmp_path / "log")
    while not start_times(tmp_path / "log"):
        time.sleep(0.05)
    second = start_runner(study, tmp_path / "out", tmp_path / "log")
    time.sleep(3)
    first.kill()
    first.communicate()
    wait_for_end(second)
    assert set(load_results(tmp_path / "out")["status"]) == {"ok"}
    assert not leftover_files(tmp_path / "out")


@pytest.mark.parametrize(
    "scheduler", ["local", pytest.param("local-cluster", marks=pytest.mark.slow)]
)
def test_ctrl_c_stops_the_run_and_prints_completed_cells(study, tmp_path, scheduler):
    process = start_runner(
        study, tmp_path / "out", tmp_path / "log", "--scheduler", scheduler, start_new_session=True
    )
    while not len(end_times(tmp_path / "out")) > 4:
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output.decode()
    assert b"Interrupted" in output
    assert b"Traceback" not in output
    assert b"done" in output
    assert not processes_alive_after(children, 1)
    assert not leftover_files(tmp_path / "out")


@pytest.mark.slow
def test_ctrl_c_kills_a_cell_that_does_not_end(tmp_path):
    study = write_study(tmp_path, 1, **{"Honest(seconds=0.25)": "Sleeps"})
    process = start_runner(study, tmp_path / "out", tmp_path / "log", start_new_session=True)
    while not start_times(tmp_path / "log", "Sleeps"):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)  # the model sleeps for longer
    assert process.returncode == 130


@pytest.mark.slow
def test_predictions_half_written_are_never_read(study, tmp_path):
    """While a study runs, the file of a cell is at any time either missing or complete."""
    process = start_runner(study, tmp_path / "out", tmp_path / "log")
    n_checked = 0
    while process.poll() is None and n_checked < 200:
        for path in (tmp_path / "out" / "predictions").glob("[!.]*.npz"):
            assert Predictions.load(path).proba.shape == (360, 10)
            n_checked += 1
    process.kill()
    process.communicate()
    assert n_checked
