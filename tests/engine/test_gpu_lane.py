"""Cells that use a GPU take turns at it, while the others fill the cores."""

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


class PretendedGpus(LocalExecutor):
    """Two devices that are the CPU: everything of the lane but the device itself."""

    def __init__(self, jobs):
        super().__init__(jobs + 2, Limits())
        self._asked = jobs
        self.spans = []

    @property
    def n_workers(self):
        return self._asked

    @property
    def gpus(self):
        return (0, 1)

    def submit(self, function, *args, on_gpu=False, plugins=()):
        *rest, gpu = args if function is evaluate_cell else (*args, None)
        future = super().submit(function, *rest, plugins=plugins)
        begun = time.perf_counter()
        future.add_done_callback(
            lambda _: self.spans.append((gpu, args[0], begun, time.perf_counter()))
        )
        assert on_gpu == (gpu is not None)
        return future


def overlapping(spans):
    """The largest number at once."""
    moments = sorted([(begun, 1) for *_, begun, _ in spans] + [(ended, -1) for *_, ended in spans])
    return max(sum(step for _, step in moments[: k + 1]) for k in range(len(moments)))


def test_gpu_cells_go_one_at_a_time_on_each_gpu_while_others_fill_the_cores(tmp_path):
    executor = PretendedGpus(jobs=2)
    evaluate_study(make_plan(study()), tmp_path, lambda wanted: executor)
    assert set(load_results(tmp_path)["status"]) == {"ok"}
    on_gpu = [span for span in executor.spans if span[0] is not None]
    assert {span[1].model.label for span in on_gpu} == {"simple_cnn(epochs=2)"}
    assert len(on_gpu) == 4
    for gpu in (0, 1):
        assert overlapping([span for span in on_gpu if span[0] == gpu]) == 1
    others = [span for span in executor.spans if span[0] is None]
    assert overlapping(others) == 2
    assert overlapping(executor.spans) > 2, "both lanes at once"


@pytest.mark.slow
def test_a_dask_cluster_says_which_workers_have_a_gpu(tmp_path):
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
        pytest.skip("needs a CUDA device")
    rows = run(study(), tmp_path, jobs=2)
    assert set(rows["status"]) == {"ok"}
