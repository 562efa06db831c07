"""Files that would make native code leave its arrays, or exhaust time or memory, are refused."""

import json
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from benchmark.errors import UserError
from benchmark.pipelines import file, schema, trial
from benchmark.pipelines.fitted_state import check_fitted_state
from benchmark.pipelines.pipeline import fit_pipeline
from features.hog import HOG


@pytest.fixture(scope="module")
def contents(small_digits, make_cell):
    """Content of the file of a pipeline, by extractor and model; each is trained once."""
    known = {}

    def content(extractor, model="knn"):
        if (extractor, model) not in known:
            spec = "knn" if model == SVM else model
            pipeline = fit_pipeline(
                make_cell(small_digits, extractor or "pixels", spec, split="holdout"), small_digits
            )
            if model == SVM:  # as in a plug-in: no model of the registry is one
                X = pipeline.compute_model_input(small_digits.images)
                svm = CalibratedClassifierCV(SVC(), cv=2, ensemble=False)
                pipeline = replace(pipeline, model=svm.fit(X, small_digits.targets))
            known[extractor, model] = file.serialize_pipeline(pipeline)
        return known[extractor, model]

    return content


def parts_of(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts, compression=zipfile.ZIP_STORED):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def packed(parts):
    card = json.loads(parts["card.json"])
    card["files"] = {
        name: file._digest_bytes(content) for name, content in parts.items() if name != "card.json"
    }
    return zipped({**parts, "card.json": json.dumps(card).encode()})


def tampered(content, part, change):
    """A file after ``change(schema, arrays)`` of one member, with digests that match."""
    parts = parts_of(content)
    arrays = parts_of(parts[part])
    held = json.loads(arrays.pop("schema.json"))
    change(held, arrays)
    return packed(
        {
            **parts,
            part: zipped(
                {**arrays, "schema.json": json.dumps(held).encode()}, zipfile.ZIP_DEFLATED
            ),
        }
    )


