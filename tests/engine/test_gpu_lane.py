"""Cells that use a GPU run one at a time on it, while the other cells use the CPU cores."""

import time
from pathlib import Path

import pytest

from benchmark import load_study, run
from benchmark.engine.dask_executor import DaskExecutor
from benchmark.engine.executors import LocalExecutor
from benchmark.engine.runner import evaluate_study
from benchmark.engine.tasks import evaluate_cell
from benchmark.engine.worker import Limits
from benchmark.evaluation.plan import make_plan
from benchmark.results.store import load_results

FAULTS = str(Path(__file__).parents[1] / "faults.py")


def study(**axes):
    models = [
        f"{FAULTS}:Honest(seconds=0.2)",
        "simple_cnn(epochs=2)",
        "simple_cnn(epochs=1, device='cpu')",
    ]
    return load_study(
        "digits",
        **{
            "extractors": ["pixels"],
            "models": models,
            "split": "holdout",
            "seeds": [0, 1, 2, 3],
            **axes,
        },
    )


class FakeGpuExecutor(LocalExecutor):
    """An executor that reports two GPUs and runs their tasks on the CPU."""

    def __init__(self, jobs):
        super().__init__(jobs + 2, Limits())
        self._n_cpu_workers = jobs
        self.spans = []

    @property
    def n_workers(self):
        return self._n_cpu_workers

    @property
    def gpus(self):
        return (0, 1)

    def submit(self, function, *args, on_gpu=False, plugins=()):
        *rest, gpu = args if function is evaluate_cell else (*args, None)
        future = super().submit(function, *rest, plugins=plugins)
        start = time.perf_counter()
        future.add_done_callback(
            lambda _: self.spans.append((gpu, args[0], start, time.perf_counter()))
        )
        assert on_gpu == (gpu is not None)
        return future


def most_at_once(spans):
    """Largest number of spans that overlap."""
    steps = sorted([(start, 1) for *_, start, _ in spans] + [(end, -1) for *_, end in spans])
    return max(sum(step for _, step in steps[: k + 1]) for k in range(len(steps)))


@pytest.mark.slow
def test_each_gpu_runs_one_cell_at_a_time_while_other_cells_use_the_cores(tmp_path):
    executor = FakeGpuExecutor(jobs=2)
    evaluate_study(make_plan(study()), tmp_path, lambda wanted: executor)
    assert set(load_results(tmp_path)["status"]) == {"ok"}
    on_gpu = [span for span in executor.spans if span[0] is not None]
    assert {span[1].model.label for span in on_gpu} == {"simple_cnn(epochs=2)"}
    assert len(on_gpu) == 4
    for gpu in (0, 1):
        assert most_at_once([span for span in on_gpu if span[0] == gpu]) == 1
    on_cpu = [span for span in executor.spans if span[0] is None]
    assert most_at_once(on_cpu) == 2
    assert most_at_once(executor.spans) > 2, "GPUs and cores are used at once"


@pytest.mark.slow
def test_a_dask_cluster_reports_which_workers_have_a_gpu(tmp_path):
    from dask.distributed import LocalCluster

    options = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "memory_limit": None,
        "dashboard_address": "127.0.0.1:0",
    }
    with LocalCluster(resources={"GPU": 1}, **options) as cluster:
        with DaskExecutor(cluster.scheduler_address, 2, Limits()) as executor:
            assert executor.gpus == (None, None)
            assert executor.n_workers == 2
        rows = run(study(seeds=[0]), tmp_path, scheduler=cluster.scheduler_address)
    assert set(rows["status"]) == {"ok"}


def test_gpu_cells_run_on_cuda(tmp_path):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and a build of torch that supports it")
    rows = run(study(), tmp_path, jobs=2)
    assert set(rows["status"]) == {"ok"}
