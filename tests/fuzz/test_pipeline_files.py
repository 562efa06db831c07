"""Pipeline files that were damaged or tampered with are read, or refused with a message.

They never crash the process, make it hang, or use unlimited memory.
"""

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
from sklearn.svm import SVC, LinearSVC

from benchmark.pipelines import file
from benchmark.pipelines.pipeline import fit_pipeline

PER_KIND = 20
MAX_MB = 1500  # beyond what the libraries take
FEATURE_MODELS = (
    *("majority", "logistic_regression", "linear_svm", "rbf_svm", "knn", "nearest_centroid"),
    *("gaussian_nb", "multinomial_nb", "nystroem_svm(n_components=20)"),
    *("one_vs_rest(estimator=rbf_svm)", "random_forest(n_estimators=3)"),
    *("balanced_random_forest(n_estimators=3)", "rus_boost(n_estimators=3)"),
    *("easy_ensemble(n_estimators=2)", "balanced_bagging(n_estimators=2)"),
    "gradient_boosting(max_iter=3)",
)
EXTRACTORS = (
    *("color_histogram", "shape_histogram", "laplacian_pyramid", "hog"),
    *("lbp", "glcm", "gabor", "gist"),
    *(f"sift_bovw(n_words=10, encoding='{name}')" for name in ("hard", "soft", "vlad", "fisher")),
    *("kmeans_patches(n_centroids=10)", "pca(extractor=hog)", "autoencoder(epochs=1)"),
    "cnn_embedding(estimator=fast_resnet(epochs=1))",
)
KINDS = [
    *(("pixels", model) for model in FEATURE_MODELS),
    *(("", network) for network in ("simple_cnn(epochs=1)", "fast_resnet(epochs=1)")),
    *((extractor, "knn") for extractor in EXTRACTORS),
]
# estimators of scikit-learn inside plug-ins
INSIDE = [
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.5),
    MLPClassifier((5,), max_iter=3),
    ExtraTreesClassifier(2),
    BaggingClassifier(n_estimators=2, max_features=0.5),
    SGDClassifier(loss="log_loss"),
    CalibratedClassifierCV(LinearSVC(), cv=2),
    CalibratedClassifierCV(SVC(), cv=2, ensemble=False),
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
    *("0", "-1", "1", "2", "7", "100000", "2147483648", "1e300", "-1e-300", "NaN", "Infinity"),
    *("null", "true", '"rbf"', '"precomputed"'),
)
VALUES = (0, -1, 1, 3, 127, 2**15, 2**31 - 1, -(2**31), 2**40, np.nan, np.inf, -np.inf, 1e300)


def read_members(content):
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack_with_digests(members):
    card = json.loads(members["card.json"])
    card["files"] = {
        name: file._digest_bytes(content)
        for name, content in members.items()
        if name != "card.json"
    }
    return zip_members({**members, "card.json": json.dumps(card).encode()})


def zip_members(members):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def damaged(content, random):
    """Flip, cut off, insert or remove bytes."""
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


def tamper_array(content, random):
    """Change values, shape or type of an array."""
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


def iterate_nodes(value):
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from iterate_nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from iterate_nodes(inner)


def tamper_schema(schema, random):
    """Change a value, remove or replace an attribute, or replace an object by other objects."""
    nodes = [node for node in iterate_nodes(schema) if "__loader__" in node]
    node, other = (nodes[random.integers(len(nodes))] for _ in range(2))
    values = [node for node in nodes if node["__loader__"] == "JsonNode"]
    attributes = [
        node["content"] for node in nodes if node["__loader__"] == "DictNode" and node["content"]
    ]
    match random.integers(6):
        case 0 | 1 if values:
            values[random.integers(len(values))]["content"] = str(random.choice(NUMBERS))
        case 2 if attributes:
            content = attributes[random.integers(len(attributes))]
            del content[str(random.choice(list(content)))]
        case 3 if attributes:
            content = attributes[random.integers(len(attributes))]
            content[str(random.choice(list(content)))] = json.loads(json.dumps(other))
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


def tamper_skops(content, random):
    inside = read_members(content)
    schema = json.loads(inside["schema.json"])
    arrays = [name for name in inside if name.endswith(".npy")]
    for _ in range(random.integers(1, 3)):
        if arrays and random.random() < 0.6:
            name = str(random.choice(arrays))
            inside[name] = tamper_array(inside[name], random)
        else:
            tamper_schema(schema, random)
    return zip_members({**inside, "schema.json": json.dumps(schema).encode()})


def mutated(content, seed):
    random = np.random.default_rng(seed)
    if random.random() < 0.15:
        return damaged(content, random)
    members = read_members(content)
    name = str(
        random.choice(
            [name for name in members if name != "card.json" and not name.startswith("strategy")]
        )
    )
    members[name] = (
        tamper_skops(members[name], random)
        if name.endswith(".skops") and random.random() < 0.9
        else damaged(members[name], random)
    )
    return pack_with_digests(members)


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
        content = mutated(whole[seed % len(whole)].read_bytes(), seed)
        pipeline = file.deserialize_pipeline(content, "it.pipeline")
        shape = (5, *pipeline.card.image_shape)
        pipeline.predict_proba(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
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
    """Folder with one pipeline file of every kind."""
    folder = tmp_path_factory.mktemp("whole")
    small = replace(digits, images=digits.images[:120], targets=digits.targets[:120])
    for k, (extractor, model) in enumerate(KINDS):
        pipeline = fit_pipeline(
            make_cell(small, extractor or "pixels", model, split="holdout"), small
        )
        (folder / f"{k:02d}.pipeline").write_bytes(file.serialize_pipeline(pipeline))
    pipeline = fit_pipeline(make_cell(small, "pixels", "knn", split="holdout"), small)
    for k, model in enumerate(INSIDE, len(KINDS)):
        fitted = clone(model).fit(pipeline.compute_model_input(small.images), small.targets)
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
    assert int(done.stdout.split()[-1]) < MAX_MB
