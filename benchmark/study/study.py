"""A study: which datasets, extractors, strategies and models are compared, as read from YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from itertools import product
from math import prod
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, ConfigDict, Field, ValidationError, create_model

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.plugin_files import list_plugins
from benchmark.plugins.registry import (
    BASELINE,
    describe_spec,
    import_target,
    resolve_spec,
    takes_images,
)
from benchmark.plugins.spec import ResolvedSpec, Spec, join_labels
from benchmark.study.axes import AXES, IMAGES, Axis, as_tuple, read_sum, value_label
from benchmark.study.cell import resolve_value
from benchmark.utils.files import read_text, user_path
from benchmark.utils.text import format_count, short_repr
from benchmark.utils.yaml_files import MAX_CHARACTERS, read_yaml, write_yaml

MAX_CELLS = 1_000_000  # of a study, per fold


def _make_axis_field(axis: Axis) -> tuple[Any, Any]:
    """Return the type and default of the field that lists the entries of an axis."""
    kind = Annotated[tuple[Any, ...], BeforeValidator(axis.read_all)]
    if axis.default is None:
        return kind, Field(min_length=1)
    return kind, Field(default=axis.read_all(axis.default), min_length=1 if axis.default else 0)


def _read_pipelines(value: Any) -> tuple[tuple[tuple[Spec, ...], Spec], ...]:
    pairs = []
    for entry in as_tuple(value):
        if isinstance(entry, tuple):
            pairs.append(entry)
            continue
        if not isinstance(entry, dict) or set(entry) != {"extractor", "model"}:
            raise UserError(
                f"cannot read {short_repr(entry)} in pipelines: write "
                "{extractor: hog + pixels, model: rbf_svm}"
            )
        extractor = () if entry["extractor"] == IMAGES else read_sum(entry["extractor"])
        pairs.append((extractor, Spec.parse(entry["model"])))
    return tuple(pairs)


# One field per axis. mypy knows none of them, because axes are declared only once, in AXES.
_FIELDS: dict[str, Any] = {axis.plural: _make_axis_field(axis) for axis in AXES}
_Axes: Any = create_model("_Axes", **_FIELDS)


class Study(_Axes):
    """Everything that is compared, and how.

    Besides the parameters below there is one per axis (``benchmark.study.axes.AXES``), which lists
    the entries of the axis: ``datasets``, ``imbalances``, ``train_sizes``, ``occlusions``,
    ``extractors``, ``strategies``, ``models`` and ``seeds``. Every combination of entries is a
    configuration under a condition. A model that takes images is run once, not once per extractor.
    ``a + b`` concatenates extractors and combines strategies.

    Parameters
    ----------
    name : str
        Name of the results folder, ``results/<name>/``.
    description : str
    plugins : tuple of str
        Plug-in files whose classes can be named in the axes.
    pipelines : entries {extractor: ..., model: ...}
        Pairs of an extractor and a model to run in addition to those that the axes span, for an
        extractor and a model that were designed for each other. Write ``images`` as the extractor
        of a model that takes images.
    split : entry or None
        official, validation, holdout or stratified_kfold. None is the official split where a
        dataset has one, and 3-fold cross-validation otherwise.
    size : int or None
        Side in pixels that the images are resized to; None for the dataset's own size.
    time_limit : float or None
        Seconds after which the worker of a cell, or of a matrix of features, is killed.
    memory_limit : int (bytes), str such as '4 GB', or None
        Resident memory above which a worker is killed, from 250 MB to 1 PiB; memory-mapped matrices
        do not count.
    accelerate : bool
        Compute support vector machines and random forests with scikit-learn-intelex (extra
        ``fast``). It is noted in the rows; keys do not change.

    See Also
    --------
    load_study : Read a study from a file, or one that ships with the benchmark.
    benchmark.run : Run a study.

    Examples
    --------
    >>> from benchmark import Study
    >>> study = Study(name="mine", datasets="digits", extractors="hog + pixels", models="knn")
    >>> study.to_lists()["extractors"], study.to_lists()["seeds"]
    (['hog + pixels'], [0])
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^\w[\w.-]*$", max_length=100)
    description: str = ""
    plugins: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    split: Annotated[
        Spec | None, BeforeValidator(lambda value: None if value is None else Spec.parse(value))
    ] = None
    size: int | None = Field(default=None, ge=4, le=1024)
    pipelines: Annotated[
        tuple[tuple[tuple[Spec, ...], Spec], ...], BeforeValidator(_read_pipelines)
    ] = ()
    time_limit: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)
    memory_limit: Annotated[ByteSize, Field(ge=250_000_000, le=2**50)] | None = None
    accelerate: bool = False

    def resolve_components(self) -> Study:
        """Return this study with every entry resolved to its code and its parameters checked.

        Raises
        ------
        UserError
            A name or parameter is unknown, an entry is listed twice, or there are more than
            ``MAX_CELLS``.
        """
        self._check_cell_count()
        axes: dict[str, Any] = {
            axis.plural: tuple(
                self._resolve_axis_value(axis, value) for value in getattr(self, axis.plural)
            )
            for axis in AXES
        }
        pairs = tuple(
            (
                resolve_value("extractor", extractor, self.plugins),
                resolve_spec("model", model, self.plugins),
            )
            for extractor, model in self.pipelines
        )
        # one loader serves several datasets, so that the name belongs to their identity
        datasets = tuple((spec.name, spec) for spec in axes["datasets"])
        _check_listed_once(
            axes | {"pipelines": pairs, "datasets": datasets}, self.to_lists(), self.name
        )
        for strategy in self.strategies:
            if len(strategy) > 1 and any(spec.name == "none" for spec in strategy):
                raise UserError(
                    f"study '{self.name}': strategies lists {join_labels(strategy)}: 'none' cannot "
                    "be combined"
                )
        for extractor, model in pairs:
            _check_model_input(extractor, model, self.name)
        return self.model_copy(
            update=axes
            | {"pipelines": pairs, "split": self.split and resolve_spec("split", self.split)}
        )

    def _resolve_axis_value(self, axis: Axis, value: Any) -> Any:
        resolved = resolve_value(axis.kind, value, self.plugins)
        if axis.given is not None:  # call the function, which reports a wrong parameter
            import_target(resolved.target)(*axis.given, **dict(resolved.params))
        return resolved

    def _check_cell_count(self) -> None:
        spanned = prod(
            len(getattr(self, axis.plural))
            for axis in AXES
            if axis.name not in ("extractor", "model")
        )
        n = spanned * (max(1, len(self.extractors)) * len(self.models) + len(self.pipelines))
        if n > MAX_CELLS:
            raise UserError(
                f"study '{self.name}' spans {format_count(n, 'cell')} per fold, more than "
                f"{MAX_CELLS}: divide it into several studies"
            )

    def with_plugins(self, files: list[str]) -> Study:
        """Return this study with plug-in files, and with all that they define added to the axes.

        In a study that lists no models, new extractors are paired with the models of its pipelines;
        in one that lists no extractors, new models with the extractors of its pipelines.
        """
        plugins = (*self.plugins, *files)
        defined = [(kind, Spec(name)) for file in files for kind, name, _ in list_plugins(file)]
        paired = [spec for extractor, model in self.pipelines for spec in (*extractor, model)]
        named = {
            spec.name
            for axis in (self.models, *self.strategies, *self.extractors, paired)
            for spec in axis
        }
        new = {
            kind: [
                spec
                for defined_kind, spec in defined
                if defined_kind == kind and spec.name not in named
            ]
            for kind in ("extractor", "model", "strategy")
        }
        on_features = [
            model
            for model in new["model"]
            if not takes_images(resolve_spec("model", model, plugins))
        ]
        on_extractors = [(extractor, model) for extractor, model in self.pipelines if extractor]
        models = dict.fromkeys(model for _, model in on_extractors) if not self.models else ()
        extractors = (
            dict.fromkeys(extractor for extractor, _ in on_extractors)
            if not self.extractors
            else ()
        )
        update = {
            "plugins": plugins,
            "extractors": (*self.extractors, *((spec,) for spec in new["extractor"])),
            "models": (*self.models, *new["model"]),
            "strategies": (*self.strategies, *((spec,) for spec in new["strategy"])),
            "pipelines": (
                *self.pipelines,
                *(((spec,), model) for spec in new["extractor"] for model in models),
                *product(extractors, on_features),
            ),
        }
        return self.model_copy(update=update)

    def to_lists(self) -> dict[str, list[Any]]:
        """Return the entries of each axis, and the pipelines, as they are written in YAML."""
        axes = {
            axis.plural: [value_label(value) for value in getattr(self, axis.plural)]
            for axis in AXES
        }
        pipelines = [
            {"extractor": value_label(extractor), "model": model.label}
            for extractor, model in self.pipelines
        ]
        return axes | {"pipelines": pipelines}

    def to_yaml(self) -> str:
        """Return the study as YAML, which ``load_study`` reads back to an equal study."""
        head = {"name": self.name, "description": self.description, "plugins": list(self.plugins)}
        tail = {
            "split": self.split and self.split.label,
            "size": self.size,
            "time_limit": self.time_limit,
            "memory_limit": self.memory_limit and int(self.memory_limit),
            "accelerate": self.accelerate or None,
        }
        values = {**head, **self.to_lists(), **tail}
        return write_yaml(
            {key: value for key, value in values.items() if value not in (None, "", [])}
        )


