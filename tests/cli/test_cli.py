"""The command line, run in a process of its own as a user runs it."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from skimage.data import lfw_subset
from skimage.io import imsave

from benchmark.__main__ import main
from benchmark.cli.scaffold import write_extractor
from benchmark.errors import UserError
from benchmark.results.store import load_results

FAKES = str(Path(__file__).parents[1] / "fakes.py")
RUN_MAIN = """
import sys
sys.argv = ["benchmark", *{arguments!r}]
from benchmark.__main__ import main
try:
    main()
except SystemExit:
    pass
assert not {modules!r} & set(sys.modules)
"""


def benchmark(*arguments, cwd=None, expect=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    done = benchmark(
        "run",
        "--extractor",
        "pixels",
        "--model",
        "majority",
        "--model",
        "knn",
        "--out",
        folder / "out",
    )
    return folder / "out", done.stdout


def test_run_prints_a_leaderboard_with_the_six_metrics(results):
    _, printed = results
    header = next(line for line in printed.splitlines() if line.startswith("rank"))
    for column in (
        "extractor",
        "strategy",
        "model",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "auc",
        "log_loss",
        "fit_s",
        "predict_s",
        "done",
    ):
        assert column in header.split()
    assert printed.index("knn") < printed.index("majority")
    assert "3/3" in printed


def test_a_second_run_finds_every_cell_stored(results):
    folder, _ = results
    done = benchmark(
        "run", "--extractor", "pixels", "--model", "majority", "--model", "knn", "--out", folder
    )
    assert "6 cells, 6 stored" in done.stdout


def assert_not_imported(arguments, modules):
    code = RUN_MAIN.format(arguments=arguments, modules=modules)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list", "--help"]])
def test_help_imports_neither_torch_nor_opencv_nor_scikit_learn(arguments):
    assert_not_imported(arguments, {"torch", "cv2", "sklearn", "pandas"})


def test_planning_and_listing_do_not_import_torch():
    few = ["--extractor", "pixels", "--model", "knn"]
    for arguments in (["plan", *few], ["list"]):
        assert_not_imported(arguments, {"torch"})


@pytest.mark.slow
def test_table_prints_what_is_stored_in_every_format(results):
    folder, _ = results
    assert "knn" in benchmark("table", folder, "--metric", "log_loss").stdout
    assert len(json.loads(benchmark("table", folder, "--rows", "--format", "json").stdout)) == 6
    assert benchmark("table", folder, "--format", "latex").stdout.count(r"\toprule") == 1
    assert (
        benchmark("table", folder, "--rows", "--format", "csv")
        .stdout.splitlines()[0]
        .startswith("key,status,reason,dataset")
    )


def test_list_names_every_kind():
    printed = benchmark("list").stdout
    for name in ("digits", "sift_bovw", "simple_cnn", "smote", "log_loss", "folder:PATH"):
        assert name in printed


def test_plan_counts_the_cells_that_will_be_skipped_and_estimates_the_others(tmp_path):
    random, rows = np.random.default_rng(0), ["image,label,split"]
    for i in range(24):
        imsave(
            tmp_path / f"{i}.png", random.integers(0, 256, (8, 8), np.uint8), check_contrast=False
        )
        rows.append(f"{i}.png,{'ab'[i % 2]},{'train' if i < 4 else 'test'}")
    (tmp_path / "few.csv").write_text("\n".join(rows))
    entries = (
        "--extractor",
        "pixels",
        "--model",
        "knn",
        "--model",
        "gaussian_nb",
        "--strategy",
        "none",
        "--strategy",
        "random_over",
    )
    printed = benchmark(
        "plan", "--dataset", f"csv:{tmp_path}/few.csv", *entries, "--out", str(tmp_path / "new")
    ).stdout
    assert "4 cells, 1 of them known to be skipped" in printed
    assert "n_neighbors=5 needs at least 5 training images; it is given 4" in printed
    assert "3 cells to run" in printed


def test_plan_shows_cells_and_refusals_and_writes_nothing(tmp_path):
    printed = benchmark(
        "plan",
        "--strategy",
        "class_weight",
        "--model",
        "knn",
        "--extractor",
        "pixels",
        cwd=tmp_path,
    ).stdout
    assert "3 cells, 3 of them known to be skipped" in printed
    assert "no class_weight" in printed
    assert not list(tmp_path.iterdir())


def test_a_failed_cell_makes_the_exit_code_one_and_its_reason_is_printed(tmp_path):
    out = tmp_path / "out [x]"  # brackets are rich's markup, and a folder's name
    done = benchmark(
        "run", "--extractor", f"{FAKES}:Raises", "--model", "knn", "--out", out, expect=1
    )
    assert "lens cap" in done.stdout
    assert str(out) in done.stdout
    benchmark("run", "--extractor", "pixels", "--model", "majority", "--out", out)


def test_plan_counts_the_cells_that_have_failed(tmp_path):
    options = ("--model", "knn", "--extractor", f"{FAKES}:Raises", "--out", tmp_path / "out")
    benchmark("run", *options, expect=1)
    printed = benchmark("plan", *options).stdout
    assert "stored, and not run again without --retry: 3 failed" in printed
    assert "nothing is left to run" in printed


def test_names_that_are_emoji_codes_are_printed_as_they_are(tmp_path):
    for label in "ab":
        (tmp_path / ":heart:" / label).mkdir(parents=True)
        for i in range(6):
            pixels = np.full((8, 8), 20 * i + ord(label), np.uint8)
            imsave(tmp_path / ":heart:" / label / f"{i}.png", pixels, check_contrast=False)
    options = ("--extractor", "pixels", "--model", "knn")
    printed = benchmark("plan", "--dataset", "folder::heart:", *options, cwd=tmp_path).stdout
    assert "folder::heart:: 12 images 8x8x1" in printed


def test_an_interrupt_prints_the_completed_cells_and_exits_with_130(tmp_path):
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--extractor",
        "pixels",
        "--model",
        "majority",
        "--model",
        "simple_cnn(epochs=200)",
        "--out",
        "out",
    ]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while count_stored_rows(tmp_path / "out") == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    printed, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "run the same command again to continue" in printed
    completed = sum(map(int, re.findall(r"(\d)/3\s*$", printed, flags=re.MULTILINE)))
    assert completed == count_stored_rows(tmp_path / "out") > 0


def count_stored_rows(folder):
    if not list(folder.glob("predictions/*.npz")):
        return 0
    return int((load_results(folder).status != "planned").sum())


# ---- errors that the user can fix: one line, exit code 2, no traceback, nothing written


def assert_refused(*arguments, cwd, says):
    before = sorted(path.name for path in cwd.rglob("*"))
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, chdir(cwd):
        patch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert err.getvalue().startswith("error: ")
    assert err.getvalue().count("\n") == 1
    assert "Traceback" not in out.getvalue() + err.getvalue()
    assert says in err.getvalue()
    assert sorted(path.name for path in cwd.rglob("*")) == before


@pytest.fixture
def faces(tmp_path):
    """A folder of real images in two classes, and a CSV of them."""
    for k, image in enumerate((lfw_subset()[90:110] * 255).astype(np.uint8)):
        path = tmp_path / "faces" / ("face" if k < 10 else "other") / f"{k}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        imsave(path, image, check_contrast=False)
    return tmp_path


def test_an_unknown_extractor(tmp_path):
    assert_refused("run", "--extractor", "hgo", cwd=tmp_path, says="did you mean 'hog'?")


def test_a_misspelt_key(tmp_path):
    (tmp_path / "s.yaml").write_text("datasets: digits\nextractor: hog\nmodels: knn\n")
    assert_refused("run", "s.yaml", cwd=tmp_path, says="did you mean 'extractors'?")


def test_a_truncated_npz(tmp_path, data_folder):
    whole = next(data_folder.rglob("breastmnist.npz")).read_bytes()
    (tmp_path / "breastmnist.npz").write_bytes(whole[: len(whole) // 2])
    assert_refused(
        "run",
        "--dataset",
        "breastmnist",
        "--data",
        ".",
        cwd=tmp_path,
        says="corrupted or truncated",
    )


def test_a_missing_folder(tmp_path):
    assert_refused("run", "--dataset", "folder:nowhere", cwd=tmp_path, says="nowhere")
    assert_refused("run", "--data", "nowhere", cwd=tmp_path, says="nowhere")
    assert_refused("table", "nowhere", cwd=tmp_path, says="nowhere")


def test_a_folder_with_one_class(faces):
    assert_refused(
        "run", "--dataset", "folder:faces/face/..", "--model", "nn", cwd=faces, says="knn"
    )
    for path in (faces / "faces" / "other").iterdir():
        path.unlink()
    (faces / "faces" / "other").rmdir()
    assert_refused("run", "--dataset", "folder:faces", cwd=faces, says="one class")


def test_a_corrupt_jpeg(faces):
    broken = faces / "faces" / "face" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    assert_refused("run", "--dataset", "folder:faces", cwd=faces, says="3.jpg")


def test_a_csv_that_leaves_its_folder(faces):
    sheet = faces / "faces" / "set" / "x.csv"
    sheet.parent.mkdir()
    sheet.write_text("image,label\n../face/0.jpg,a\n../other/11.jpg,b\n")
    assert_refused("run", "--dataset", f"csv:{sheet}", cwd=faces, says="allow_outside")


def test_a_plug_in_that_does_not_import(tmp_path):
    (tmp_path / "p.py").write_text("import nothing_of_this_name\n")
    assert_refused("run", "--plugin", "p.py", cwd=tmp_path, says="p.py cannot be imported")


def test_a_results_file_that_is_something_else(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.sqlite").write_text("my thesis")
    assert_refused(
        "run",
        "--model",
        "majority",
        "--extractor",
        "pixels",
        "--out",
        "out",
        cwd=tmp_path,
        says="not a results database",
    )
    assert (tmp_path / "out" / "results.sqlite").read_text() == "my thesis"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--jobs", "0"], "jobs must be a number from 1 to 1024, not 0"),
        (["plan", "--jobs", "9" * 20], "jobs must be a number from 1 to 1024"),
        (["plan", "--seed", "x"], "seeds: cannot read the seed 'x'"),
        (["plan", "--model"], "'--model' requires an argument"),
        (["rnu"], "No such command 'rnu'"),
        (["new"], "Missing command"),
        (["table", "x" * 5000], "File name too long"),
        (["plan", "~nosuchuser/x.yaml"], "no user of this name"),
        (["plan", "--model", "\x1b]0;title\x07\x9b31m\u202e"], r"\x1b]0;title\x07\x9b31m\u202e"),
        (["list", "hgo"], "did you mean 'hog'"),
    ],
)
def test_a_mistake_in_the_call_is_one_visible_line(monkeypatch, capsys, arguments, says):
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        main()
    printed, error = capsys.readouterr()
    assert ended.value.code == 2
    assert not printed
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert error.strip().isprintable()
    assert says in error


def test_warnings_of_libraries_are_not_printed_beside_the_error(tmp_path):
    lines = [
        "import warnings, logging",
        "warnings.warn('boo')",
        "logging.warning('boo')",
        "raise TypeError('\\x1b[31m' + 'z' * 20_000_000)",
    ]
    (tmp_path / "p.py").write_text("\n".join(lines))
    assert_refused(
        "plan",
        "--plugin",
        "p.py",
        cwd=tmp_path,
        says=r"p.py cannot be imported: TypeError: \x1b[31mzzz",
    )


def test_a_dask_scheduler_that_does_not_answer_is_one_line(tmp_path):
    done = benchmark(
        "run", "--scheduler", "nonsense://127.0.0.1:1", "--out", "out", cwd=tmp_path, expect=2
    )
    assert done.stdout.count("\n") == 1  # the dataset
    assert done.stderr.startswith("error: no Dask cluster with workers at 'nonsense://127.0.0.1:1'")
    assert done.stderr.count("\n") == 1


def test_the_version_and_one_component_are_printed():
    assert benchmark("--version").stdout.startswith("classical-vs-deep 0.")
    printed = benchmark("list", "hog").stdout.splitlines()
    assert printed[0].startswith("extractor hog: Histograms of oriented gradients")
    assert "  orientations = 9" in printed


PLUGIN_THAT_RAISES_CONTROLS = r"""
from sklearn.dummy import DummyClassifier

