"""A study: the YAML file that spans the cells."""

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
from benchmark.utils.yaml_files import MOST_CHARACTERS, read_yaml, write_yaml

MOST_CELLS = 1_000_000  # of a study, per fold


def _make_axis_field(axis: Axis) -> tuple[Any, Any]:
    """Type and default of the key of a study that lists the entries of an axis."""
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
                f"cannot read {short_repr(entry)} in pipelines: write {{extractor: hog + pixels, model: "
                "rbf_svm}"
            )
        extractor = () if entry["extractor"] == IMAGES else read_sum(entry["extractor"])
        pairs.append((extractor, Spec.parse(entry["model"])))
    return tuple(pairs)


# a key for each axis; mypy knows of none of them, which is the price of declaring an axis once
_Axes: Any = create_model("_Axes", **{axis.plural: _make_axis_field(axis) for axis in AXES})  # type: ignore[call-overload]


class Study(_Axes):
    """What is compared with what, and how.

    Beside the keys below it has one for each axis (``benchmark.study.axes.AXES``), which lists its
    entries: ``datasets``, ``imbalances``, ``train_sizes``, ``occlusions``, ``extractors``,
    ``strategies``, ``models`` and ``seeds``. A model that takes images is run once, not once per
    extractor. ``a + b`` concatenates extractors, and combines strategies.

    Parameters
    ----------
    name : str
        Names the results folder, ``results/<name>/``.
    description : str
    plugins : tuple of str
        Plug-in files whose classes can be named in the axes.
    pipelines : entries {extractor: ..., model: ...}
        Pairs to be run beside those that the axes span: for an extractor and a model that were made
        for each other. The extractor of a model that takes images is called ``images``.
    split : entry or None
        official, validation, holdout or stratified_kfold; None is the official split where a data
        set has one, 3-fold otherwise.
    size : int or None
        Side, in pixels, the images are brought to; None leaves it to the data set.
    time_limit : float or None
        Seconds that one cell, or the computation of one matrix of features, may take; its worker is
        killed then.
    memory_limit : int (bytes), str such as '4 GB', or None
        Resident memory that a worker may hold, memory-mapped matrices not counted; it is killed
        then. From 250 MB to 1 PiB.
    accelerate : bool
        Support vector machines and random forests by scikit-learn-intelex (extra ``fast``); rows
        say so, keys do not change.
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
        """Return this study with the code of every name found and every parameter name checked.

        Raises
        ------
        UserError
            A name or parameter is unknown, an entry is listed twice, or there are more than
            ``MOST_CELLS``.
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
        once = axes | {
            "pipelines": pairs,
            "datasets": tuple((spec.name, spec) for spec in axes["datasets"]),
        }  # one loader loads many
        _check_listed_once(once, self.to_lists(), self.name)
        for strategy in self.strategies:
            if len(strategy) > 1 and any(spec.name == "none" for spec in strategy):
                raise UserError(
                    f"study '{self.name}': strategies lists {join_labels(strategy)}: 'none' stands alone"
                )
        for extractor, model in pairs:
            _check_model_input(extractor, model, self.name)
        return self.model_copy(
            update=axes
            | {"pipelines": pairs, "split": self.split and resolve_spec("split", self.split)}
        )

    def _resolve_axis_value(self, axis: Axis, value: Any) -> Any:
        resolved = resolve_value(axis.kind, value, self.plugins)
        if axis.given is not None:  # what is wrong with a parameter is said before anything is run
            import_target(resolved.target)(*axis.given, **dict(resolved.params))
        return resolved

    def _check_cell_count(self) -> None:
        spanned = prod(
            len(getattr(self, axis.plural))
            for axis in AXES
            if axis.name not in ("extractor", "model")
        )
        n = spanned * (max(1, len(self.extractors)) * len(self.models) + len(self.pipelines))
        if n > MOST_CELLS:
            raise UserError(
                f"study '{self.name}' spans {format_count(n, 'cell')} per fold, more than "
                f"{MOST_CELLS}: make several studies of it"
            )

    def with_plugins(self, files: list[str]) -> Study:
        """Add plug-in files, and all that they hold to the axes; beside pipelines alone, pair it with what those are made of."""
        plugins = (*self.plugins, *files)
        found = [(kind, Spec(name)) for file in files for kind, name, _ in list_plugins(file)]
        paired = [spec for extractor, model in self.pipelines for spec in (*extractor, model)]
        named = {
            spec.name
            for axis in (self.models, *self.strategies, *self.extractors, paired)
            for spec in axis
        }
        new = {
            kind: [spec for of, spec in found if of == kind and spec.name not in named]
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
                *(((spec,), m) for spec in new["extractor"] for m in models),
                *product(extractors, on_features),
            ),
        }
        return self.model_copy(update=update)

    def to_lists(self) -> dict[str, list[Any]]:
        """The axes as they are written in YAML."""
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
        """YAML that ``load_study`` reads back to the same study."""
        head = {"name": self.name, "description": self.description, "plugins": list(self.plugins)}
        how = {"split": self.split and self.split.label, "size": self.size}
        limits = {
            "time_limit": self.time_limit,
            "memory_limit": self.memory_limit and int(self.memory_limit),
        }
        values = {**head, **self.to_lists(), **how, **limits, "accelerate": self.accelerate or None}
        return write_yaml(
            {key: value for key, value in values.items() if value not in (None, "", [])}
        )