def _check_model_input(
    extractor: tuple[ResolvedSpec, ...], model: ResolvedSpec, study: str
) -> None:
    """Refuse an extractor for a model that takes images, and ``images`` for any other model."""
    if takes_images(model) and extractor:
        raise UserError(
            f"study '{study}': {model.label} takes images and no extractor: list it under models, "
            f"or write {{extractor: {IMAGES}, model: {model.label}}}"
        )
    if not takes_images(model) and not extractor and model.name != BASELINE:
        raise UserError(
            f"study '{study}': {model.label} takes features, not images: name an extractor, such "
            "as hog, in its pipeline"
        )


def _check_listed_once(
    entries: dict[str, Sequence[Any]], labels: dict[str, list[Any]], study: str
) -> None:
    """Refuse entries of an axis that are equal once every parameter has its value."""
    for axis, resolved in entries.items():
        first: dict[Any, Any] = {}
        for entry, label in zip(resolved, labels[axis], strict=True):
            content = identifying_content(entry)
            if content in first:
                same = first[content]
                duplicates = (
                    f"{label} twice" if label == same else f"{same} and {label}, which are the same"
                )
                raise UserError(f"study '{study}': {axis} lists {duplicates}")
            first[content] = label


def identifying_content(entry: Any) -> Any:
    """Return a value that is equal for equal entries of an axis.

    Entries are equal if they have the same code and the same values of all parameters, whatever
    they are called.
    """
    if isinstance(entry, ResolvedSpec):
        return entry.target, str(sorted(describe_spec(entry)["params"].items(), key=itemgetter(0)))
    return tuple(map(identifying_content, entry)) if isinstance(entry, tuple) else entry


