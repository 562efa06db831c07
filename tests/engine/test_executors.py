"""What every executor guarantees, and the limits of a worker."""

import ctypes
import operator
import os
import subprocess
import sys
import time
from concurrent.futures import wait
from multiprocessing.context import SpawnProcess

import psutil
import pytest

from benchmark.engine.dask_executor import _SilenceMonitor
from benchmark.engine.executors import LocalExecutor, executor_for
from benchmark.engine.worker import EndedError, Limits, Worker
from benchmark.errors import UserError

# imports are part of the expression, since a worker's task must be importable there
SPAN = (
    "[__import__('time').monotonic(), __import__('time').sleep(2), __import__('time').monotonic()]"
)
THREADS_OF_EVERY_LIBRARY = """[
    __import__("torch").get_num_threads(),
    __import__("cv2").getNumThreads(),
    __import__("joblib").cpu_count(),
    *(
        library["num_threads"]
        for library in [
            __import__("sklearn.svm"), __import__("threadpoolctl").threadpool_info()
        ][1]
    ),
]"""


@pytest.fixture(scope="module", params=["inline", "local", "local-cluster"])
def executor(request):
    with executor_for(request.param, 2, Limits())(False) as executor:
        yield executor


@pytest.fixture(scope="module", params=["local", "local-cluster"])
def pool(request):
    with executor_for(request.param, 2, Limits())(False) as executor:
        yield executor


def test_a_future_gives_the_result(executor):
    assert executor.submit(operator.add, 1, 2).result() == 3


def test_a_future_raises_what_the_task_raised(executor):
    with pytest.raises(ZeroDivisionError):
        executor.submit(operator.truediv, 1, 0).result()


def test_many_tasks_all_end(executor):
    futures = [executor.submit(operator.mul, k, k) for k in range(50)]
    assert [future.result() for future in futures] == [k * k for k in range(50)]


def test_every_library_is_held_to_one_thread(executor):
    assert set(executor.submit(eval, THREADS_OF_EVERY_LIBRARY).result()) == {1}


def test_two_workers_work_at_once(pool):
    wait([pool.submit(time.sleep, 0.5) for _ in range(2)])  # both workers are started
    spans = [future.result() for future in [pool.submit(eval, SPAN) for _ in range(2)]]
    assert max(start for start, _, _ in spans) < min(end for _, _, end in spans)


@pytest.mark.parametrize("task", [(os._exit, 0), (os._exit, 3), (ctypes.string_at, 0), (os.abort,)])
def test_a_worker_that_dies_ends_its_task_and_is_replaced(pool, task):
    with pytest.raises(EndedError) as caught:
        pool.submit(*task).result(timeout=30)
    assert caught.value.status == "crashed"
    assert pool.submit(operator.add, 1, 2).result() == 3


def test_workers_are_reused():
    with LocalExecutor(1, Limits()) as local:
        assert len({local.submit(os.getpid).result() for _ in range(5)}) == 1


def test_a_time_limit_kills_a_task_that_ignores_signals_and_its_child_processes():
    worker, limits = Worker(), Limits(time=1.0)
    worker.run_task(limits, os.getpid)
    stubborn = (
        "import signal, subprocess, time; [signal.signal(s, signal.SIG_IGN) for s in (15, 1, 2)]; "
    )
    with pytest.raises(EndedError, match="time_limit of 1 s") as caught:
        worker.run_task(limits, exec, stubborn + "subprocess.run(['sleep', '987'])")
    assert caught.value.status == "timeout"
    assert not [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] == ["sleep", "987"]
    ]


def test_a_memory_limit_kills_a_worker_that_passes_it():
    worker, limits = Worker(), Limits(memory=600_000_000)
    with pytest.raises(EndedError, match=r"more than the memory_limit of 0\.60 GB") as caught:
        worker.run_task(limits, exec, "held = []\nwhile True: held.append(b'x' * 10_000_000)")
    assert caught.value.status == "memory"
    assert worker.run_task(limits, operator.add, 1, 2) == 3


def test_memory_left_by_an_earlier_task_does_not_count_against_the_next_one():
    worker, limits = Worker(), Limits(memory=800_000_000)
    worker.run_task(limits, exec, "import builtins; builtins.left_behind = b'x' * 400_000_000")
    first = worker.run_task(limits, os.getpid)
    worker.run_task(limits, exec, "import time; held = b'x' * 400_000_000; time.sleep(0.3)")
    assert worker.run_task(limits, os.getpid) != first, "together they were more than the limit"


