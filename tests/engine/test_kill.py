"""A runner killed at any moment loses nothing, repeats nothing, and leaves nothing behind."""

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
    return written(tmp_path, 20)


def written(folder, n_seeds, **changes):
    text = STUDY.replace("SEEDS", str([*range(n_seeds)]))
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "kill.yaml").write_text(text)
    return folder / "kill.yaml"


def runner(study, out, log, *more, **options):
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
        *more,
    ]
    return subprocess.Popen(
        command,
        env={**os.environ, "WORK_LOG": str(log)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def to_the_end(process, expect=0):
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == expect, printed.decode()
    return printed.decode()


def starts(log, model="Honest"):
    """When the cells of a model began, by the seed of the model."""
    found = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        name, when, _ = line.split()
        found.setdefault(name, []).append(float(when))
    return {name: times for name, times in found.items() if name.startswith(model)}


def done(folder):
    """The stored rows that are ok, with the moment they ended."""
    if not (folder / "results.sqlite").exists() or not (folder / "results.sqlite").stat().st_size:
        return {}
    rows = load_results(folder)
    return (
        {row["key"]: row["ended"] for row in rows[rows["status"] == "ok"].to_dict("records")}
        if "ended" in rows
        else {}
    )


def strays(folder):
    hidden = [path for path in folder.rglob("*") if path.name.startswith(".")]
    return [*hidden, *(folder / "claims").iterdir(), *folder.glob("*-journal")]


def outlive(processes, seconds):
    """Those that still run; one that nobody has taken note of yet is dead all the same."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [
        process
        for process in alive
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def compared(folder):
    rows = load_results(folder).sort_values("key")
    assert rows["key"].is_unique
    return rows[COMPARED].to_dict("records")


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_as_one_left_in_peace(tmp_path):
    study, n = written(tmp_path, 80), 320
    moments, stored, in_the_midst = random.Random(7), {}, 0
    for kill in range(KILLS):
        process = runner(study, tmp_path / "killed", tmp_path / "log")
        while kill % 2 and process.poll() is None and done(tmp_path / "killed") == stored:
            time.sleep(0.02)  # every other kill falls into the work, the rest into the beginning
        time.sleep(moments.uniform(0, 1.5 if kill % 2 else 3.0))
        begun = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not outlive(begun, 5)
        now = done(tmp_path / "killed")
        assert stored.items() <= now.items(), "a stored row was lost or computed again"
        in_the_midst += len(stored) < len(now) < n
        stored = now
    assert in_the_midst >= KILLS / 2 - 1
    to_the_end(runner(study, tmp_path / "killed", tmp_path / "log"))
    assert stored.items() <= done(tmp_path / "killed").items()
    to_the_end(runner(study, tmp_path / "peace", tmp_path / "peace.log"))
    assert compared(tmp_path / "killed") == compared(tmp_path / "peace")
    for path in (tmp_path / "peace" / "predictions").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / "predictions" / path.name).read_bytes()
    assert not strays(tmp_path / "killed")
    assert len(list((tmp_path / "killed" / "predictions").iterdir())) == n


@pytest.mark.slow
def test_two_runners_on_one_folder_run_every_cell_once(study, tmp_path):
    both = [runner(study, tmp_path / "out", tmp_path / "log") for _ in range(2)]
    for process in both:
        assert "20/20" in to_the_end(process)
    assert len(compared(tmp_path / "out")) == 80
    assert set(load_results(tmp_path / "out")["status"]) == {"ok"}
    counts = [len(times) for times in starts(tmp_path / "log").values()]
    assert counts == [2] * 20, "a seed has two honest cells, one an extractor"
    assert (tmp_path / "log").read_text().count("Constant") == 4, (
        "1,797 images are 4 batches, computed once"
    )
    assert not strays(tmp_path / "out")


@pytest.mark.slow
def test_two_runners_that_retry_run_every_cell_once_more(tmp_path):
    study = written(tmp_path, 10, **{"Honest(seconds=0.25)": "Raises"})
    to_the_end(runner(study, tmp_path / "out", tmp_path / "log"), expect=1)
    (tmp_path / "log").unlink()
    both = [
        runner(study, tmp_path / "out", tmp_path / "log", "--retry", "failed") for _ in range(2)
    ]
    for process in both:
        to_the_end(process, expect=1)
    assert [len(times) for times in starts(tmp_path / "log", "Raises").values()] == [2] * 10, (
        "a seed has two cells that fail"
    )


def test_what_is_not_ours_is_left_alone_in_a_results_folder(tmp_path):
    study, folder = written(tmp_path, 1), tmp_path / "out"
    theirs = [
        folder / name
        for name in (
            ".env.local",
            "claims/2024.csv",
            "predictions/.my.notes",
            ".venv3.11/x.y",
            ".a.b.c.part",
        )
    ]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    stale = folder / "predictions" / ".0123456789abcdef0123.npz.abcd1234.part"
    stale.write_text("half")
    to_the_end(runner(study, folder, tmp_path / "log"))
    assert [path.read_text() for path in theirs] == ["mine"] * 5
    assert not stale.exists()


@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_with_workers_works_or_is_told_what_to_write(tmp_path, guarded):
    call = f"print(len(run(load_study('digits', extractors=['pixels'], models=['knn']), {str(tmp_path / 'out')!r}, jobs=2)))"
    script = tmp_path / "script.py"
    script.write_text(
        "from benchmark import load_study, run\n"
        + (f"if __name__ == '__main__':\n    {call}" if guarded else call)
    )
    finished = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (finished.returncode == 0) == guarded
    assert finished.stdout == ("3\n" if guarded else "")
    assert ("if __name__ == '__main__'" in finished.stderr) != guarded


@pytest.mark.slow
def test_a_runner_takes_over_what_a_killed_one_was_at(study, tmp_path):
    first = runner(study, tmp_path / "out", tmp_path / "log")
    while not starts(tmp_path / "log"):
        time.sleep(0.05)
    second = runner(study, tmp_path / "out", tmp_path / "log")
    time.sleep(3)
    first.kill()
    first.communicate()
    to_the_end(second)
    assert set(load_results(tmp_path / "out")["status"]) == {"ok"}
    assert not strays(tmp_path / "out")


@pytest.mark.parametrize(
    "scheduler", ["local", pytest.param("local-cluster", marks=pytest.mark.slow)]
)
def test_ctrl_c_stops_and_prints_what_is_done(study, tmp_path, scheduler):
    process = runner(
        study, tmp_path / "out", tmp_path / "log", "--scheduler", scheduler, start_new_session=True
    )
    while not len(done(tmp_path / "out")) > 4:
        time.sleep(0.1)
    begun = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed.decode()
    assert b"Interrupted" in printed
    assert b"Traceback" not in printed
    assert b"done" in printed
    assert not outlive(begun, 1)
    assert not strays(tmp_path / "out")


@pytest.mark.slow
def test_ctrl_c_kills_what_would_not_end(tmp_path):
    study = written(tmp_path, 1, **{"Honest(seconds=0.25)": "Sleeps"})
    process = runner(study, tmp_path / "out", tmp_path / "log", start_new_session=True)
    while not starts(tmp_path / "log", "Sleeps"):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)  # it sleeps for longer
    assert process.returncode == 130


def test_predictions_half_written_are_never_read(study, tmp_path):
    """The file of a cell is either absent or whole, at every look while a study runs."""
    process = runner(study, tmp_path / "out", tmp_path / "log")
    looked = 0
    while process.poll() is None and looked < 200:
        for path in (tmp_path / "out" / "predictions").glob("[!.]*.npz"):
            assert Predictions.load(path).proba.shape == (360, 10)
            looked += 1
    process.kill()
    process.communicate()
    assert looked
