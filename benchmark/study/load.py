"""Load studies: suites that ship with the library, study files, and options that replace keys."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.datasets import MEDMNIST_2D
from benchmark.errors import UserError, describe_validation_error, unknown_name_error
from benchmark.plugins.spec import Spec
from benchmark.study.axes import AXES, as_tuple, dataset_label, read_dataset
from benchmark.study.study import Study
from benchmark.utils.files import read_text, user_path
from benchmark.utils.text import short_repr
from benchmark.utils.yaml_files import MAX_CHARACTERS, read_yaml

DEFAULT_SUITE = "digits"
OWN_IMAGES_SUITE = "real_images"
OWN_SOURCES = ("folder:", "csv:", "arrays:")
SMALL_SIDE = 28  # pixels; that of MedMNIST's smallest images


def load_study(study: str | Path | None = None, **replace: Any) -> Study:
    """Load a suite by its name, or a study file by its path.

    Parameters
    ----------
    study : str, Path or None
        Name of a suite, such as 'digits', or path of a YAML file. None chooses a suite for the
        given datasets, see ``choose_suite``, and names the study after them.
    **replace
        Values of keys to use instead of the file's, such as ``extractors=["hog"]``.

    Returns
    -------
    Study

    Raises
    ------
    UserError
        There is no such study, it is not valid YAML, or a key or value is wrong. The message
        suggests the nearest valid key.

    See Also
    --------
    benchmark.run : Run a study.

    Examples
    --------
    >>> from benchmark import load_study
    >>> load_study("digits", models=["knn", "rbf_svm(C=10)"]).to_lists()["models"]
    ['knn', 'rbf_svm(C=10)']
    >>> load_study(datasets=["folder:scans/lungs"]).name
    'lungs'
    """
    given = {key: value for key, value in replace.items() if value not in (None, [])}
    for key, value in given.items():
        # check each by itself, so that the message does not name the file
        if key in Study.model_fields:
            make_study({"name": "given", "datasets": ["given"], key: value}, key)
    datasets = [read_dataset(entry) for entry in as_tuple(given.get("datasets", ()))]
    suite = choose_suite(datasets, given.get("size")) if study is None else str(study)
    where, text = _read_study_text(suite)
    content = read_yaml(text, where)
    if not isinstance(content, dict):
        raise UserError(
            f"{where}: a study is a mapping with the keys {', '.join(Study.model_fields)}"
        )
    own = {"name": Path(where).stem} | content
    listed = list(as_tuple(own.get("datasets", ())))
    if datasets and [spec.label for spec in datasets] != [str(entry) for entry in listed]:
        named = "-and-".join(short_dataset_name(spec) for spec in datasets)
        own["name"] = (named if study is None else f"{own['name']}-on-{named}")[:100]
        own["description"] = ""
    if any(axis.plural in given for axis in AXES if axis.name != "dataset"):
        own["description"] = ""
    if given.get("extractors") or given.get("models"):
        for key in ("pipelines", "optional"):  # what is named replaces both, and is required
            own.pop(key, None)
    return make_study(own | given, where)


def choose_suite(datasets: Sequence[Spec], size: int | None = None) -> str:
    """Return the name of the suite that suits datasets for which none is named.

    Parameters
    ----------
    datasets : sequence of Spec
        If one of them consists of the user's own images, or of MedMNIST's larger images, the suite
        is ``real_images``, else ``digits``.
    size : int or None
        Side of the images in pixels, if it is given.

    Examples
    --------
    >>> from benchmark.plugins.spec import Spec
    >>> choose_suite([Spec("folder:scans")]), choose_suite([Spec("breastmnist")])
    ('real_images', 'digits')
    """
    is_large = (size or SMALL_SIDE) > SMALL_SIDE
    return (
        OWN_IMAGES_SUITE
        if any(
            spec.name.startswith(OWN_SOURCES) or (spec.name in MEDMNIST_2D and is_large)
            for spec in datasets
        )
        else DEFAULT_SUITE
    )


def short_dataset_name(spec: Spec) -> str:
    """Return a name for files and folders: the dataset's own, or the end of its path.

    Examples
    --------
    >>> [short_dataset_name(Spec(name)) for name in ("folder:scans/lungs", "csv:skin/list.csv")]
    ['lungs', 'skin-list']
    """
    label = dataset_label(spec)
    if label == spec.label and spec.name.startswith(OWN_SOURCES):
        kind, _, text = spec.name.partition(":")
        path = Path(os.path.abspath(text))  # noqa: PTH100  # links keep their names
        label = "-".join([Path(text).parent.name, path.stem]) if kind == "csv" else path.name
    return re.sub(r"[^\w.]+", "-", label).strip("-._") or "images"


def make_study(content: dict[str, Any], where: str) -> Study:
    """Make a study from the content of a file or the options of a command.

    Parameters
    ----------
    content : dict
        Values by the keys of a study.
    where : str
        Name of the file or command, for messages.

    Raises
    ------
    UserError
        A key or value is wrong. The message suggests the nearest valid key.
    """
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise _explain_validation_error(where, error) from None
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def read_suites() -> dict[str, str]:
    """Return the YAML text of each suite, the studies that ship with the package, by name."""
    files = (
        file
        for file in resources.files("benchmark").joinpath("suites").iterdir()
        if file.name.endswith(".yaml")
    )
    return {
        file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8")
        for file in sorted(files, key=lambda file: file.name)
    }


def _read_study_text(study: str) -> tuple[str, str]:
    shipped = read_suites()
    if study in shipped:
        return study, shipped[study]
    path = user_path(study)
    if study.startswith(OWN_SOURCES):
        raise UserError(f"{study} is no study but a dataset: write --dataset {study}")
    if path.is_dir() or path.suffix == ".csv":
        kind = "folder" if path.is_dir() else "csv"
        raise UserError(f"{study} is no study; for a dataset, write --dataset {kind}:{study}")
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        raise unknown_name_error("suite", study, shipped)
    return str(path), read_text(path, MAX_CHARACTERS, "study")


def _explain_validation_error(where: str, error: ValidationError) -> UserError:
    # a misspelt key comes first: it explains a missing one
    first = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden" and key in ("metric", "metrics"):
        return UserError(
            f"{where}: a study has no key '{key}': all metrics are computed; choose one when you "
            "read the results, as in: table DIR --metric auc"
        )
    if first["type"] == "extra_forbidden":
        return UserError(f"{where}: {unknown_name_error('key', key, Study.model_fields)}")
    if first["type"] == "missing":
        return UserError(f"{where}: the key '{key}' is missing")
    place = key if key.split(".")[0] == where else f"{where}: {key}"
    if first["type"] in ("string_pattern_mismatch", "greater_than_equal", "less_than_equal"):
        return UserError(f"{place} {describe_validation_error(first)}")
    return UserError(f"{place}: {first['msg']} (given: {short_repr(first['input'])})")
