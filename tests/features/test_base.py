"""Tests of the base class of the extractors."""

import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
from optional_packages import names_to_test
from skimage import data

from benchmark.plugins.registry import build_component, registered_targets, resolve_spec
from benchmark.plugins.spec import Spec
from features.base import Extractor

PHOTOS = np.stack(
    [data.astronaut()[y : y + 32, x : x + 32] for y in range(0, 480, 20) for x in range(0, 480, 20)]
)
QUICK = {
    "kmeans_patches": "kmeans_patches(n_centroids=20, n_sampled=2000)",
    "sift_bovw": "sift_bovw(n_words=20, n_sampled=2000)",
}


class Recorder(Extractor):
    """Extractor that records the thread and the size of each batch."""

    batch_size = 100

    def __init__(self):
        self.seen = []

    def extract(self, batch):
        self.seen.append((threading.get_ident(), len(batch)))
        return batch.reshape(len(batch), -1)[:, :3]


@pytest.mark.parametrize("name", names_to_test(registered_targets("extractor")))
def test_features_do_not_depend_on_the_number_of_threads(name):
    extractor = build_component(resolve_spec("extractor", Spec.parse(QUICK.get(name, name)))).fit(
        PHOTOS[:100], np.arange(100) % 2
    )
    extractor.batch_slices = lambda images: [
        slice(start, start + 50) for start in range(0, len(images), 50)
    ]
    alone = extractor.transform(PHOTOS[:200])
    with joblib.parallel_config("threading", n_jobs=4):
        np.testing.assert_array_equal(extractor.transform(PHOTOS[:200]), alone)


def test_one_thread_is_used_unless_joblib_is_configured_otherwise():
    recorder = Recorder().fit(PHOTOS)
    recorder.transform(PHOTOS)
    assert {thread for thread, _ in recorder.seen} == {threading.get_ident()}
    recorder.seen.clear()
    with joblib.parallel_config("threading", n_jobs=3):
        recorder.transform(PHOTOS)
    assert len({thread for thread, _ in recorder.seen}) > 1


@pytest.mark.parametrize(("side", "batch"), [(8, 100), (32, 100), (64, 25), (320, 1), (512, 1)])
def test_batches_of_larger_images_are_smaller(side, batch):
    recorder = Recorder().fit(np.zeros((1, side, side, 1), np.uint8))
    recorder.transform(np.zeros((101, side, side, 1), np.uint8))
    assert max(size for _, size in recorder.seen) == batch
    assert sum(size for _, size in recorder.seen) == 101


@pytest.mark.parametrize("name", names_to_test(registered_targets("extractor")))
def test_an_array_that_is_not_contiguous_has_the_features_of_its_copy(name):
    turned = PHOTOS[:20].transpose(0, 2, 1, 3)
    extractor = build_component(resolve_spec("extractor", Spec.parse(QUICK.get(name, name)))).fit(
        PHOTOS[:20], np.arange(20) % 2
    )
    np.testing.assert_array_equal(extractor.transform(turned), extractor.transform(turned.copy()))


@pytest.mark.slow
def test_a_corrupted_cache_of_compiled_loops_is_ignored(tmp_path):
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PATH": "",
    }
    program = (
        "import features.hog; from features.compiled import compile_kernels; compile_kernels()"
    )
    command = [sys.executable, "-c", program]
    subprocess.run(command, env=environment, check=True)
    written = list(tmp_path.rglob("*.nb?"))
    assert written
    for file in written:
        file.write_bytes(file.read_bytes()[:9])
    assert subprocess.run(command, capture_output=True, env=environment, check=False).stderr == b""


def test_importing_extractors_compiles_nothing():
    program = (
        "import numba; numba.njit = None; import features; from features.hog import HOG; HOG()"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_compiled_loops_work_without_a_writable_cache(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy as np; from features.hog import HOG; print(HOG().fit_transform(np.eye(16, "
        "dtype=np.uint8)[None, ..., None]).shape)"
    )
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    environment = {
        "NUMBA_CACHE_DIR": str(nowhere / "below"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOME": str(nowhere),
    }
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.strip() == "(1, 324)", done.stderr