def test_shutdown_kills_running_tasks_immediately():
    with LocalExecutor(2, Limits()) as local:
        pids = [local.submit(os.getpid).result() for _ in range(2)]
        endless = local.submit(time.sleep, 1000)
        time.sleep(0.2)
    with pytest.raises(EndedError):
        endless.result()
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.parametrize(
    ("scheduler", "limits", "message"),
    [
        ("inline", Limits(time=1), "no worker to kill"),
        # it waits for an answer
        pytest.param("tcp://127.0.0.1:1", Limits(), "no Dask cluster", marks=pytest.mark.slow),
        ("tls://127.0.0.1:1", Limits(), "no Dask cluster .* give the certificates"),
        ("nonsense://127.0.0.1:1", Limits(), "no Dask cluster"),
        ("locall", Limits(), "did you mean 'local'"),
    ],
)
def test_an_executor_that_cannot_be_started_is_a_user_error(scheduler, limits, message):
    with pytest.raises(UserError, match=message):
        executor_for(scheduler, 1, limits)(False)


def kill_at_start(n_processes, monkeypatch):
    """Kill the next processes while they import, as the system does when memory is short."""
    start, remaining = SpawnProcess.start, [None] * n_processes

    def start_and_kill(process):
        start(process)
        if remaining:
            remaining.pop()
            process.kill()

    monkeypatch.setattr(SpawnProcess, "start", start_and_kill)


def test_a_worker_killed_while_it_starts_is_started_again(monkeypatch):
    kill_at_start(2, monkeypatch)
    assert Worker().run_task(Limits(), operator.add, 1, 2) == 3


def test_workers_that_are_always_killed_while_they_start_end_the_task_not_the_run(monkeypatch):
    kill_at_start(3, monkeypatch)
    worker = Worker()
    with pytest.raises(
        EndedError,
        match="no worker process could be started in 3 attempts: the last one was killed by "
        "SIGKILL",
    ) as caught:
        worker.run_task(Limits(), operator.add, 1, 2)
    assert caught.value.status == "crashed"
    assert worker.run_task(Limits(), operator.add, 1, 2) == 3


def test_only_the_worker_itself_answers_and_only_the_current_task():
    worker = Worker()
    for k in range(5):
        assert worker.run_task(Limits(), eval, f"[__import__('os').fork() and 0, {k}][1]") == k
        assert worker.run_task(Limits(), operator.add, k, 1) == k + 1


def test_a_copy_of_a_worker_writes_no_file(tmp_path):
    code = (
        "import os; from benchmark.utils.files import write_text; from pathlib import Path\n"
        f"if os.fork() == 0: write_text(Path({str(tmp_path / 'copy')!r}), 'x')\n"
        f"else: os.wait(); write_text(Path({str(tmp_path / 'own')!r}), 'x')"
    )
    Worker().run_task(Limits(), exec, code)
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_silence_of_all_dask_workers_is_reported_once_and_so_is_its_end(caplog, monkeypatch):
    monkeypatch.setattr("benchmark.engine.dask_executor.SILENCE", 0.05)
    silence = _SilenceMonitor()
    for last_seen in ({"a": 1.0}, {"a": 1.0}, {}, {"a": 1.0}):
        silence.update_last_seen(last_seen)
        time.sleep(0.1)
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "no Dask worker has answered for 0 s"
    ]
    silence.update_last_seen({"a": 2.0})
    assert caplog.messages[1:] == ["Dask workers answer again: the run continues"]


def test_the_command_line_prints_that_no_dask_worker_answers():
    code = (
        "import time, benchmark.__main__ as command, benchmark.engine.dask_executor as executor\n"
        "command._silence_libraries(); executor.SILENCE = 0; silence = executor._SilenceMonitor()\n"
        "for _ in range(3): silence.update_last_seen({'a': 1.0}); time.sleep(0.01)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("no Dask worker has answered for 0 s: the run waits for one.")
    assert not done.stdout


def test_a_worker_that_was_killed_for_good_starts_no_process():
    worker = Worker()
    worker.kill_process()
    with pytest.raises(EndedError, match="the run was stopped"):
        worker.run_task(Limits(), os.getpid)