class Bad(DummyClassifier):
    def fit(self, X, y):
        text = '\x1b[31mred\x1b]0;title\x07 [bold]x[/nope] | \x9b1m' + 'z' * 3_000_000
        raise type('E\x1b[1m', (Exception,), {})(text)
"""


@pytest.mark.slow
def test_control_characters_in_the_error_of_a_plug_in_are_escaped_wherever_it_is_shown(tmp_path):
    (tmp_path / "p.py").write_text(PLUGIN_THAT_RAISES_CONTROLS)
    options = ["--extractor", "pixels", "--model", "p.py:Bad", "--out", "out"]
    shown = [benchmark("run", *options, cwd=tmp_path, expect=1).stdout]
    shown += [
        benchmark(*command, cwd=tmp_path).stdout for command in (["info", "out"], ["table", "out"])
    ]
    shown += [
        (tmp_path / "out" / name).read_text() for name in ("leaderboard.md", "leaderboard.tex")
    ]
    with closing(sqlite3.connect(tmp_path / "out" / "results.sqlite")) as connection:
        shown += connection.execute("SELECT reason, traceback FROM rows").fetchone()
    for text in shown:
        assert not {"\x1b", "\x07", "\x9b"} & set(text)
        assert r"\x1b[31mred" in text.replace(r"\textbackslash{}", "\\")
        assert len(text) < 21_000


# ---- plug-ins


def test_a_new_extractor_passes_its_checks_runs_and_is_not_overwritten(tmp_path):
    benchmark("new", "extractor", "my_texture", cwd=tmp_path)
    assert "all checks passed" in benchmark("check", "my_texture.py", cwd=tmp_path).stdout
    done = benchmark(
        "run",
        "--plugin",
        "my_texture.py",
        "--extractor",
        "pixels",
        "--extractor",
        "my_texture",
        "--model",
        "knn",
        cwd=tmp_path,
    )
    assert "my_texture" in done.stdout
    assert_refused("new", "extractor", "my_texture", cwd=tmp_path, says="was not overwritten")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *(
            (name, "is the name of a Python package")
            for name in ("numpy", "features", "torch", "benchmark", "string")
        ),
        *(
            (name, "the name .* is taken .*; choose another, such as my_")
            for name in ("hog", "knn", "smote", "digits", "holdout")
        ),
        *(
            (name, "use lower-case letters and digits, and _ before a letter")
            for name in ("__", "MyTexture", "my_2", "_mine", "class", "a-b", "é_1")
        ),
    ],
)
def test_a_new_extractor_cannot_have_the_name_of_a_package_or_component(name, says, tmp_path):
    with pytest.raises(UserError, match=says):
        write_extractor(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_check_names_what_failed_and_exits_with_one():
    printed = benchmark("check", f"{FAKES}:WrongLength", expect=1).stdout
    assert (
        "FAILED  gives_features: WrongLength.extract returned shape (25, 3) for 24 images"
        in printed
    )
    assert "expected: " in printed
    assert "not run: " in printed
    assert printed.endswith("1 failed, 15 not run\n")


def test_options_of_a_study_are_the_same_in_run_and_plan(tmp_path):
    options = ("--suite", "digits", "--extractor", "pixels", "--model", "majority", "--folds", "2")
    options += ("--name", "mine", "--size", "4", "--metric", "log_loss")
    planned = benchmark("plan", *options, cwd=tmp_path).stdout
    assert "4x4x1" in planned
    assert "stratified_kfold(folds=2" in planned
    printed = benchmark("run", *options, cwd=tmp_path).stdout
    assert "Ranked by log_loss" in printed
    assert "2/2" in printed
    assert (tmp_path / "results" / "mine" / "leaderboard.md").is_file()


def test_two_names_of_a_suite_and_an_unknown_metric_are_refused(tmp_path):
    both = benchmark("plan", "digits", "--suite", "cifar10", cwd=tmp_path, expect=2)
    assert both.stderr.startswith("error: two studies are named")
    metric = benchmark("run", "--metric", "f2", cwd=tmp_path, expect=2)
    assert "unknown metric 'f2'" in metric.stderr
    assert not (tmp_path / "results").exists()


def test_fit_tests_on_one_of_the_folds_and_prints_the_metric(tmp_path):
    options = ("--dataset", "digits", "--model", "majority")
    options += ("--folds", "4", "--metric", "kappa", "--save", tmp_path / "majority.pipeline")
    printed = benchmark("fit", *options).stdout
    assert "trained on 1347 images" in printed
    assert "kappa 0.000" in printed
