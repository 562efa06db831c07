"""Contract checks: built-in components pass, and a failing plug-in is told what to change."""

import gc
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from optional_packages import OF_ATTRIBUTES, skip_if_missing

from benchmark import checks
from benchmark.checks import describe_measurements, ordered_checks, run_checks
from benchmark.checks.common import _split_digits
from benchmark.checks.subject import Subject
from benchmark.plugins.registry import registered_targets, resolve_spec
from benchmark.plugins.spec import Spec

FAKES = str(Path(__file__).parents[1] / "fakes.py")
MISTAKES_FILE = str(Path(__file__).parents[1] / "mistakes.py")
QUICK = {
    "simple_cnn": "simple_cnn(epochs=2)",
    "resnet18": "resnet18(epochs=1)",
    "resnet50": "resnet50(epochs=1)",
    "fast_resnet": "fast_resnet(epochs=2)",
    "autoencoder": "autoencoder(epochs=2)",
    "cnn_embedding": "cnn_embedding(estimator=simple_cnn(epochs=2))",
    "one_vs_rest": "one_vs_rest(estimator=logistic_regression)",
    "pretrained": "pretrained(min_size=32)",
}


def failures(kind, name):
    """Name and problem of each failed check."""
    return {
        outcome.name: outcome.problem
        for outcome in run_checks(kind, resolve_spec(kind, Spec.parse(name)))
        if outcome.problem
    }


EXPENSIVE = {
    "autoencoder",
    "balanced_random_forest",
    "easy_ensemble",
    "gist",
    "gradient_boosting",
    "instance_hardness_threshold",
    "pretrained",
    "random_embedding",
    "random_forest",
    "resnet18",
    "resnet50",
    "rus_boost",
    "sift_bovw",
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(
            kind,
            name,
            marks=[skip_if_missing(name), *([pytest.mark.slow] if name in EXPENSIVE else [])],
        )
        for kind in ("extractor", "model", "strategy")
        for name in registered_targets(kind)
        if name not in OF_ATTRIBUTES
    ],
)
def test_every_built_in_component_passes(kind, name):
    assert failures(kind, QUICK.get(name, name)) == {}


@pytest.mark.slow
def test_extractors_with_options_pass():
    for name in (
        "sift_bovw(keypoints='detected')",
        "color_histogram(joint=True, grid=(2, 2))",
        "hog(transform_sqrt=True, block_norm='L1')",
        "laplacian_pyramid(grid=(3, 2))",
        "lbp(P=12, R=2.0, method='nri_uniform', grid=(2, 3))",
        "sift_bovw(n_words=20, bin_sizes=(3, 4), levels=2, root=True, encoding='soft')",
        "sift_bovw(n_words=4, encoding='vlad')",
        "sift_bovw(n_words=4, encoding='fisher', contrast_threshold=2.0)",
        "kmeans_patches(n_centroids=30, root=True, stride=2)",
        "pca(extractor=sift_bovw(n_words=20), n_components=5, whiten=True)",
    ):
        assert failures("extractor", name) == {}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("WrongLength", "gives_features"),
        ("ChangesInput", "input_unchanged"),
        ("ReadsTestLabels", "predictions_ignore_test_labels"),
        ("LooksUpLabels", "nothing_is_looked_up"),
        ("UsesLabels", "labels_are_ignored"),
        ("SecretlyLearns", "stateless_is_true"),
        ("DependsOnBatch", "images_are_independent"),
        ("DependsOnLargeBatch", "images_are_independent"),
        ("Exits", "gives_features"),
        ("Raises", "gives_features"),
    ],
)
def test_a_bad_extractor_fails_exactly_one_check(name, check):
    assert list(failures("extractor", f"{FAKES}:{name}")) == [check]


def test_a_dataset_left_by_a_failed_check_does_not_hide_a_plug_in_that_reads_test_labels():
    dataset = _split_digits(Subject("extractor", resolve_spec("extractor", Spec("pixels"))))
    left = [dataset]
    left.append(left)  # freed by the collector only, like the frames of a traceback
    gc.collect()
    gc.disable()
    try:
        del dataset, left
        found = failures("extractor", f"{FAKES}:ReadsTestLabels")
    finally:
        gc.enable()
    assert list(found) == ["predictions_ignore_test_labels"]


def test_an_honest_plug_in_passes():
    assert failures("extractor", f"{FAKES}:MeanGray") == {}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("GivesNaN", "gives_probabilities"),
        ("StandardisesTestSet", "images_are_independent"),
        ("HardLabelsOnly", "gives_probabilities"),
    ],
)
def test_a_bad_model_fails_exactly_one_check(name, check):
    assert list(failures("model", f"{FAKES}:{name}")) == [check]


