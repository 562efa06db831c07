"""A cell that fails in any way becomes a row with a status and a reason; no other is affected."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import load_results, load_study, run

FAULTS = str(Path(__file__).parents[1] / "faults.py")
TIME_LIMIT, MEMORY_LIMIT = 6.0, "500 MB"
ENDS = {
    "sleeps": ("timeout", "time_limit of 6 s"),
    "allocates": ("memory", "held more than the memory_limit of 0.50 GB"),
    "segfaults": ("crashed", "killed by SIGSEGV"),
    "raises": ("failed", "RuntimeError: the lens cap is on"),
    "predicts_na_n": ("failed", "NaN or infinite"),
    "leaves_silently": ("crashed", "exited with code 0"),
    "warns_of_nothing": ("failed", "a MuteError without a readable message"),
    "leaves_a_child_and_dies": ("crashed", "exited with code 7"),
    "closes_all_and_sleeps": ("crashed", "closed its connection"),
    "interrupts": ("failed", "KeyboardInterrupt"),
    "forks_and_returns": ("ok", ""),
    "lowers_recursion_limit": ("ok", ""),
    "claims_a_full_disk": ("failed", "StorageError: the disk is full"),
    "writes_no_more": ("failed", "StorageError: cannot write"),
    "fails_at_length": ("failed", "characters left out"),
    "warns_at_length": ("ok", ""),
    "raises_what_nobody_catches": ("failed", "OddError"),
    "leaves": ("failed", "SystemExit: 3"),
    "sends_rubbish": ("crashed", "sent an invalid message"),
}
HONEST = ["nearest_centroid", "knn", "gaussian_nb"]


def faulty(**axes):
    limits = {"time_limit": TIME_LIMIT, "memory_limit": MEMORY_LIMIT}
    models = [*HONEST[:1], *(f"{FAULTS}:{name}" for name in NAMES), *HONEST[1:]]
    return load_study(
        "digits",
        **{"extractors": ["pixels"], "models": models, "split": "holdout", **limits, **axes},
    )


NAMES = (
    *("Sleeps", "Allocates", "Segfaults", "Raises", "PredictsNaN", "LeavesSilently"),
    *("WarnsOfNothing", "LeavesAChildAndDies", "ClosesAllAndSleeps", "Interrupts"),
    *(
        "ForksAndReturns",
        "LowersRecursionLimit",
        "ClaimsAFullDisk",
        "WritesNoMore",
        "FailsAtLength",
        "WarnsAtLength",
    ),
    *("RaisesWhatNobodyCatches", "Leaves", "SendsRubbish"),
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of the faulty study, by the name of the model."""
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORK_LOG", str(folder / "log"))
        rows = run(faulty(), folder / "out", jobs=2)
    return rows.assign(model=rows["model"].str.split(":").str[-1]).set_index("model")


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [(name, *end) for name, end in zip(NAMES, ENDS.values(), strict=True)],
)
def test_a_fault_is_a_row_with_its_status_and_reason(rows, name, status, reason):
    assert rows.loc[name, "status"] == status
    assert reason in rows.loc[name, "reason"]


@pytest.mark.parametrize("name", HONEST)
def test_every_honest_cell_among_faults_is_ok(rows, name):
    assert rows.loc[name, "status"] == "ok"


def test_long_messages_of_a_plug_in_are_truncated_where_they_are_stored(rows):
    assert rows["reason"].str.len().max() < 1100
    assert rows["traceback"].dropna().str.len().max() < 20_100
    notes = rows.loc["WarnsAtLength", "notes"]
    assert len(notes) < 60
    assert max(map(len, notes)) < 600
    assert "the history of the training is not stored, since it has 10 MB" in notes


def test_an_extractor_that_fails_is_tried_once_and_ends_all_its_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("WORK_LOG", str(tmp_path / "log"))
    extractors = [f"{FAULTS}:SleepingExtractor", f"{FAULTS}:CrashingExtractor", "pixels"]
    rows = run(
        faulty(extractors=extractors, models=HONEST, time_limit=2.0), tmp_path / "out", jobs=2
    )
    by_extractor = rows.assign(extractor=rows["extractor"].str.split(":").str[-1]).groupby(
        "extractor"
    )
    assert {name: set(group["status"]) for name, group in by_extractor} == {
        "SleepingExtractor": {"timeout"},
        "CrashingExtractor": {"crashed"},
        "pixels": {"ok"},
    }
    assert rows["reason"].str.startswith(
        f"extracting {FAULTS}:SleepingExtractor: took longer"
    ).sum() == len(HONEST)
    log = (tmp_path / "log").read_text()
    assert [log.count("SleepingExtractor"), log.count("CrashingExtractor")] == [1, 1]


@pytest.mark.slow
def test_cells_that_failed_are_run_again_only_on_request(tmp_path):
    models = [f"{FAULTS}:Segfaults", f"{FAULTS}:Raises", "nearest_centroid"]
    ends = [
        run(faulty(models=models), tmp_path, jobs=2, retry=retry).set_index("model")["ended"]
        for retry in ((), (), ["crashed"], ["all"])
    ]
    changed = [[ends[k][model] != ends[k + 1][model] for model in ends[0].index] for k in range(3)]
    assert changed == [[False, False, False], [True, False, False], [True, True, False]]
    assert load_results(tmp_path)["key"].is_unique


def test_a_plug_in_that_prints_changes_folder_and_raises_invalid_unicode_disturbs_no_other(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--jobs",
        "1",
        "--extractor",
        "pixels",
        "--out",
        "out",
    ]
    for model in (f"{FAULTS}:Talks", "knn", "gaussian_nb"):
        command += ["--model", model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "SPAM" not in done.stdout
    rows = load_results("out")
    by_the_plugin = rows["model"] == f"{FAULTS}:Talks"
    assert list(rows["status"][by_the_plugin]) == ["failed"] * 3
    assert list(rows["status"][~by_the_plugin]) == ["ok"] * 6
    assert set(rows["reason"][by_the_plugin]) == {"RuntimeError: ?"}


def test_a_history_of_unusual_types_is_stored_as_far_as_possible(tmp_path):
    (row,) = run(faulty(models=[f"{FAULTS}:KeepsOddHistory"]), tmp_path, jobs=1).to_dict("records")
    assert row["status"] == "ok"
    assert row["history"][0]["loss"] == 0.5
    assert row["history"][0]["curve"] == [0, 1]
    assert row["history"][0]["rng"].startswith("Generator")
