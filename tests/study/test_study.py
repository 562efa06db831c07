"""Studies: how they are read, checked and expanded into cells."""

from pathlib import Path

import pytest

from benchmark.engine.runner import make_plan, run
from benchmark.errors import UserError
from benchmark.plugins.spec import Spec, parse_sum
from benchmark.sampling.splits import stratified_kfold
from benchmark.study.load import load_study, read_suites
from benchmark.study.study import Study
from benchmark.utils.yaml_files import write_yaml

FAKES = str(Path(__file__).parents[1] / "fakes.py")
SMALL = {"datasets": "digits", "extractors": "pixels", "models": "majority"}


def write_study(tmp_path, content):
    file = tmp_path / "mine.yaml"
    file.write_text(content if isinstance(content, str) else write_yaml(content))
    return file


@pytest.mark.parametrize("name", read_suites())
def test_every_suite_that_ships_reads_resolves_and_is_named_by_its_file(name):
    study = load_study(name).resolve_components()
    assert study.name == name
    assert study.description


def test_a_study_written_as_yaml_reads_back_the_same(tmp_path):
    study = Study.model_validate(
        SMALL
        | {
            "name": "x",
            "extractors": ["hog(orientations=8) + pixels"],
            "split": {"holdout": {"test_size": 0.3}},
            "seeds": [1, 2],
            "size": 16,
        }
    )
    assert load_study(write_study(tmp_path, study.to_yaml())) == study


PAIRS = [
    {"extractor": "hog + pixels", "model": "rbf_svm(C=10)"},
    {"extractor": "hog", "model": {"knn": {"n_neighbors": 3}}},
]


def test_pipelines_are_run_besides_what_the_axes_span_and_read_back_the_same(tmp_path, monkeypatch):
    study = load_study(write_study(tmp_path, SMALL | {"pipelines": PAIRS}))
    assert load_study(write_study(tmp_path, study.to_yaml())) == study
    entries = {
        (cell.identity["extractor"], cell.identity["model"]) for cell in make_plan(study).cells()
    }
    assert entries == {
        ("images", "majority"),
        ("hog + pixels", "rbf_svm(C=10)"),
        ("hog", "knn(n_neighbors=3)"),
    }


def test_pipelines_alone_are_a_study_and_other_axes_replace_them(tmp_path):
    file = write_study(tmp_path, {"datasets": "digits", "pipelines": PAIRS})
    assert {cell.identity["extractor"] for cell in make_plan(load_study(file)).cells()} == {
        "hog + pixels",
        "hog",
    }
    asked_for = make_plan(load_study(file, extractors=["pixels"], models=["knn"]))
    assert {cell.identity["extractor"] for cell in asked_for.cells()} == {"pixels"}


def test_a_pair_that_the_axes_span_already_is_a_cell_once(tmp_path):
    content = SMALL | {
        "extractors": "hog",
        "models": "knn",
        "pipelines": [{"extractor": "hog", "model": "knn"}],
    }
    keys = [cell.key for cell in make_plan(load_study(write_study(tmp_path, content))).cells()]
    assert len(keys) == len(set(keys)) == 3


def test_an_image_model_in_a_pipeline_is_refused(tmp_path):
    content = {"datasets": "digits", "pipelines": [{"extractor": "hog", "model": "simple_cnn"}]}
    with pytest.raises(
        UserError, match="simple_cnn takes images and no extractor: list it under models"
    ):
        load_study(write_study(tmp_path, content)).resolve_components()


