"""Tuning: the candidates of scikit-learn, on images that are held out of the training set."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import RandomizedSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_studies import make_results

from benchmark import load_results, load_study, run
from benchmark.engine.estimate import estimate_remaining_work
from benchmark.evaluation import tuning as module
from benchmark.evaluation import tuning_trials
from benchmark.evaluation.components import compute_folds
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.plan import make_plan
from benchmark.evaluation.tuning_journal import Trial, TuningJournal
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.reporting.text_tables import find_view
from benchmark.results.folder import ResultsFolder
from benchmark.sampling.splits import inner_folds
from benchmark.tuning.search_space import read_space
from benchmark.tuning.searches import HalvingSearch, RandomSearch
from benchmark.utils.notes import NoteKind
from models import logistic_regression

C = [0.001, 0.1, 10.0]


class InnerFolds:
    """Splitter of scikit-learn that makes the inner folds of the benchmark."""

    def __init__(self, dataset):
        self.dataset = dataset

    def get_n_splits(self, X=None, y=None, groups=None):
        return 3

    def split(self, X, y=None, groups=None):
        return iter(inner_folds(self.dataset, X[:, 0], 3))


@pytest.fixture
def noise(digits):
    """Digits 0 and 1 with labels that were shuffled."""
    chosen = np.flatnonzero(digits.targets < 2)
    targets = np.random.default_rng(3).permutation(digits.targets[chosen])
    return replace(digits, images=digits.images[chosen], targets=targets, classes=("0", "1"))


@pytest.fixture
def patients(digits):
    return replace(digits, groups=np.arange(300) // 3)


def evaluate(cell, dataset, folder):
    for name in ("predictions", "features"):
        (folder / name).mkdir(exist_ok=True)
    row = evaluate_on_dataset(cell, dataset, folder)
    assert row["status"] == "ok", row.get("traceback", row["reason"])
    return row, ResultsFolder(folder).read_predictions(cell.key)


@pytest.mark.parametrize("grouped", [False, True])
def test_tuning_equals_cross_validation_of_scikit_learn_s_random_search(
    digits, patients, make_cell, tmp_path, grouped
):
    dataset = patients if grouped else digits
    tuned = {"tuning": "random(n=4)", "search_spaces": {"logistic_regression": {"C": C}}}
    cells = [make_cell(dataset, fold=fold, **tuned) for fold in range(3)]
    ours = [evaluate(cell, dataset, tmp_path) for cell in cells]
    pixels = dataset.images.reshape(len(dataset.images), -1).astype(np.float32) / 255
    reference = cross_validate(
        RandomizedSearchCV(
            make_pipeline(FunctionTransformer(lambda X: pixels[X[:, 0]]), logistic_regression()),
            {"pipeline__logisticregression__C": [1.0, *C]},  # n_iter is all of them
            n_iter=4,
            cv=InnerFolds(dataset),
            scoring="neg_log_loss",
        ),
        np.arange(len(pixels))[:, np.newaxis],
        dataset.targets,
        cv=compute_folds(dataset, cells[0].split),
        scoring="neg_log_loss",
        return_estimator=True,
    )
    for (row, predictions), search, value in zip(
        ours, reference["estimator"], reference["test_score"], strict=True
    ):
        (expected,) = search.best_params_.values()
        assert row["chosen"].get("logistic_regression", {"C": 1.0})["C"] == expected
        assert row["inner_score"] == pytest.approx(-search.best_score_, rel=1e-6)
        assert row["log_loss"] == pytest.approx(-value, rel=1e-6)
        proba = search.predict_proba(predictions.test_index[:, np.newaxis])
        np.testing.assert_allclose(predictions.proba, proba, atol=1e-9)
        assert row["outer_minus_inner"] == row["log_loss"] - row["inner_score"]


def test_the_table_shows_an_inner_value_of_noise_above_chance_and_an_outer_one_at_chance(
    noise, tmp_path, monkeypatch
):
    monkeypatch.setattr("benchmark.datasets.bundled.load_digits", lambda name, data, size: noise)
    study = load_study(
        "digits",
        extractors=["pixels"],
        models=["logistic_regression"],
        tunings=["none", "random(n=25, metric='auc')"],
        split="stratified_kfold(folds=3, repeats=2)",
    )
    rows = run(study, out=tmp_path)
    read = ResultsFolder(tmp_path).read_predictions
    ((_, table),) = find_view("tuning").make_tables(rows, "auc", read)
    line = table.iloc[0]
    assert line["outer_lower"] < 0.5 < line["outer_upper"]
    assert line["inner"] > 0.5
    assert line["outer_minus_inner"] == pytest.approx(line["outer"] - line["inner"])
    assert line["outer_minus_inner"] < 0
    text = find_view("tuning").format_table(table)
    assert list(text["model"]) == ["logistic_regression (tuned 25, metric='auc')"]
    assert text.loc[0, "inner"] == f"{line['inner']:.3f}"


def test_a_resampler_works_inside_each_inner_fold(noise, make_cell, tmp_path):
    """Copies on both sides of an inner fold would give the nearest neighbour an AUC near 1."""
    few = np.concatenate([np.flatnonzero(noise.targets == 0), np.flatnonzero(noise.targets)[:10]])
    rare = replace(noise, images=noise.images[few], targets=noise.targets[few])
    cell = make_cell(
        rare,
        model="knn(n_neighbors=1)",
        strategy="random_over",
        tuning="random(n=3, metric='auc')",
        search_spaces={"knn": {"n_neighbors": [1, 2]}},
    )
    row, _ = evaluate(cell, rare, tmp_path)
    assert row["inner_score"] < 0.75


def test_an_extractor_is_fitted_without_the_images_held_out(digits, make_cell, tmp_path):
    cell = make_cell(
        digits,
        extractor="pca(n_components=5)",
        tuning="random(n=2)",
        search_spaces={"pca": {"n_components": [3, 8]}},
    )
    row, _ = evaluate(cell, digits, tmp_path)
    # for each of two candidates one matrix per inner fold; one more for the chosen candidate
    assert len(row["matrices"]) == 2 * 3 + 1


def leak_a_test_image(components, held_out):
    folds = [(train, np.append(held, components.test[0])) for train, held in held_out.folds]
    return held_out._replace(folds=folds)


def leak_a_patient(components, held_out):
    folds = [(components.train[::2], components.train[1::2])]
    return held_out._replace(folds=folds)


@pytest.mark.parametrize("leak", [leak_a_test_image, leak_a_patient])
def test_a_planted_leak_ends_the_cell_with_an_error(
    patients, make_cell, tmp_path, monkeypatch, leak
):
    hold_out = module.hold_out_images
    monkeypatch.setattr(
        module,
        "hold_out_images",
        lambda components, n_folds: leak(components, hold_out(components, n_folds)),
    )
    row = evaluate_on_dataset(make_cell(patients, tuning="random(n=2)"), patients, tmp_path)
    assert row["status"] == "failed"
    assert "an image or a group is in two of these" in row["reason"]


def test_every_image_of_a_trial_is_of_the_training_set_and_no_patient_is_on_both_sides(
    patients, make_cell, tmp_path, monkeypatch
):
    folds = []
    train_and_predict = tuning_trials.train_and_predict
    monkeypatch.setattr(
        tuning_trials,
        "train_and_predict",
        lambda components, features: (
            folds.append(components.fold) or train_and_predict(components, features)
        ),
    )
    cell = make_cell(patients, tuning="random(n=3)")
    evaluate(cell, patients, tmp_path)
    train, _ = compute_folds(patients, cell.split)[0]
    assert len(folds) == 9
    for inner, held in folds:
        assert set(inner) | set(held) == set(train)
        assert not set(patients.groups[inner]) & set(patients.groups[held])


def test_the_official_validation_set_is_tuned_on_and_then_trained_on(digits, make_cell, tmp_path):
    subset = np.array(["train", "train", "train", "val", "test"])[np.arange(300) % 5]
    official = replace(digits, subset=subset)
    cell = make_cell(official, split="official", tuning="random(n=3)")
    row, _ = evaluate(cell, official, tmp_path)
    assert row["tuned_on"] == (
        "official validation set (60 images), which the chosen candidate was trained on as well"
    )
    assert row["n_train"] == 240
    assert row["n_test"] == 60
    untuned, _ = evaluate(make_cell(official, split="official"), official, tmp_path)
    assert untuned["n_train"] == 180
    assert "n_candidates" not in untuned


class StopError(BaseException):
    pass


@pytest.mark.parametrize("tuning", ["random(n=5)", "halving(n=9)", "optuna(n=5)", "grid(points=3)"])
def test_an_interrupted_search_goes_on_and_chooses_the_same(
    digits, make_cell, tmp_path, monkeypatch, tuning
):
    if tuning.startswith("optuna"):
        pytest.importorskip("optuna")
    cell = make_cell(digits, tuning=tuning)
    folders = tmp_path / "whole", tmp_path / "interrupted"
    for folder in folders:
        folder.mkdir()
    trials = []
    run_trial = module.TrialRunner._run_trial
    monkeypatch.setattr(
        module.TrialRunner,
        "_run_trial",
        lambda self, *args: trials.append(args) or run_trial(self, *args),
    )
    whole, expected = evaluate(cell, digits, folders[0])
    n_trials = len(trials)
    trials.clear()

    def run_few(self, *args):
        if len(trials) == 7:
            raise StopError
        trials.append(args)
        return run_trial(self, *args)

    monkeypatch.setattr(module.TrialRunner, "_run_trial", run_few)
    for name in ("predictions", "features"):
        (folders[1] / name).mkdir()
    assert evaluate_on_dataset(cell, digits, folders[1])["status"] == "failed"
    path = ResultsFolder(folders[1]).tuning_journal(cell.key)
    with path.open("a") as file:
        file.write('{"0123": {"value": 1')  # as if the process was killed while it wrote
    n_before = len(trials)
    monkeypatch.setattr(
        module.TrialRunner,
        "_run_trial",
        lambda self, *args: trials.append(args) or run_trial(self, *args),
    )
    resumed, predictions = evaluate(cell, digits, folders[1])
    n_whole = sum(1 for _ in whole["candidates"])
    assert n_before == 7
    assert len(trials) == n_trials, "what was done before the interruption is not done again"
    assert len(resumed["candidates"]) == n_whole
    assert resumed["chosen"] == whole["chosen"]
    assert resumed["inner_score"] == whole["inner_score"]
    np.testing.assert_array_equal(predictions.proba, expected.proba)
    assert not path.exists()


def test_workers_choose_what_one_process_chooses(tmp_path):
    study = load_study(
        "digits",
        extractors=["pixels", "pca(n_components=8)"],
        models=["knn", "random_forest(n_estimators=5)"],
        tunings=["random(n=4)"],
    )
    results = []
    for jobs in (None, 2):
        run(study, out=tmp_path / str(jobs), jobs=jobs)
        results.append(load_results(tmp_path / str(jobs)).sort_values("key", ignore_index=True))
    for name in ("key", "chosen", "inner_score", "log_loss", "n_candidates", "predictions"):
        assert list(results[0][name]) == list(results[1][name]), name


def test_a_candidate_that_cannot_be_fitted_is_left_out_and_noted(digits, make_cell, tmp_path):
    cell = make_cell(
        digits,
        model="knn",
        tuning="random(n=4)",
        search_spaces={"knn": {"n_neighbors": [1, 3, 5000]}},
    )
    row, _ = evaluate(cell, digits, tmp_path)
    assert row["n_candidates"] == 3
    assert row["chosen"].get("knn", {}).get("n_neighbors") != 5000
    (note,) = (note for note in row["notes"] if "could not be evaluated" in note)
    assert note.startswith("1 of 4 candidates could not be evaluated: n_neighbors=5000 needs")


def test_no_candidate_is_begun_when_the_time_is_up(digits, make_cell, tmp_path):
    row, _ = evaluate(make_cell(digits, tuning="random(n=9, seconds=1e-9)"), digits, tmp_path)
    assert row["n_candidates"] == 1
    assert row["chosen"] == {}


def test_a_configuration_without_a_search_space_is_skipped_with_what_to_do(digits, make_cell):
    cell = make_cell(digits, model="nearest_centroid", tuning="random")
    row = evaluate_on_dataset(cell, digits, None)
    assert row["status"] == "skipped"
    assert row["reason"].startswith("there is nothing to tune, since none of pixels, nearest_cen")


def test_a_metric_of_other_tasks_is_refused(digits, make_cell):
    cell = make_cell(digits, tuning="random(metric='hamming_loss')")
    row = evaluate_on_dataset(cell, digits, None)
    assert row["reason"] == (
        "tuning by hamming_loss is not possible for images with one label: write, for example, "
        "random(metric='auc')"
    )


def test_the_strategy_and_the_estimator_inside_another_are_tuned(digits, make_cell, tmp_path):
    cell = make_cell(
        digits,
        model="one_vs_rest(estimator=knn)",
        strategy="smote",
        tuning="grid",
        search_spaces={"smote": {"k_neighbors": [2]}, "knn": {"n_neighbors": [3]}},
    )
    row, _ = evaluate(cell, digits, tmp_path)
    assert [candidate["parameters"] for candidate in row["candidates"]] == [
        {},
        {"knn": {"n_neighbors": 3}, "smote": {"k_neighbors": 2}},
    ]


def test_occlusion_of_the_test_set_is_unknown_to_tuning(digits, make_cell, tmp_path):
    covered = make_cell(digits, tuning="random(n=3)", occlusion="boxes(share=0.5)")
    whole = make_cell(digits, tuning="random(n=3)")
    rows = [evaluate(cell, digits, tmp_path)[0] for cell in (covered, whole)]
    assert rows[0]["inner_score"] == rows[1]["inner_score"]
    assert rows[0]["log_loss"] > rows[1]["log_loss"]


def test_the_search_space_of_a_study_is_part_of_the_key(digits, make_cell):
    keys = {
        make_cell(digits, tuning="random", search_spaces={"logistic_regression": {"C": space}}).key
        for space in (C, C[:2], "loguniform(0.1, 1)")
    }
    assert len(keys) == 3


def test_a_fitted_pipeline_has_the_parameters_that_the_row_names(digits, make_cell, tmp_path):
    cell = make_cell(digits, model="knn", tuning="random(n=6)", split="holdout")
    row, expected = evaluate(cell, digits, tmp_path)
    pipeline = fit_pipeline(cell, digits)
    proba = pipeline.predict_proba(digits.images[expected.test_index])
    np.testing.assert_allclose(proba, expected.proba, atol=1e-12)
    assert row["chosen"]["knn"]["n_neighbors"] == pipeline.model[-1].n_neighbors
    assert f"n_neighbors={pipeline.model[-1].n_neighbors}" in pipeline.card.model


def test_a_plan_counts_the_fits_of_every_candidate(tmp_path):
    axes = {"extractors": ["pixels"], "models": ["knn"]}
    run(load_study("digits", **axes), out=tmp_path / "stored")
    hours = {}
    for tuning in ("none", "random(n=10)", "halving(n=9)"):
        plan = make_plan(load_study("digits", tunings=[tuning], **axes))
        estimate = estimate_remaining_work(plan, tmp_path / "new", 1, seconds=0)
        hours[tuning] = estimate.work.middle
    cells = hours["none"]
    assert hours["random(n=10)"] == pytest.approx(cells * (1 + 10 * 2), rel=0.2)
    assert hours["halving(n=9)"] == pytest.approx(cells * (1 + 3 * 2), rel=0.2)


def test_candidates_are_the_same_in_every_fold(digits, make_cell, tmp_path):
    rows = [
        evaluate(make_cell(digits, tuning="random(n=4)", fold=fold), digits, tmp_path)[0]
        for fold in (0, 1)
    ]
    first, second = ([each["parameters"] for each in row["candidates"]] for row in rows)
    assert first == second
    assert rows[0]["key"] != rows[1]["key"]


@pytest.mark.parametrize(
    ("n_train", "rounds"),
    [
        (40, [(1, 20)]),
        (160, [(1 / 3, 20), (1, 7)]),
        (10_000, [(1 / 9, 20), (1 / 3, 7), (1, 3)]),
    ],
)
def test_halving_begins_with_few_images_and_ends_with_all(n_train, rounds):
    seen = []

    def score(candidate, fold, share):
        seen.append(share)
        return candidate.get("m", {"k": 0})["k"] + share

    space = {"m": read_space({"k": list(range(1, 100))}, "m")}
    best = HalvingSearch(n=20).find_best(score, 1, n_train, space, seed=1)
    candidates = HalvingSearch(n=20).list_candidates(space, 1)
    assert best.candidate == max(candidates, key=lambda each: each.get("m", {"k": 0})["k"])
    assert seen == [share for share, n in rounds for _ in range(n)]


def test_too_few_images_to_halve_are_noted(tmp_path):
    axes = {"datasets": ["digits"], "extractors": ["pixels"], "models": ["knn"]}
    study = load_study("digits", tunings=["halving(n=9)"], train_sizes=[80, 1.0], **axes)
    rows = run(study, tmp_path, scheduler="inline")
    for _, row in rows.iterrows():
        noted = [str(note) for note in row["notes"] if note.kind == NoteKind.TUNING]
        same = len({candidate["n_train"] for candidate in row["candidates"]}) == 1
        assert bool(noted) == same == (row["train_size"] == 80)
        assert not noted or "halving trains all 9 candidates on all of them" in noted[0]


@pytest.mark.parametrize("n", [9, 243, 250, 729])
def test_the_last_round_of_halving_takes_all_images_whatever_the_number_of_candidates(n):
    seen = []

    def score(candidate, fold, share):
        seen.append(share)
        return candidate.get("m", {"k": 0.0})["k"]

    space = {"m": read_space({"k": "uniform(0, 1)"}, "m")}
    best = HalvingSearch(n=n).find_best(score, 1, 100_000, space, seed=1)
    assert seen[-1] == 1
    candidates = HalvingSearch(n=n).list_candidates(space, 1)
    assert best.candidate == max(candidates, key=lambda each: each.get("m", {"k": 0})["k"])


def test_equal_candidates_leave_the_configuration_as_it_is_listed():
    space = {"m": read_space({"k": [1, 2, 3]}, "m")}
    assert RandomSearch(n=4).find_best(lambda *_: 0.5, 2, 9, space, 0).candidate == {}


def test_halving_takes_the_best_of_the_last_round_before_the_time_was_up():
    def score(candidate, fold, share):
        return candidate.get("m", {"k": 0})["k"] if share < 1 else np.nan

    space = {"m": read_space({"k": list(range(1, 100))}, "m")}
    best = HalvingSearch(n=9).find_best(score, 2, 1000, space, seed=1)
    assert best.score == best.candidate["m"]["k"] > 50


@pytest.mark.parametrize("sample", [{"train_size": 0.5}, {"imbalance": "step(ratio=3)"}])
def test_a_reduced_training_set_is_not_enlarged_by_the_validation_set(
    digits, make_cell, tmp_path, sample
):
    subset = np.array(["train", "train", "train", "val", "test"])[np.arange(300) % 5]
    official = replace(digits, subset=subset)
    cells = [make_cell(official, split="official", tuning=t, **sample) for t in ("none", "random")]
    untuned, tuned = (evaluate(cell, official, tmp_path)[0] for cell in cells)
    assert tuned["n_train"] == untuned["n_train"]
    assert tuned["tuned_on"] == "official validation set (60 images)"


def test_patients_of_the_validation_set_that_are_elsewhere_are_not_tuned_on(
    patients, make_cell, tmp_path
):
    subset = np.array(["train", "train", "val", "test"])[patients.groups % 4]
    subset[6:7] = "train"  # one image of a patient of the validation set
    official = replace(patients, subset=subset)
    row, _ = evaluate(
        make_cell(official, split="official", tuning="random(n=2)"), official, tmp_path
    )
    assert "; 2 more share a group with others)" in row["tuned_on"]


def test_an_error_of_the_listed_configuration_is_an_error_of_the_cell(
    digits, make_cell, tmp_path, monkeypatch
):
    def fail(*args):
        raise ZeroDivisionError("the lens cap is on")

    monkeypatch.setattr(tuning_trials, "train_and_predict", fail)
    row = evaluate_on_dataset(make_cell(digits, tuning="random(n=3)"), digits, tmp_path)
    assert row["status"] == "failed"
    assert row["reason"] == "ZeroDivisionError: the lens cap is on"
    assert "traceback" in row


def test_an_error_of_a_candidate_is_not_kept_in_the_journal(
    digits, make_cell, tmp_path, monkeypatch
):
    train_and_predict, calls = tuning_trials.train_and_predict, []

    def fail_once(components, features):
        calls.append(components)
        if len(calls) == 4:  # the first fold of the second candidate
            raise OSError("x" * 100_000)
        if len(calls) == 6:
            raise StopError
        return train_and_predict(components, features)

    monkeypatch.setattr(tuning_trials, "train_and_predict", fail_once)
    cell = make_cell(digits, tuning="random(n=3)")
    for name in ("predictions", "features"):
        (tmp_path / name).mkdir()
    assert evaluate_on_dataset(cell, digits, tmp_path)["status"] == "failed"
    assert len(ResultsFolder(tmp_path).tuning_journal(cell.key).read_text()) < 10_000
    row, _ = evaluate(cell, digits, tmp_path)
    assert row["n_candidates"] == 3


@pytest.mark.parametrize(
    "line",
    [
        '{"KEY": {"value": 1, "seconds": -5}}',
        '{"KEY": {"value": NaN, "seconds": 1}}',
        '{"KEY": {"value": 1, "seconds": 1, "matrices": {"a": 1}}}',
        '{"KEY": {"value": 1, "seconds": 1, "n_train": 1.5}}',
        '{"KEY": {"value": 1' + "0" * 400 + ', "seconds": 1}}',
        '{"KEY": [1], "other": 2}',
        "[" * 100_000,
        "null",
    ],
)
def test_a_line_of_the_journal_that_is_no_trial_is_ignored(tmp_path, line):
    path, none = tmp_path / "journal.jsonl", np.arange(0)
    journal = TuningJournal(path)
    journal.add(Trial(value=0.5, seconds=1.0), "{}", none)
    ((key, _),) = json.loads(path.read_text()).items()
    path.write_text(line.replace("KEY", key) + "\n")
    assert TuningJournal(path).find("{}", none) is None


def test_force_computes_every_candidate_again(tmp_path):
    axes = {"extractors": ["pixels"], "models": ["knn"], "tunings": ["random(n=2)"]}
    study = load_study("digits", split="holdout", **axes)
    row = run(study, out=tmp_path).iloc[0]
    path = ResultsFolder(tmp_path).tuning_journal(row["key"])
    path.parent.mkdir(exist_ok=True)
    path.write_text("left over\n")
    again = run(study, out=tmp_path, force=True).iloc[0]
    assert not path.exists()
    assert again["tune_s"] != row["tune_s"]
    assert again["chosen"] == row["chosen"]


def test_multi_label_images_are_tuned_by_a_metric_that_they_have(tmp_path):
    folder = make_results("multi-label", tmp_path, ("knn",))
    study = load_study(folder / "study.yaml", tunings=["random(n=2)", "random(metric='auc', n=2)"])
    rows = run(study, out=tmp_path / "tuned").set_index("tuning")
    default, by_auc = (rows.loc[[name]] for name in ("random(n=2)", "random(metric='auc', n=2)"))
    assert set(default["status"]) == {"skipped"}
    assert "write, for example, random(metric='auc')" in default["reason"].iloc[0]
    assert set(by_auc["status"]) == {"ok"}


def test_a_candidate_that_would_split_the_training_set_itself_is_left_out(
    patients, make_cell, tmp_path
):
    cell = make_cell(
        patients,
        model="gradient_boosting(max_iter=3)",
        tuning="random(n=2)",
        search_spaces={"gradient_boosting": {"max_iter": [2]}},
    )
    row, _ = evaluate(cell, patients, tmp_path)
    assert row["n_candidates"] == 2
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from sklearn.neural_network import MLPClassifier\n\n\n"
        "def mlp(early_stopping: bool = False) -> MLPClassifier:\n"
        "    return MLPClassifier((5,), max_iter=5, early_stopping=early_stopping)\n"
    )
    cell = make_cell(
        patients,
        model=f"{plugin}:mlp",
        tuning="random(n=2)",
        search_spaces={f"{plugin}:mlp": {"early_stopping": [True]}},
    )
    row, _ = evaluate(cell, patients, tmp_path)
    assert row["n_candidates"] == 1
    assert "splits the training set inside fit" in row["candidates"][1]["reason"]


def test_optuna_s_repeated_candidates_are_counted_and_paid_for_once(digits, make_cell, tmp_path):
    pytest.importorskip("optuna")
    cell = make_cell(
        digits,
        model="knn",
        tuning="optuna(n=12)",
        search_spaces={"knn": {"n_neighbors": [1, 3]}},
    )
    row, _ = evaluate(cell, digits, tmp_path)
    assert row["n_candidates"] == len(row["candidates"]) == 3
    assert row["tune_s"] == pytest.approx(sum(each["seconds"] for each in row["candidates"]))