def _check_model_input(
    extractor: tuple[ResolvedSpec, ...], model: ResolvedSpec, study: str
) -> None:
    """Refuse an extractor for a model that takes images, and ``images`` for one that takes features."""
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
    """Refuse entries of an axis that are equal, once every parameter has its value."""
    for axis, resolved in entries.items():
        first: dict[Any, Any] = {}
        for entry, label in zip(resolved, labels[axis], strict=True):
            content = identifying_content(entry)
            if content in first:
                same = first[content]
                twice = (
                    f"{label} twice" if label == same else f"{same} and {label}, which are the same"
                )
                raise UserError(f"study '{study}': {axis} lists {twice}")
            first[content] = label


def identifying_content(entry: Any) -> Any:
    """What decides whether two entries of an axis are the same: code and values of all parameters, whatever their names."""
    if isinstance(entry, ResolvedSpec):
        return entry.target, str(sorted(describe_spec(entry)["params"].items(), key=itemgetter(0)))
    return tuple(map(identifying_content, entry)) if isinstance(entry, tuple) else entry


def load_study(study: str | Path, **replace: Any) -> Study:
    """Read a shipped suite by its name, or a YAML file by its path.

    Parameters
    ----------
    study : str or Path
    **replace
        Axes and limits to use instead of the file's.

    Raises
    ------
    UserError
        There is no such study, it is not valid YAML, or a key or value is wrong (the nearest valid
        key is named).
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
        own.pop("pipelines", None)  # other axes were asked for
    given = {key: value for key, value in replace.items() if value not in (None, [])}
    for key, value in given.items():  # by themselves, so that the file is not blamed for them
        if key in Study.model_fields:
            make_study({"name": "given", "datasets": ["given"], key: value}, key)
    return make_study(own | given, where)


def _name_for_datasets(name: Any, own: Any, datasets: Any) -> Any:
    """Name of a study, which says so when it is run on other data than its own."""
    labels = [str(entry) for entry in as_tuple(datasets or ())]
    if not labels or not isinstance(name, str) or labels == [str(entry) for entry in as_tuple(own)]:
        return name
    return f"{name}-on-{'-and-'.join(re.sub(r'[^0-9A-Za-z.]+', '-', label).strip('-') for label in labels)}"[
        :100
    ]


def make_study(content: dict[str, Any], where: str) -> Study:
    """Study of what a file, or a command, says; ``where`` is how messages call that.

    Raises
    ------
    UserError
        A key or value is wrong; the nearest valid key is named.
    """
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise _explain_validation_error(where, error) from None
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def read_suites() -> dict[str, str]:
    """Names and texts of the studies that ship."""
    found = (
        file
        for file in resources.files("benchmark").joinpath("suites").iterdir()
        if file.name.endswith(".yaml")
    )
    return {
        file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8")
        for file in sorted(found, key=lambda file: file.name)
    }


def _read_study_text(study: str) -> tuple[str, str]:
    shipped = read_suites()
    if study in shipped:
        return study, shipped[study]
    path = user_path(study)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        raise unknown_name_error("suite", study, shipped)
    return str(path), read_text(path, MOST_CHARACTERS, "study")


def _explain_validation_error(where: str, error: ValidationError) -> UserError:
    first = min(
        error.errors(), key=lambda found: found["type"] != "extra_forbidden"
    )  # a misspelt key explains a missing one
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden" and key in ("metric", "metrics"):
        return UserError(
            f"{where}: a study has no key '{key}': all metrics are computed; choose one when you "
            "read the results, "
            "as in: table DIR --metric auc"
        )
    if first["type"] == "extra_forbidden":
        return UserError(f"{where}: {unknown_name_error('key', key, Study.model_fields)}")
    if first["type"] == "missing":
        return UserError(f"{where}: the key '{key}' is missing")
    place = key if key.split(".")[0] == where else f"{where}: {key}"
    return UserError(f"{place}: {first['msg']} (given: {short_repr(first['input'])})")