def test_the_extractor_of_an_image_model_is_called_images_in_a_pipeline_as_in_tables(tmp_path):
    pairs = [{"extractor": "images", "model": "simple_cnn"}, *PAIRS]
    study = load_study(write_study(tmp_path, {"datasets": "digits", "pipelines": pairs}))
    assert load_study(write_study(tmp_path, study.to_yaml())) == study
    labels = [
        (cell.identity["extractor"], cell.identity["model"]) for cell in make_plan(study).cells()
    ]
    assert ("images", "simple_cnn") in labels
    beside = {
        (cell.identity["extractor"], cell.identity["model"])
        for cell in make_plan(study.with_plugins([FAKES])).cells()
    }
    assert ("hog", "gives_na_n") in beside
    assert {extractor for extractor, model in beside if model == "simple_cnn"} == {"images"}
    assert {model for extractor, model in beside if extractor == "images"} == {"simple_cnn"}
    with pytest.raises(UserError, match="knn takes features, not images"):
        load_study(
            write_study(
                tmp_path,
                {"datasets": "digits", "pipelines": [{"extractor": "images", "model": "knn"}]},
            )
        ).resolve_components()


def test_an_endless_file_is_refused():
    with pytest.raises(UserError, match="/dev/zero is larger than"):
        load_study("/dev/zero")


def test_repeats_are_bounded_before_the_folds_are_made(digits):
    with pytest.raises(UserError, match="at most 1000 repeats, not 100000000"):
        stratified_kfold(digits, repeats=100_000_000)


def test_a_plug_in_is_paired_with_the_components_of_the_pipelines(tmp_path):
    study = load_study(
        write_study(tmp_path, {"datasets": "digits", "pipelines": PAIRS})
    ).with_plugins([FAKES])
    entries = {
        (cell.identity["extractor"], cell.identity["model"]) for cell in make_plan(study).cells()
    }
    assert {
        ("mean_gray", "rbf_svm(C=10)"),
        ("mean_gray", "knn(n_neighbors=3)"),
        ("hog", "gives_na_n"),
    } <= entries


def test_a_misspelt_key_names_the_file_the_key_and_the_nearest_one(tmp_path):
    with pytest.raises(
        UserError, match=r"mine.yaml: unknown key 'extractor'; did you mean 'extractors'"
    ):
        load_study(write_study(tmp_path, {**SMALL, "extractor": ["hog"]}))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"pipelines": [{"extractor": "hog"}]}, "write {extractor: hog"),
        ({"pipelines": PAIRS[:1] * 2}, "pipelines lists .* twice"),
        ({"datasets": []}, "datasets"),
        ({"datasets": None}, "cannot read None"),
        ({"size": 2}, "size"),
        ({"seeds": ["a"]}, "cannot read the seed 'a': write a whole number"),
        ({"name": "../up"}, "name"),
        ({"split": {"holdout": {"test_sise": 0.5}}}, "did you mean 'test_size'"),
        ({"extractors": ["hog", "hog"]}, "lists hog twice"),
        (
            {"strategies": ["none", "none + random_over"]},
            r"none \+ random_over: 'none' cannot be combined",
        ),
        ({"seeds": [3, 3]}, "seeds lists 3 twice"),
        (
            {"models": ["knn", "knn(n_neighbors=5)"]},
            r"lists knn and knn\(n_neighbors=5\), which are the same",
        ),
        (
            {"extractors": ["hog + pixels", {"hog": {"orientations": 9}}, "hog"]},
            r"hog\(orientations=9\) and hog, which are",
        ),
        ({"strategies": ["smote", "smote(k_neighbors=5)"]}, "which are the same"),
        (
            {"models": ["one_vs_rest(estimator=knn)", "one_vs_rest(estimator=knn(n_neighbors=5))"]},
            "which are the same",
        ),
        ({"imbalances": ["step(ratio=10)", "step(ratio=10.0)"]}, "which are the same"),
        (
            {
                "models": [
                    f"{FAKES}:HardProbabilities",
                    f"{Path(FAKES).parent}/./fakes.py:HardProbabilities",
                ]
            },
            "which are the same",
        ),
        (
            {"metric": "f1"},
            "all metrics are computed; choose one when you read the results, as in: table DIR "
            "--metric",
        ),
        ({"name": "x" * 5000}, "name"),
        ({"seeds": [10**20]}, "cannot read the seed 1000"),
        ({"seeds": [True]}, "cannot read the seed True"),
        ({"seeds": [1.5]}, r"cannot read the seed 1\.5"),
        ({"train_sizes": [10**400]}, "cannot read the training size"),
        ({"memory_limit": float("inf")}, "memory_limit"),
        ({"memory_limit": "1000000 TB"}, "memory_limit"),
        ({"memory_limit": 10**30}, "memory_limit"),
        ({"time_limit": 1e300}, "time_limit"),
        (
            {"datasets": "folder:~nosuchuser/a", "split": {"holdout": {"test_size": float("nan")}}},
            "finite numbers",
        ),
        ({"models": ["knn(n_neighbors=10**99)"]}, "literals"),
        ({"models": [{"knn": {"n_neighbors": 2**64}}]}, "finite numbers"),
        ({"models": ["knn(n_neighbors=1, n_neighbors=3)"]}, "n_neighbors is given twice"),
        ({"plugins": ["/etc/passwd"], "models": ["mine"]}, "must end in .py"),
        ({"plugins": ["~nosuchuser/p.py"], "models": ["mine"]}, "no user of this name"),
        ({"plugins": ["x" * 5000 + ".py"], "models": ["mine"]}, "cannot use the path"),
        (
            {"seeds": list(range(3000)), "train_sizes": list(range(2, 1002))},
            "spans 3000000 cells per fold",
        ),
    ],
)
def test_a_wrong_value_is_one_clear_line(tmp_path, change, problem):
    with pytest.raises(UserError, match=problem) as caught:
        load_study(write_study(tmp_path, SMALL | change)).resolve_components()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a: [", "- a\n- b", "", "!!python/object/apply:os.system ['true']"]
)
def test_a_file_that_is_not_a_study_is_a_user_error(tmp_path, text):
    with pytest.raises(UserError, match=r"mine\.yaml"):
        load_study(write_study(tmp_path, text))


