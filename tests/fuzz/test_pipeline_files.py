"""Pipelines' files that were damaged or tampered with: refused in words, or read; never a crash, a hang or a memory without bound."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, Normalizer, PowerTransformer, RobustScaler
from sklearn.svm import LinearSVC

from benchmark.pipelines import file
from benchmark.pipelines.pipeline import fit_pipeline

PER_KIND = 20
MOST_MB = 1500  # beyond what the libraries take
KINDS = [
    *(
        ("pixels", model)
        for model in (
            "majority",
            "logistic_regression",
            "linear_svm",
            "rbf_svm",
            "knn",
            "nearest_centroid",
        )
    ),
    *(
        ("pixels", model)
        for model in (
            "gaussian_nb",
            "multinomial_nb",
            "nystroem_svm(n_components=20)",
            "one_vs_rest(estimator=rbf_svm)",
        )
    ),
    *(
        ("pixels", f"{model}(n_estimators=3)")
        for model in ("random_forest", "balanced_random_forest", "rus_boost")
    ),
    *(("pixels", f"{model}(n_estimators=2)") for model in ("easy_ensemble", "balanced_bagging")),
    ("pixels", "gradient_boosting(max_iter=3)"),
    ("", "simple_cnn(epochs=1)"),
    ("", "fast_resnet(epochs=1)"),
    *(
        (extractor, "knn")
        for extractor in (
            "color_histogram",
            "shape_histogram",
            "laplacian_pyramid",
            "hog",
            "lbp",
            "glcm",
            "gabor",
            "gist",
        )
    ),
    *(
        (f"sift_bovw(n_words=10, encoding='{encoding}')", "knn")
        for encoding in ("hard", "soft", "vlad", "fisher")
    ),
    *((extractor, "knn") for extractor in ("kmeans_patches(n_centroids=10)", "pca(extractor=hog)")),
    *(
        (extractor, "knn")
        for extractor in ("autoencoder(epochs=1)", "cnn_embedding(estimator=fast_resnet(epochs=1))")
    ),
]
INSIDE = [  # of scikit-learn, as plug-ins hold them
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.5),
    MLPClassifier((5,), max_iter=3),
    ExtraTreesClassifier(2),
    BaggingClassifier(n_estimators=2, max_features=0.5),
    SGDClassifier(loss="log_loss"),
    CalibratedClassifierCV(LinearSVC(), cv=2),
    OneVsRestClassifier(BernoulliNB()),
    make_pipeline(
        MaxAbsScaler(),
        RobustScaler(),
        PowerTransformer(),
        Normalizer(),
        TruncatedSVD(5),
        GaussianNB(),
    ),
]
ALL = [*KINDS, *INSIDE]
NUMBERS = (
    "0",
    "-1",
    "1",
    "2",
    "7",
    "100000",
    "2147483648",
    "1e300",
    "-1e-300",
    "NaN",
    "Infinity",
    "null",
    "true",
    '"rbf"',
    '"precomputed"',
)
VALUES = (0, -1, 1, 3, 127, 2**15, 2**31 - 1, -(2**31), 2**40, np.nan, np.inf, -np.inf, 1e300)


def parts_of(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts):
    card = json.loads(parts["card.json"])
    card["files"] = {
        name: file._digest_bytes(content) for name, content in parts.items() if name != "card.json"
    }
    return zipped({**parts, "card.json": json.dumps(card).encode()})


def zipped(parts):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def damaged(content, random):
    """Bytes flipped, cut off, put in or taken out."""
    content = bytearray(content)
    start = int(random.integers(len(content)))
    match random.integers(4):
        case 0:
            for place in random.integers(len(content), size=random.integers(1, 9)):
                content[place] ^= 1 << random.integers(8)
        case 1:
            del content[start:]
        case 2:
            content[start:start] = random.bytes(random.integers(1, 50))
        case 3:
            del content[start : start + int(random.integers(1, 50))]
    return bytes(content)


def tampered_array(content, random):
    """An array with other values, of another shape, or of another type."""
    array = np.load(BytesIO(content)).copy()
    choice = random.integers(5)
    if choice == 0 and array.size:
        array = array.reshape(-1)[: random.integers(array.size + 1)]
    elif choice == 1:
        array = np.repeat(array[None], random.integers(1, 4), axis=0)
    elif choice == 2 and array.dtype.names is None:
        array = array.astype(random.choice(["f4", "f8", ">f8", "i4", "i8", "u1", "?"]))
    elif array.size:
        names = array.dtype.names
        target = array[str(random.choice(names))] if names else array
        places = random.integers(target.size, size=random.integers(1, 4))
        with np.errstate(all="ignore"):
            flat = target.reshape(-1)
            flat[places] = np.array(VALUES)[random.integers(len(VALUES), size=len(places))].astype(
                array.dtype if not names else target.dtype
            )
            target[...] = flat.reshape(target.shape)
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def nodes_of(value):
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes_of(inner)


def tamper_schema(schema, random):
    """Another value, an attribute taken out or renamed, one object in the place of another, one object in many places."""
    nodes = [node for node in nodes_of(schema) if "__loader__" in node]
    node, other = (nodes[random.integers(len(nodes))] for _ in range(2))
    values = [one for one in nodes if one["__loader__"] == "JsonNode"]
    attributes = [
        one["content"] for one in nodes if one["__loader__"] == "DictNode" and one["content"]
    ]
    match random.integers(6):
        case 0 | 1 if values:
            values[random.integers(len(values))]["content"] = str(random.choice(NUMBERS))
        case 2 if attributes:
            held = attributes[random.integers(len(attributes))]
            del held[str(random.choice(list(held)))]
        case 3 if attributes:
            held = attributes[random.integers(len(attributes))]
            held[str(random.choice(list(held)))] = json.loads(json.dumps(other))
        case 4:
            inner = {
                "__class__": "list",
                "__module__": "builtins",
                "__loader__": "ListNode",
                "content": [],
            }
            for k in range(30):
                shared = {**inner, "__id__": k + 1, "content": [inner, {"__id__": k}] if k else []}
                inner = shared
            node.clear()
            node.update(inner)
        case _:
            if "content" in other and node["__loader__"] == other["__loader__"]:
                node["content"] = json.loads(json.dumps(other["content"]))
            node["__class__"] = other["__class__"]


def tampered_skops(content, random):
    inside = parts_of(content)
    schema = json.loads(inside["schema.json"])
    arrays = [name for name in inside if name.endswith(".npy")]
    for _ in range(random.integers(1, 3)):
        if arrays and random.random() < 0.6:
            name = str(random.choice(arrays))
            inside[name] = tampered_array(inside[name], random)
        else:
            tamper_schema(schema, random)
    return zipped({**inside, "schema.json": json.dumps(schema).encode()})


def mutated(content, seed):
    random = np.random.default_rng(seed)
    if random.random() < 0.15:
        return damaged(content, random)
    parts = parts_of(content)
    name = str(
        random.choice(
            [name for name in parts if name != "card.json" and not name.startswith("strategy")]
        )
    )
    parts[name] = (
        tampered_skops(parts[name], random)
        if name.endswith(".skops") and random.random() < 0.9
        else damaged(parts[name], random)
    )
    return packed(parts)


CHILD = """
import resource, sys, traceback, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from test_pipeline_files import mutated
from benchmark.errors import UserError
from benchmark.pipelines import file
warnings.simplefilter("ignore")
folder, first, last = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
whole = sorted(folder.glob("*.pipeline"))
file.load_pipeline(whole[0])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for seed in range(first, last):
    print(f"at {seed}", flush=True)
    try:
        pipeline = file.deserialize_pipeline(mutated(whole[seed % len(whole)].read_bytes(), seed), "it.pipeline")
        pipeline.predict_proba(np.random.default_rng(1).integers(0, 256, (5, *pipeline.card.image_shape), dtype=np.uint8))
        print("read", flush=True)
    except UserError as error:
        assert "\\n" not in str(error) and len(str(error)) < 1000, error
        print("refused", error, flush=True)
    except Exception:
        traceback.print_exc()
        sys.exit(3)