def refusal(content):
    with pytest.raises(UserError) as caught:
        file.deserialize_pipeline(content, "it.pipeline")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def holders(value, name):
    """Yield every dictionary in a schema that has a key."""
    if isinstance(value, dict):
        if name in value:
            yield value
        for inner in value.values():
            yield from holders(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from holders(inner, name)


def value_node(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
    }


def list_node(nodes):
    return {
        "__class__": "list",
        "__module__": "builtins",
        "__loader__": "ListNode",
        "content": nodes,
    }


def setting(name, value):
    """Set an attribute of all objects that have it."""

    def change(held, arrays):
        nodes = list(holders(held, name))
        assert nodes
        for holder in nodes:
            holder[name] = value_node(value) if not isinstance(value, dict) else value

    return change


def adding(beside, name, value):
    """Add an attribute to the objects that have the attribute ``beside``."""

    def change(held, arrays):
        for holder in list(holders(held, beside)):
            holder[name] = value_node(value)
        for holder in holders(held, "key_types"):
            if beside in holder.get("content", ()):
                holder["key_types"]["content"].append(holder["key_types"]["content"][0])

    return change


def filling(name, make):
    """Replace the array of an attribute."""

    def change(held, arrays):
        (holder, *_) = holders(held, name)
        node = holder[name]
        buffer = BytesIO()
        np.save(buffer, make(np.load(BytesIO(arrays[node["file"]]))))
        arrays[node["file"]] = buffer.getvalue()

    return change


def one_more(array):
    return np.concatenate([array, array[:1]])


def both(*changes):
    def change(held, arrays):
        for each in changes:
            each(held, arrays)

    return change


SVM, FOREST, BOOSTED = "SVC", "random_forest(n_estimators=2)", "gradient_boosting(max_iter=2)"
WORDS, FISHER, PATCHES = (
    "sift_bovw(n_words=5)",
    "sift_bovw(n_words=5, encoding='fisher')",
    "kmeans_patches(n_centroids=5)",
)
OUT_OF_ARRAYS = {
    "kernel of places": ("pixels", SVM, setting("kernel", "precomputed")),
    "places beyond the training images": (
        "pixels",
        SVM,
        filling("support_", lambda array: array + np.int32(2**30)),
    ),
    "places below zero": (
        "pixels",
        SVM,
        filling("support_", lambda array: array - np.int32(2**30)),
    ),
    "precomputed and beyond": (
        "pixels",
        SVM,
        both(
            setting("kernel", "precomputed"),
            filling("support_", lambda array: array + np.int32(2**30)),
        ),
    ),
    "numbers of support vectors that wrap around": (
        "pixels",
        SVM,
        filling("_n_support", lambda array: array + np.int32(2**30)),
    ),
    "width of bytes": (
        "pixels",
        SVM,
        filling("support_vectors_", lambda array: array.astype(">f8")),
    ),
    "fewer than no nodes": ("pixels", FOREST, setting("node_count", -1)),
    "as many neighbours as there are bytes": ("pixels", "knn", setting("n_neighbors", 10**9)),
    "no neighbour": ("pixels", "knn", setting("n_neighbors", 0)),
    "distances given": ("pixels", "knn", setting("metric", "precomputed")),
    "distances of another power": ("pixels", "knn", setting("p", 3)),
    "a label below zero": ("pixels", "knn", filling("_y", lambda array: array - 5)),
    "a label of half the width": (
        "pixels",
        "knn",
        filling("_y", lambda array: array.astype(np.int32)),
    ),
    "trees for more classes": ("pixels", BOOSTED, setting("n_trees_per_iteration_", 10**6)),
    "a kernel of distances given": (
        "pixels",
        "nystroem_svm(n_components=9)",
        setting("kernel", "precomputed"),
    ),
    "more words than the histogram has": (WORDS, "knn", filling("words", one_more)),
    "words of another length": (WORDS, "knn", filling("words", lambda array: array[:, :7])),
    "another number of words": (WORDS, "knn", both(setting("n_words", 3))),
    "fewer deviations than words": (FISHER, "knn", filling("deviations", lambda array: array[:1])),
    "fewer weights than words": (FISHER, "knn", filling("weights", lambda array: array[:1])),
    "more centroids than the histogram has": (PATCHES, "knn", filling("centroids_", one_more)),
    "centroids of another patch": (
        PATCHES,
        "knn",
        filling("centroids_", lambda array: array[:, :7]),
    ),
}


@pytest.mark.parametrize("case", OUT_OF_ARRAYS)
def test_reading_or_writing_outside_of_an_array_is_refused(case, contents):
    extractor, model, change = OUT_OF_ARRAYS[case]
    content = contents(extractor, model)
    file.deserialize_pipeline(content, "it.pipeline")
    part = "model.skops" if extractor == "pixels" else "extractor_0.skops"
    assert "is refused" in refusal(tampered(content, part, change))


def test_a_tree_with_several_outputs_is_refused_before_it_is_built(contents):
    def change(held, arrays):
        for node in holders(held, "__reduce__"):
            node["__reduce__"]["args"]["content"][2] = value_node(10**6)

    assert "several outputs" in refusal(tampered(contents("pixels", FOREST), "model.skops", change))


def test_a_tree_after_a_feature_selection_is_refused(contents, small_digits, make_cell):
    """The member of the ensemble drops columns, and its tree has features of all columns."""
    pipeline = fit_pipeline(
        make_cell(small_digits, "pixels", FOREST, split="holdout"), small_digits
    )
    X = pipeline.compute_model_input(small_digits.images)
    narrow = make_pipeline(
        VarianceThreshold(float(np.median(X.var(axis=0)))), pipeline.model.estimators_[0]
    )
    narrow[0].fit(X)
    pipeline.model.estimators_[0] = narrow
    assert "is inconsistent" in refusal(file.serialize_pipeline(pipeline))


class PlugIn:
    """An object of a plug-in, of which the width of the inner objects' input is unknown."""

    def __init__(self, inside):
        self.inside = inside


PlugIn.__module__ = "plugin_0"


def with_features(tree, feature, n_features):
    """Copy of a tree that uses one feature only, and declares ``n_features`` features."""
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"]["feature"][state["nodes"]["left_child"] != -1] = feature
    again = Tree(n_features, tree.n_classes, tree.n_outputs)
    again.__setstate__(state)
    return again


@pytest.mark.parametrize("feature", [64, 5_000, 2_000_000_000])
def test_trees_inside_a_plug_in_use_only_features_that_scikit_learn_checks(feature, small_digits):
    forest = RandomForestClassifier(2, random_state=0).fit(
        small_digits.images.reshape(len(small_digits.images), -1), small_digits.targets
    )
    check_fitted_state(PlugIn(forest), 64)
    forest.estimators_[0].tree_ = with_features(forest.estimators_[0].tree_, feature, feature + 1)
    with pytest.raises(UserError, match="its Tree is inconsistent"):
        check_fitted_state(PlugIn(forest), 64)


@pytest.mark.parametrize("width", [None, 5_000, "5000"])
def test_a_tree_whose_input_is_not_checked_is_refused(width, small_digits):
    tree = DecisionTreeClassifier(random_state=0).fit(
        small_digits.images.reshape(len(small_digits.images), -1), small_digits.targets
    )
    with pytest.raises(UserError, match="is inconsistent"):
        check_fitted_state(PlugIn(tree.tree_), 64)
    del tree.n_features_in_
    if width is not None:
        tree.n_features_in_ = width
    tree.tree_ = with_features(tree.tree_, 4_999 if width == 5_000 else 0, 64)
    with pytest.raises(UserError, match="is inconsistent"):
        check_fitted_state(PlugIn(tree), 64)


def test_boosted_trees_and_brute_force_neighbours_inside_a_plug_in_are_accepted(small_digits):
    X = small_digits.images.reshape(len(small_digits.images), -1).astype(np.float32)
    boosted = HistGradientBoostingClassifier(max_iter=2).fit(X, small_digits.targets)
    check_fitted_state(PlugIn(boosted), 64)
    check_fitted_state(
        PlugIn(KNeighborsClassifier(algorithm="brute").fit(X, small_digits.targets)), 64
    )
    with pytest.raises(UserError, match="algorithm='brute'"):
        check_fitted_state(PlugIn(KNeighborsClassifier().fit(X, small_digits.targets)), 64)


def test_an_extractor_whose_minimum_size_was_changed_is_refused(small_digits, make_cell):
    pipeline = fit_pipeline(
        make_cell(small_digits, "pca(extractor=pixels, n_components=3)", "knn", split="holdout"),
        small_digits,
    )
    (pca,) = pipeline.extractors
    pca.extractor_ = HOG(pixels_per_cell=(40, 40)).fit(small_digits.images)
    assert "PCA is inconsistent" in refusal(file.serialize_pipeline(pipeline))


@pytest.mark.parametrize(
    ("beside", "name"),
    [("orientations", "batch_size"), ("orientations", "min_size"), ("orientations", "transform")],
)
def test_an_attribute_that_hides_one_of_its_class_is_refused(beside, name, contents):
    assert "is refused" in refusal(
        tampered(contents("hog"), "extractor_0.skops", adding(beside, name, 10**9))
    )


def test_a_file_that_would_start_processes_is_refused(contents):
    assert "n_jobs=4" in refusal(
        tampered(contents("pixels", FOREST), "model.skops", setting("n_jobs", 4))
    )


def test_a_random_generator_is_neither_written_nor_read(contents):
    content = contents("pca(extractor=pixels, n_components=3)")
    text = parts_of(parts_of(content)["extractor_0.skops"])["schema.json"].decode()
    assert "RandomState" not in text
    assert "__id__" not in text


# nesting and time


def shared(depth):
    node = list_node([])
    for k in range(1, depth):
        node = {**list_node([node, {"__id__": k - 1}]), "__id__": k}
    return node


def nested(depth):
    node = value_node(1)
    for _ in range(depth):
        node = list_node([node])
    return node


@pytest.mark.parametrize("name", ["classes_", "priors", "_sklearn_version"])
def test_lists_that_share_their_items_are_refused(name, contents):
    assert "is refused" in refusal(
        tampered(contents("pixels", "gaussian_nb"), "model.skops", setting(name, shared(30)))
    )


def test_the_depth_of_nested_objects_is_limited(contents):
    message = refusal(
        tampered(contents("pixels", "gaussian_nb"), "model.skops", setting("priors", nested(60)))
    )
    assert "nested too deeply" in message


def test_the_depth_of_nested_brackets_is_limited(contents):
    parts = parts_of(contents("pixels", "gaussian_nb"))
    deep = b'{"protocol": 2, "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert "is refused" in refusal(packed({**parts, "model.skops": zipped({"schema.json": deep})}))
    text = "[" * 100_000 + "]" * 100_000
    change = setting("priors", {**value_node(1), "content": text})
    assert "a short text or None" in refusal(
        tampered(contents("pixels", "gaussian_nb"), "model.skops", change)
    )


def test_work_is_abandoned_after_a_timeout():
    with pytest.raises(UserError, match="takes more than 0 s"):
        trial.run_with_timeout(lambda: time.sleep(1), 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["torch", "cv2"])
def test_abandoned_native_code_does_not_change_the_exit_of_the_program(module):
    pytest.importorskip(module)
    work = {
        "torch": "network = torch.nn.Conv2d(64, 256, 9)\n    while True: network(torch.zeros(8, "
        "64, 60, 60))",
        "cv2": "while True: cv2.GaussianBlur(numpy.zeros((2000, 2000, 3)), (31, 31), 5)",
    }
    code = f"""
import sys
import {module}, numpy
from benchmark import __main__ as program
from benchmark.pipelines import trial
def work():
    {work[module]}
program.app = lambda *args, **kwargs: trial.run_with_timeout(work, 2)
program.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: it takes more than 2 s")


# memory


@pytest.mark.parametrize(
    ("extractor", "name", "value"),
    [
        (WORDS, "n_words", 10**9),
        (WORDS, "levels", 14),
        (WORDS, "step", 10**12),
        ("hog", "pixels_per_cell", list_node([value_node(10**6), value_node(10**6)])),
        ("hog", "cells_per_block", list_node([value_node(5000), value_node(5000)])),
        ("gist", "orientations_per_scale", list_node([value_node(10**9)])),
        ("gist", "grid", list_node([value_node(10**5), value_node(10**5)])),
        ("lbp", "R", 1e9),
        ("shape_histogram", "bins", 10**9),
        (PATCHES, "n_centroids", 10**9),
        ("pca(extractor=pixels, n_components=3)", "n_components", 10**9),
        (WORDS, "bin_sizes", list_node([value_node(4)] * 100_000)),
        ("glcm", "distances", list_node([value_node(k) for k in range(1, 5000)])),
    ],
)
def test_a_parameter_that_would_take_all_memory_is_refused(extractor, name, value, contents):
    assert "is refused" in refusal(
        tampered(contents(extractor), "extractor_0.skops", setting(name, value))
    )


def test_a_network_for_images_that_would_take_all_memory_is_refused(contents):
    def enlarge(schema, _):
        for holder in holders(schema, "image_shape_"):
            for side in holder["image_shape_"]["content"][:2]:
                side["content"] = "2048"

    model = "fast_resnet(epochs=1, widths=[512, 8, 8])"
    parts = parts_of(tampered(contents("", model), "model.skops", enlarge))
    card = json.loads(parts["card.json"])
    card["card"]["image_shape"][:2] = [2048, 2048]
    assert "takes more memory than two images could need" in refusal(
        packed({**parts, "card.json": json.dumps(card).encode()})
    )


def test_the_size_of_a_schema_is_checked_before_it_is_parsed(contents, monkeypatch):
    parts = parts_of(contents("pixels", "gaussian_nb"))
    long = zipped(
        {"schema.json": b'{"a": "' + b" " * (schema.MAX_SCHEMA_BYTES + 1) + b'"}'},
        zipfile.ZIP_DEFLATED,
    )
    assert len(long) < 100_000
    assert "more than 67 MB" in refusal(packed({**parts, "model.skops": long}))
    many = zipped(
        {"schema.json": b'{"a": [' + b"[]," * schema.MAX_TOKENS + b"[]]}"}, zipfile.ZIP_DEFLATED
    )
    monkeypatch.setattr(
        schema.json,
        "loads",
        lambda content: (
            pytest.fail("it was parsed")
            if len(content) > 10**6
            else json.JSONDecoder().decode(content.decode())
        ),
    )
    assert "more than 6,000,000 values" in refusal(packed({**parts, "model.skops": many}))


def test_a_member_does_not_unpack_to_more_than_it_announces(contents):
    """zipfile checks the announced length only after it has unpacked everything."""
    with zipfile.ZipFile(BytesIO(zipped({"a": bytes(2**26)}, zipfile.ZIP_DEFLATED))) as archive:
        archive.getinfo("a").file_size = 10
        with pytest.raises((UserError, zipfile.BadZipFile)):
            schema.read_member(archive, "a", 100)


def test_members_are_not_longer_than_the_file(contents):
    content = bytearray(contents("pixels", "gaussian_nb"))
    with zipfile.ZipFile(BytesIO(content)) as archive:
        place = archive.start_dir
    for size in (20, 24):
        content[place + size : place + size + 4] = (2**31).to_bytes(4, "little")
    assert "longer than the file" in refusal(bytes(content))


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(3,)"])
def test_an_array_is_as_long_as_its_header_says(shape, contents):
    def change(held, arrays):
        for name in arrays:
            text = (
                f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
            )
            arrays[name] = (
                b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)
            )

    assert "not as long as announced" in refusal(
        tampered(contents("pixels", "gaussian_nb"), "model.skops", change)
    )


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(path):
    with pytest.raises(UserError, match="it is not a regular file"):
        file.load_pipeline(Path(path))
