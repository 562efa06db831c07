"""A study: which datasets, extractors, strategies and models are compared, as read from YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import prod
from operator import itemgetter
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, ConfigDict, Field, create_model

from benchmark.errors import MissingPackageError, UserError
from benchmark.plugins.plugin_files import list_plugins
from benchmark.plugins.registry import (
    BASELINE,
    describe_spec,
    import_target,
    resolve_spec,
    takes_images,
)
from benchmark.plugins.spec import ResolvedSpec, Spec, join_labels
from benchmark.study.axes import (
    AXES,
    IMAGES,
    Axis,
    as_tuple,
    dataset_label,
    read_dataset,
    read_sum,
    value_label,
)
from benchmark.study.cell import resolve_value
from benchmark.study.spaces import check_search_spaces
from benchmark.tuning.search_space import Values, format_space, read_space
from benchmark.utils.text import format_count, short_repr
from benchmark.utils.yaml_files import write_yaml

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


def _read_external(value: Any) -> tuple[Spec, ...]:
    try:
        return () if value is None else tuple(map(read_dataset, as_tuple(value)))
    except UserError as error:
        raise UserError(f"external: {error}") from None


def _read_search_spaces(value: Any) -> dict[str, dict[str, Values]]:
    if not isinstance(value, dict):
        raise UserError(
            f"cannot read {short_repr(value)} as search spaces: write a mapping such as "
            "{rbf_svm: {C: 'loguniform(0.1, 1000)'}}"
        )
    return {str(name): read_space(entry, str(name)) for name, entry in value.items()}


# One field per axis. mypy knows none of them, because axes are declared only once, in AXES.
_FIELDS: dict[str, Any] = {axis.plural: _make_axis_field(axis) for axis in AXES}
_Axes: Any = create_model("_Axes", **_FIELDS)


class Study(_Axes):
    """Everything that is compared, and how.

    Besides the parameters below there is one per axis (``benchmark.study.axes.AXES``), which lists
    the entries of the axis: ``datasets``, ``imbalances``, ``train_sizes``, ``occlusions``,
    ``extractors``, ``strategies``, ``models``, ``tunings`` and ``seeds``. Every combination of
    entries is a configuration under a condition. A model that takes images is run once, not once
    per extractor. ``a + b`` concatenates extractors and combines strategies.

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
    optional : tuple of str
        Names of extractors and models that need not be installed: without their packages, they and
        the pipelines that name them are left out. Any other component without its packages is an
        error.
    split : entry or None
        official, validation, holdout, stratified_kfold or official_or_kfold. None is the last: the
        official split of a dataset that has one, else 3-fold cross-validation.
    external : entries as those of datasets
        Datasets, such as those of other hospitals, that every trained model is tested on as well;
        see ``table --by site``. They have the classes of the datasets, and none of their groups.
    size : int or None
        Side in pixels that the images are resized to; None for the dataset's own size.
    search_spaces : mapping of component to mapping of parameter to values
        Values that tuning may try, in place of those that a component declares: lists, or
        distributions such as ``loguniform(0.1, 1000)``. Nothing is tried for a component with {}.
    time_limit : float or None
        Seconds after which the worker of a cell, or of a part of a feature matrix, is killed.
    memory_limit : int (bytes), str such as '4 GB', or None
        Resident memory above which a worker is killed, from 250 MB to 1 PiB; memory-mapped matrices
        do not count.
    accelerate : bool
        Compute random forests with scikit-learn-intelex (extra ``fast``). It is noted in the rows;
        keys do not change.

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
    optional: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    split: Annotated[
        Spec | None, BeforeValidator(lambda value: None if value is None else Spec.parse(value))
    ] = None
    external: Annotated[tuple[Spec, ...], BeforeValidator(_read_external)] = ()
    size: int | None = Field(default=None, ge=4, le=1024)
    pipelines: Annotated[
        tuple[tuple[tuple[Spec, ...], Spec], ...], BeforeValidator(_read_pipelines)
    ] = ()
    search_spaces: Annotated[dict[str, dict[str, Values]], BeforeValidator(_read_search_spaces)] = (
        Field(default_factory=dict)
    )
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
        external = tuple(resolve_spec("dataset", spec) for spec in self.external)
        every_dataset = (*axes["datasets"], *external)
        _check_dataset_names([dataset_label(spec) for spec in every_dataset], self.name)
        for strategy in self.strategies:
            if len(strategy) > 1 and any(spec.name == "none" for spec in strategy):
                raise UserError(
                    f"study '{self.name}': strategies lists {join_labels(strategy)}: 'none' cannot "
                    "be combined"
                )
        for extractor, model in pairs:
            _check_model_input(extractor, model, self.name)
        components = [axes[name] for name in ("extractors", "strategies", "models")]
        check_search_spaces(self.search_spaces, [*components, *pairs], self.name)
        return self.model_copy(
            update=axes
            | {"pipelines": pairs, "external": external}
            | {"split": self.split and resolve_spec("split", self.split)}
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

        In a study whose models take no features, new extractors are paired with the models of its
        pipelines; in one that lists no extractors, new models with the extractors of its pipelines.
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
        on_features = [model for model in new["model"] if _takes_features(model, plugins)]
        on_extractors = [(extractor, model) for extractor, model in self.pipelines if extractor]
        unpaired = new["extractor"] and not any(
            _takes_features(model, plugins) for model in self.models
        )
        models = dict.fromkeys(model for _, model in on_extractors) if unpaired else ()
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

    def refuse_unused_extractors(self) -> None:
        """Refuse extractors that no cell would use, as all models take images.

        Raises
        ------
        UserError
            No listed model takes features.
        """
        if self.extractors and not any(_takes_features(m, self.plugins) for m in self.models):
            raise UserError(
                f"extractor {value_label(self.extractors[0])} would be used by no cell, as no "
                f"model of the study '{self.name}' takes features; name a model, too, such as "
                "--model rbf_svm"
            )

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
            "optional": list(self.optional),
            "external": [value_label(spec) for spec in self.external],
            "split": self.split and self.split.label,
            "size": self.size,
            "search_spaces": format_space(self.search_spaces),
            "time_limit": self.time_limit,
            "memory_limit": self.memory_limit and int(self.memory_limit),
            "accelerate": self.accelerate or None,
        }
        values = {**head, **self.to_lists(), **tail}
        return write_yaml(
            {key: value for key, value in values.items() if value not in (None, "", [], {})}
        )


def _takes_features(model: Spec, plugins: Sequence[str]) -> bool:
    try:
        return model.name != BASELINE and not takes_images(resolve_spec("model", model, plugins))
    except MissingPackageError:  # an optional model, which is left out later
        return False


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


def _check_dataset_names(names: list[str], study: str) -> None:
    """Refuse two datasets with one name, whose rows would be in one table."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UserError(
            f"study '{study}': two datasets are named '{repeated[0]}'; give each a name of its own"
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