def test_an_unknown_suite_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'digits'"):
        load_study("digit")


def test_the_baseline_and_a_model_that_takes_images_are_run_once_whatever_the_extractors():
    study = Study.model_validate(
        SMALL | {"name": "x", "extractors": ["pixels", "hog"], "models": ["majority", "simple_cnn"]}
    )
    labels = {
        (cell.identity["extractor"], cell.identity["model"]) for cell in make_plan(study).cells()
    }
    assert labels == {("images", "majority"), ("images", "simple_cnn")}


def test_the_default_split_is_official_where_there_is_one_and_three_folds_otherwise(data_folder):
    study = Study.model_validate(SMALL | {"name": "x", "datasets": ["digits", "breastmnist"]})
    splits = {
        (cell.identity["dataset"], cell.identity["split"])
        for cell in make_plan(study, data_folder).cells()
    }
    assert splits == {
        ("digits", "stratified_kfold(folds=3, repeats=1, seed=42)"),
        ("breastmnist", "official"),
    }


def test_all_components_of_a_plug_in_file_are_added_to_the_axes_once(tmp_path):
    study = load_study("digits", extractors=["pixels", "mean_gray"]).with_plugins([FAKES])
    names = [tuple(spec.name for spec in extractor) for extractor in study.extractors]
    assert names.count(("mean_gray",)) == 1
    assert ("wrong_length",) in names
    assert "hard_labels_only" in [spec.name for spec in study.models]


def test_a_plug_in_is_paired_with_the_models_of_pipelines_where_no_other_takes_features():
    study = load_study("real_images").with_plugins([FAKES])
    models = {
        model.name for extractor, model in study.pipelines if extractor[0].name == "mean_gray"
    }
    assert models == {"linear_svm", "rbf_svm"}


def test_extractors_that_no_model_of_the_study_uses_are_refused():
    with pytest.raises(UserError, match=r"hog would be used by no cell.*--model"):
        load_study("real_images", extractors=["hog"]).refuse_unused_extractors()
    load_study("digits", extractors=["hog"]).refuse_unused_extractors()


