"""Small studies, one per kind of task, for the tests of everything that reads a results folder."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmark import load_results, load_study, run
from benchmark.reporting.leaderboard import make_leaderboards
from benchmark.results.folder import ResultsFolder

KINDS = ("multi-label", "binary", "multi-class", "ordinal", "grouped", "imbalanced")
LONG = ("a malignant melanoma of the skin", "a benign keratosis, not a melanoma")

# three models that are nearly equal, a worse one, and the baseline
NEARLY_EQUAL = [*(f"knn(n_neighbors={k})" for k in (3, 4, 5)), "nearest_centroid", "majority"]


def make_digits_results(folder, models, split, seeds=(0,)):
    """Evaluate models on the pixels of the digits, and return the results folder."""
    axes = {"extractors": ["pixels"], "models": list(models), "seeds": list(seeds)}
    run(load_study("digits", split=split, **axes), folder, scheduler="inline")
    return folder


def read_leaderboard(folder, metric="f1", read=True):
    """Leaderboard of a study with one; without predictions if ``read`` is false."""
    reader = ResultsFolder(folder).read_predictions if read else None
    ((_, table),) = make_leaderboards(load_results(folder), metric, reader)
    return table


def make_results(kind, folder, models=("majority", "gaussian_nb", "nearest_centroid"), n=240):
    """Run a small study of one kind of task, and return its results folder.

    The dataset is RetinaMNIST for the ordinal task, and the bundled digits for the others.
    """
    axes = {
        "extractors": ["pixels", "color_histogram(bins=4)"],
        "models": list(models),
        "datasets": [make_dataset(kind, folder, n)],
    }
    if kind == "imbalanced":
        axes |= {
            "imbalances": ["step(ratio=1)", "step(ratio=5)"],
            "strategies": ["none", "random_over", "prior_threshold"],
        }
    if kind == "ordinal":
        axes |= {"seeds": [0, 1], "extractors": ["color_histogram(bins=4)"]}
    run(load_study("digits", name=kind, **axes), out=folder / "out")
    return folder / "out"


def make_dataset(kind, folder, n):
    """Write the images of one kind of task, where they are not bundled, and return its entry."""
    if kind == "ordinal":
        return "retinamnist"
    if kind in ("multi-class", "imbalanced"):
        return "digits"
    images, digits = load_digits().images[:n], load_digits().target[:n]
    images = np.rint(images * (255 / 16)).astype(np.uint8)
    (folder / "data").mkdir(exist_ok=True)
    labels = {
        "multi-label": [
            "|".join([*(["even"] if d % 2 == 0 else []), *(["above four"] if d > 4 else [])])
            for d in digits
        ],
        "binary": [LONG[d % 2] for d in digits],
        "grouped": [LONG[d % 2] for d in digits],
    }[kind]
    lines = ["image,dx,patient" if kind == "grouped" else "image,dx"]
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / "data" / f"{i}.png")
        lines.append(f'{i}.png,"{label}"' + f",p{i // 4}" * (kind == "grouped"))
    (folder / "data" / "cases.csv").write_text("\n".join(lines) + "\n")
    group = ", group='patient'" if kind == "grouped" else ""
    return f"csv:{folder / 'data' / 'cases.csv'}(label='dx'{group})"