def load_study(study: str | Path, **replace: Any) -> Study:
    """Load a suite by its name, or a study file by its path.

    Parameters
    ----------
    study : str or Path
        Name of a suite, such as 'digits', or path of a YAML file.
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
    """
    where, text = _read_study_text(str(study))
    content = read_yaml(text, where)
    if not isinstance(content, dict):
        raise UserError(
            f"{where}: a study is a mapping with the keys {', '.join(Study.model_fields)}"
        )
    own = (
        {"name": Path(where).stem}
        | content
        | ({"description": ""} if replace.get("datasets") else {})
    )
    own["name"] = _name_for_datasets(own["name"], own.get("datasets"), replace.get("datasets"))
    if replace.get("extractors") or replace.get("models"):
        own.pop("pipelines", None)  # the given axes replace the pipelines, too
    given = {key: value for key, value in replace.items() if value not in (None, [])}
    for key, value in given.items():
        # check each by itself, so that the message does not name the file
        if key in Study.model_fields:
            make_study({"name": "given", "datasets": ["given"], key: value}, key)
    return make_study(own | given, where)


def _name_for_datasets(name: Any, own: Any, datasets: Any) -> Any:
    """Return the name of a study, with its datasets appended if they are not the file's own."""
    labels = [str(entry) for entry in as_tuple(datasets or ())]
    if not labels or not isinstance(name, str) or labels == [str(entry) for entry in as_tuple(own)]:
        return name
    words = (re.sub(r"[^0-9A-Za-z.]+", "-", label).strip("-") for label in labels)
    return f"{name}-on-{'-and-'.join(words)}"[:100]


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
    return UserError(f"{place}: {first['msg']} (given: {short_repr(first['input'])})")