MISTAKES = {
    "extractor": {
        "LearnsUndeclared": "set stateless = False",
        "LearnsFromLabelsUndeclared": "set uses_labels = True",
        "RenamesParameter": "write self.grid = grid",
        "ConvertsParameter": "__init__ changes grid",
        "HidesParameters": "name every parameter",
        "FitReturnsNone": "end it with `return self`",
        "FitWithoutBase": "rename it to learn(self, images)",
        "ReadsAllImages": "draw indices and read images[drawn]",
        "GivesFloat64": "float64, not float32",
        "DividesByZero": "all-black images: DividesByZero.extract returned NaN or infinite "
        "features",
        "DrawsUnseeded": "add random_state=None to __init__",
        "GrayOnly": "on colour images (n, h, w, 3), and works on gray",
        "ColourOnly": "on gray images (n, h, w, 1), and works on colour",
        "NeedsSixteenPixels": "set min_size = 16",
        "WritesIntoBatch": "work on a copy",
        "InheritsNothing": "inherit from features.base.Extractor",
        "NeedsColourAndSixtyFourPixels": "window does not fit (line NUMBER of mistakes.py): set "
        "min_size = 64 in the class",
        "NeedsColourAndMorePixels": "on gray images of 224 x 224 pixels, and ValueError: window "
        "does not fit",
        "NeedsMorePixels": "gray and colour, 8 x 8 to 224 x 224 pixels; if it needs larger ones, "
        "set min_size",
        "DividesByZeroWhenSmall": "set min_size = 24 in the class",
        "FindsNothingOnBlank": "an image without structure, such as one without keypoints, needs "
        "features as well; return zeros",
        "FindsNothingOnSome": "on some images, and works on others: an image without structure",
        "ReturnsNone": "ReturnsNone.extract returned None",
        "ReturnsSeveralLengths": "returned vectors of different lengths; every image must have the "
        "same number of features",
        "StacksSeveralLengths": "on 24 images, and works on each alone: return the same number of "
        "features",
        "GivesFloat16": "compute in float32",
        "CountsCalls": "changes self.n: set attributes in fit or learn only",
        "CountsCallsInItsClass": "changes CountsCallsInItsClass.n: set attributes",
        "DrawsWhenCalled": "changes self.random_: set attributes in fit or learn only, and draw "
        "random numbers there",
        "TakesMask": "mask is never passed; make it a parameter of __init__, and use self.mask",
        "ForgetsSelf": "write def extract(self, batch)",
        "HasABug": "'HasABug' object has no attribute 'table' (line NUMBER",
    },
    "model": {
        "FitsToNone": "end it with `return self`",
        "ReadsAllRows": "read slices, X[start:stop]",
        "SetsNoClasses": "set self.classes_ = np.unique(y)",
        "GivesOneRow": "return (7, 4)",
        "GivesScores": "not in [0, 1]",
        "ChangesX": "work on a copy",
        "PredictsByChance": "check_random_state(self.random_state)",
        "TakesEpochs": "epochs is never passed; make it a parameter of __init__, and use "
        "self.epochs",
        "TakesNoLabels": "write def fit(self, X, y)",
        "DropsOutInPrediction": "call network.eval() in predict_proba first",
        "NormalisesByBatchInPrediction": "the network's BatchNorm1d is in training mode in "
        "predict_proba",
        "GivesHalves": "predict_proba returns float16",
        "SeedsNoNetwork": "call torch.manual_seed(self.random_state) in fit",
        "ForgetsTakesOfLargeColourImages": 'set takes = "images"',
        "NeedsMorePixelsStill": "if it needs larger ones, set smallest_side in the class",
        "ForgetsTakes": 'set takes = "images"',
        "OneChannelNetwork": "on colour images (n, h, w, 3), and works on gray",
        "ThreeChannelNetwork": "on gray images (n, h, w, 1), and works on colour",
        "InheritsNothingEither": "has no get_params",
    },
    "strategy": {
        "TakesGroups": "groups is never passed",
        "MakesFloat64": "samples are float64 and were float32",
        "MakesStrings": "labels are <U21 and were int64",
        "ReturnsSamplesOnly": "`return X, y`",
        "LosesLabels": "10 samples and 200 labels",
        "WritesIntoSamples": "work on a copy",
        "ShufflesUnseeded": "add random_state=None to __init__",
    },
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in MISTAKES.items() for name in names]
)
def test_a_common_mistake_has_one_message_that_says_what_to_do(kind, name):
    (problem,) = failures(kind, f"{MISTAKES_FILE}:{name}").values()
    assert MISTAKES[kind][name] in re.sub(r"\(line \d+ of", "(line NUMBER of", problem)
    assert "\n" not in problem