def test_keys_differ_between_cells_and_depend_on_parameters_seed_and_split(digits, make_cell):
    cells = list(make_plan(load_study("digits")).cells())
    assert len({cell.key for cell in cells}) == len(cells)
    same = make_cell(digits, model="logistic_regression(C=1.0)")
    assert same.params["model"]["params"] == make_cell(digits).params["model"]["params"]
    others = [
        make_cell(digits, model="logistic_regression(C=2.0)"),
        make_cell(digits, seed=1),
        make_cell(digits, split="holdout"),
    ]
    assert len({make_cell(digits).key, *(cell.key for cell in others)}) == 4


def test_the_baseline_is_run_once_without_strategies_and_needs_no_extractor():
    axes = {
        "datasets": ["digits"],
        "models": ["majority", "simple_cnn"],
        "strategies": ["none", "random_over", "smote + prior_threshold"],
    }
    for extractors in (["pixels", "hog"], []):
        planned = [
            cell.identity
            for cell in make_plan(Study(name="x", extractors=extractors, **axes)).cells()
        ]
        assert {
            (cell["extractor"], cell["strategy"]) for cell in planned if cell["model"] == "majority"
        } == {("images", "none")}
        assert {cell["strategy"] for cell in planned if cell["model"] == "simple_cnn"} == set(
            axes["strategies"]
        )


def test_a_baseline_without_an_extractor_is_evaluated(tmp_path):
    rows = run(Study(name="x", datasets=["digits"], models=["majority"]), tmp_path)
    assert set(rows["status"]) == {"ok"}


def test_imbalances_and_training_sizes_span_the_cells_and_are_read_back(tmp_path):
    study = load_study(
        "digits",
        extractors=["pixels"],
        models=["knn"],
        imbalances=["none", "step(ratio=5)"],
        train_sizes=[0.5, 100, 1],
    )
    cells = list(make_plan(study).cells())
    assert len({cell.key for cell in cells}) == len(cells) == 3 * 2 * 3
    file = tmp_path / "again.yaml"
    file.write_text(study.to_yaml())
    assert load_study(file) == study


@pytest.mark.parametrize("size", ["abc", 0, -1, 1.5, float("nan"), None, True])
def test_a_training_size_that_is_neither_share_nor_number_is_refused(size):
    with pytest.raises(UserError, match="cannot read the training size"):
        Study(name="x", datasets=["digits"], train_sizes=[size])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("datasets", ["csv:a.csv(label=[)"], r"datasets: cannot read 'csv:a.csv\(label=\[\)'"),
        ("datasets", [""], "datasets: an empty name"),
        ("extractors", ["hog +"], "extractors: cannot read 'hog \\+'"),
        ("seeds", ["a"], "seeds: cannot read the seed 'a'"),
        ("time_limit", -1, "time_limit: Input"),
    ],
)
def test_a_mistake_in_the_replacement_of_an_axis_is_not_blamed_on_the_study_file(
    key, value, message
):
    with pytest.raises(UserError, match=f"^{message}"):
        load_study("digits", **{key: value})


def test_a_pair_that_the_axes_span_too_is_run_once():
    study = load_study("digits", extractors=["pixels"], models=["knn"])
    study = study.model_copy(
        update={"pipelines": ((parse_sum("pixels"), Spec.parse("knn(n_neighbors=5)")),)}
    )
    assert [cell.model.label for cell in make_plan(study).cells()] == ["knn"] * 3


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        (
            {"kn": {"n_neighbors": [1]}},
            "study 'digits': search_spaces: unknown component 'kn'; did",
        ),
        (
            {"knn": {"k": [1]}},
            "study 'digits': search space of knn: unknown parameter 'k'",
        ),
    ],
)
def test_a_name_in_a_search_space_that_is_unknown_is_named_with_the_place(spaces, message):
    study = load_study("digits", models=["knn"], tunings=["random(n=2)"], search_spaces=spaces)
    with pytest.raises(UserError) as error:
        study.resolve_components()
    assert str(error.value).startswith(message)