print("peak", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, flush=True)
"""


@pytest.fixture(scope="module")
def folder(digits, make_cell, tmp_path_factory):
    """One pipeline of every kind."""
    folder = tmp_path_factory.mktemp("whole")
    few = replace(digits, images=digits.images[:120], targets=digits.targets[:120])
    for k, (extractor, model) in enumerate(KINDS):
        pipeline = fit_pipeline(make_cell(few, extractor or "pixels", model, split="holdout"), few)
        (folder / f"{k:02d}.pipeline").write_bytes(file.serialize_pipeline(pipeline))
    pipeline = fit_pipeline(make_cell(few, "pixels", "knn", split="holdout"), few)
    for k, model in enumerate(INSIDE, len(KINDS)):
        fitted = clone(model).fit(pipeline.compute_model_input(few.images), few.targets)
        (folder / f"{k:02d}.pipeline").write_bytes(
            file.serialize_pipeline(replace(pipeline, model=fitted))
        )
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_pipeline_is_refused_or_read(folder):
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(Path(__file__).parent),
        str(folder),
        "0",
        str(PER_KIND * len(ALL)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    seeds = re.findall(r"^at (\d+)$", done.stdout, re.MULTILINE)
    last = int(seeds[-1]) if seeds else None
    kind = ALL[last % len(ALL)] if seeds else None
    assert done.returncode == 0, (
        f"exit code {done.returncode} at seed {last}, of {kind}: {done.stderr[-3000:]}"
    )
    assert len(seeds) == PER_KIND * len(ALL)
    n_read, n_refused = (
        len(re.findall(rf"^{word}\b", done.stdout, re.MULTILINE)) for word in ("read", "refused")
    )
    assert n_read + n_refused == len(seeds)
    assert n_refused > len(seeds) / 2
    assert int(done.stdout.split()[-1]) < MOST_MB
