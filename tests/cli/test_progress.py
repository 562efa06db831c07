"""What a run prints while it works."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import benchmark.cli.progress
from benchmark import load_results, load_study, run
from benchmark.cli.progress import show_progress

FAULTS = str(Path(__file__).parents[1] / "faults.py")
LINE = re.compile(
    r"(\d+) of (\d+) cells, (\d) of 1 matrix, (?:\d+ s|[\d.]+ min) elapsed"
    r"(?:, about \d+ s left(?:, still uncertain)?)?"
)


def command(folder, *arguments):
    slow = f"{FAULTS}:Honest(seconds=0.25)"
    options = {"--extractor": ["pixels"], "--model": ["knn", slow], "--seed": [0, 1]}
    listed = [part for name, values in options.items() for v in values for part in (name, str(v))]
    return [sys.executable, "-m", "benchmark", "run", *listed, "--out", str(folder), *arguments]


def run_with_progress(study, folder, **options):
    """Run a study, and return what is printed without a terminal."""
    console = Console(file=StringIO(), width=400)
    with show_progress(console, folder) as progress:
        rows = run(study, folder, progress=progress, **options)
    return console.file.getvalue(), rows


def small(**axes):
    return load_study(
        "digits", **{"extractors": ["pixels"], "models": ["nearest_centroid", "knn"], **axes}
    )


@pytest.fixture
def prints_preliminary(monkeypatch):
    """Print a preliminary leaderboard also when nothing but a moment is left."""
    monkeypatch.setattr(benchmark.cli.progress, "WORTHWHILE", 0)


def test_without_a_terminal_a_line_is_printed_per_tenth_at_most(tmp_path):
    done = subprocess.run(
        command(tmp_path, "--jobs", "1"), capture_output=True, text=True, check=True
    )
    assert "\nstudy digits: 12 cells, 0 stored\n" in done.stdout
    lines = [line for line in done.stdout.splitlines() if " elapsed" in line]
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), lines
    counts = [int(match[1]) for match in matches]
    assert {match[2] for match in matches} == {"12"}
    assert 2 <= len(lines) <= 10
    tenths = [10 * n // 12 for n in counts]
    assert sorted(set(tenths)) == tenths, "no tenth has two lines"
    assert counts[-1] == 12
    assert all("left" in line for line in lines[:-1])
    assert "left" not in lines[-1]
    assert "\x1b" not in done.stdout


def test_without_a_terminal_a_line_is_printed_when_a_minute_has_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark.cli.progress, "MAX_LINE_INTERVAL", 0.3)
    monkeypatch.setattr(benchmark.cli.progress, "MIN_LINE_INTERVAL", 1000)
    study = small(models=[f"{FAULTS}:Honest(seconds=1)"], split="holdout")
    printed, _ = run_with_progress(study, tmp_path)
    assert printed.count("0 of 1 cell, 1 of 1 matrix") >= 2
    assert "1 of 1 cell, 1 of 1 matrix" in printed


def test_failures_are_counted_in_the_lines(tmp_path):
    study = small(models=["knn", f"{FAULTS}:Raises"])
    printed, _ = run_with_progress(study, tmp_path)
    assert "6 of 6 cells, 1 of 1 matrix, 3 failed, " in printed


def test_on_a_terminal_a_bar_shows_cells_matrices_and_the_time_left(tmp_path):
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command(tmp_path, "--jobs", "1"),
        stdout=terminal,
        stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(terminal)
    printed = b""
    try:
        while chunk := os.read(controller, 10_000):
            printed += chunk
    except OSError:  # the process has closed the terminal
        pass
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", printed.decode())
    assert "12/12" in text
    assert "matrices 1/1" in text
    assert re.search(r"elapsed, about \d+ s left", text)


def test_a_preliminary_leaderboard_ranks_the_first_fold_of_every_configuration(
    tmp_path, prints_preliminary
):
    study = small(
        datasets=["digits(name='ten digits')", "faces"],
        imbalances=["step(ratio=1)", "step(ratio=5)"],
        seeds=[0, 1],
    )
    printed, rows = run_with_progress(study, tmp_path)
    titles = [line.strip() for line in printed.splitlines() if line.startswith("preliminary: ")]
    assert [title.split(" · ")[:3] for title in titles] == [
        ["preliminary: fold 1 of 3, seed 1 of 2", dataset, f"step(ratio={ratio})"]
        for dataset in ("ten digits", "faces")
        for ratio in (1, 5)
    ]
    first = rows[(rows["fold"] == 0) & (rows["seed"] == 0)]
    shown = re.findall(r"pixels +none +(?:nearest_centroid|knn) +([\d.]+)", printed)
    assert sorted(shown) == sorted(f"{value:.3f}" for value in first["accuracy"])
    assert "±" not in printed
    assert printed.index("\nPreliminary: ") < printed.rindex(" elapsed")


def test_a_preliminary_leaderboard_is_printed_when_the_first_round_fails_in_part(
    tmp_path, prints_preliminary
):
    study = small(extractors=["pixels", f"{FAULTS}:CrashingExtractor"], models=["knn"])
    printed, _ = run_with_progress(study, tmp_path)
    assert printed.count("preliminary: ") == 1
    assert re.search(r"- +\S*CrashingExtractor +none +knn .* 0/1", printed)


@pytest.mark.parametrize("stored_models", [["nearest_centroid"], ["nearest_centroid", "knn"]])
def test_a_resumed_run_prints_it_only_when_it_completes_the_first_round(
    tmp_path, prints_preliminary, stored_models
):
    run(small(models=stored_models), tmp_path)
    printed, _ = run_with_progress(small(), tmp_path)
    assert printed.count("preliminary: ") == (stored_models == ["nearest_centroid"])


def test_nothing_preliminary_is_printed_when_the_first_round_is_stored(
    tmp_path, prints_preliminary
):
    run(small(split="holdout", models=["knn"]), tmp_path)
    printed, _ = run_with_progress(small(split="holdout", seeds=[0, 1], models=["knn"]), tmp_path)
    assert "study digits: 2 cells, 1 stored" in printed
    assert "preliminary" not in printed


def test_nothing_preliminary_is_printed_when_little_is_left(tmp_path):
    printed, _ = run_with_progress(small(), tmp_path)
    assert "preliminary" not in printed
    assert "6 of 6 cells" in printed


def test_an_interrupted_run_prints_its_state_and_writes_the_tables(tmp_path):
    process = subprocess.Popen(command(tmp_path, "--jobs", "1"), stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "predictions").is_dir() or not [*(tmp_path / "predictions").iterdir()]:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    n_done = (load_results(tmp_path)["status"] == "ok").sum()
    assert 0 < n_done < 12
    assert f"\n{n_done} of 12 cells, " in printed
    assert "Interrupted: run the same command again to continue." in printed
    assert "pixels" in (tmp_path / "leaderboard.md").read_text()
