"""Components of a study that are left out where the packages that they need are not installed."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.errors import MissingPackageError
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.study.study import Study


def leave_out_missing(study: Study) -> tuple[Study, tuple[str, ...]]:
    """Leave out the optional components whose packages are not installed.

    Parameters
    ----------
    study : Study

    Returns
    -------
    study : Study
        Without the pipelines, extractors and models that name such a component.
    reasons : tuple of str
        Which package each of them needs, and how to install it.

    Examples
    --------
    >>> study = Study(name="mine", datasets="digits", extractors="hog", models="knn")
    >>> leave_out_missing(study)[1]
    ()
    """
    reasons: dict[str, str] = {}

    def is_usable(kind: str, specs: Iterable[Spec]) -> bool:
        for spec in specs:
            if spec.name in study.optional:
                try:
                    resolve_spec(kind, spec, study.plugins)
                except MissingPackageError as error:
                    reasons[spec.name] = str(error)
        return not any(spec.name in reasons for spec in specs)

    update = {
        "extractors": tuple(
            extractor for extractor in study.extractors if is_usable("extractor", extractor)
        ),
        "models": tuple(model for model in study.models if is_usable("model", (model,))),
        "pipelines": tuple(
            (extractor, model)
            for extractor, model in study.pipelines
            if is_usable("extractor", extractor) and is_usable("model", (model,))
        ),
    }
    return study.model_copy(update=update) if reasons else study, tuple(reasons.values())