def test_the_checks_that_a_check_needs_exist():
    tables = [checks._LEAKS, *checks._OTHERS.values()]
    needed = {name for table in tables for names in table.values() for name in names}
    kinds = ("extractor", "model", "strategy")
    assert needed <= {check.__name__ for kind in kinds for check in ordered_checks(kind)}


def test_checks_that_depend_on_a_failed_one_name_it_and_are_not_run():
    outcomes = list(
        run_checks(
            "extractor", resolve_spec("extractor", Spec(f"{MISTAKES_FILE}:LearnsUndeclared"))
        )
    )
    cause = [outcome.name for outcome in outcomes].index("learning_is_declared")
    assert all(outcome.passed for outcome in outcomes[:cause])
    assert {outcome.needs for outcome in outcomes[cause + 1 :]} == {"learning_is_declared"}


@pytest.mark.parametrize("name", ["NetworkOfSixteenPixels", "StatesSixteenPixels"])
def test_a_network_is_checked_on_images_that_are_large_enough(name):
    spec = resolve_spec("model", Spec(f"{MISTAKES_FILE}:{name}"))
    outcomes = list(run_checks("model", spec))
    assert all(outcome.passed for outcome in outcomes)
    size, _ = describe_measurements("model", spec, outcomes)
    assert "16 x 16 pixels" in size
    assert ("smaller ones raise AssertionError: kernel larger than input" in size) == (
        name == "NetworkOfSixteenPixels"
    )


@pytest.mark.parametrize(
    ("kind", "name", "pattern"),
    [
        (
            "extractor",
            f"{FAKES}:MeanGray",
            r"extract: \S+ [nµm]?s per image on 1 thread, \S+ times as long as \w+ \(.*\), "
            r"the fastest built-in extractor$",
        ),
        ("model", "gaussian_nb", "predict: .* times as long as .*, the fastest built-in model$"),
        (
            "strategy",
            "random_over",
            "resample: .* times as long as .*, the fastest built-in strategy$",
        ),
    ],
)
def test_the_time_per_image_is_compared_with_the_fastest_built_in_component(kind, name, pattern):
    spec = resolve_spec(kind, Spec(name))
    *_, line = describe_measurements(kind, spec, list(run_checks(kind, spec)))
    assert re.match(pattern, line)


IN_OWN_PROCESS = {
    "os._exit(0)": "FAILED  gives_features: the check did not complete: the worker exited with "
    "code 0",
    "os.fork()": "FAILED  process_is_left_alone: it copies the process",
    "np.seterr(all='raise')": "FAILED  process_is_left_alone: it changes, for all code in the "
    "process, NumPy's",
    "sklearn.set_config(transform_output='pandas')": "scikit-learn's configuration: use `with",
    "exec('raise KeyboardInterrupt')": "FAILED  gives_features: raises KeyboardInterrupt",
}


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(statement, marks=[] if statement == "os._exit(0)" else [pytest.mark.slow])
        for statement in IN_OWN_PROCESS
    ],
)
def test_a_plug_in_that_ends_or_changes_its_process_fails_one_check(statement, tmp_path):
    result = check_in_a_process(tmp_path, statement)
    assert result.returncode == 1
    assert IN_OWN_PROCESS[statement] in result.stdout
    assert result.stdout.count("FAILED") == 1
    assert result.stderr == ""


def test_a_plug_in_that_ends_the_process_on_import_is_a_user_error(tmp_path):
    result = check_in_a_process(tmp_path, "pass", "os._exit(0)")
    assert result.returncode == 2
    assert (
        result.stderr.strip() == "error: the check did not complete: the worker exited with code 0"
    )


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_an_interrupt_ends_a_check_and_its_process(tmp_path):
    command = start_check(tmp_path, "time.sleep(600)")
    assert "extractor" in command.stdout.readline()
    (worker,) = [
        child
        for child in psutil.Process(command.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=60)
    assert command.returncode == 130
    assert not worker.is_running()


def start_check(folder, statement, at_import="pass"):
    """Start `check` of an extractor that executes a statement."""
    file = folder / "mine.py"
    file.write_text(
        "import os, time\nimport numpy as np\nimport sklearn\nfrom features.base import Extractor\n"
        f"{at_import}\nclass Mine(Extractor):\n    def extract(self, batch):\n"
        f"        {statement}\n        return batch.reshape(len(batch), -1)\n"
    )
    command = [sys.executable, "-m", "benchmark", "check", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_in_a_process(folder, statement, at_import="pass"):
    """Run `check` of an extractor that executes a statement."""
    process = start_check(folder, statement, at_import)
    printed, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)
