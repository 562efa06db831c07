"""Contract checks of plug-ins, for those of the registries and for yours.

A check is a function that raises ``Failure`` with what is wrong and what to set or do; its
docstring says what is expected. It runs if the checks that it needs have passed, so that one cause
has one message.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from benchmark.checks import common, extractors, models, process, strategies
from benchmark.checks.subject import ERRORS, Failure, Subject
from benchmark.engine.worker import EndedError, Limits, Worker
from benchmark.errors import UserError
from benchmark.plugins.registry import find_plugin_specs
from benchmark.plugins.spec import ResolvedSpec
from benchmark.utils.threads import limited_threads

Run = Callable[..., Any]  # calls a function with arguments, in this process or another
Check = Callable[[Subject], None]
_FIRST = (common.parameters_are_stored, common.methods_fit_their_calls)
_GATES: dict[str, tuple[Check, ...]] = {
    "extractor": (
        *_FIRST,
        extractors.learning_is_declared,
        extractors.gives_features,
        process.process_is_left_alone,
        extractors.blank_images_give_features,
    ),
    "model": (*_FIRST, models.gives_probabilities, process.process_is_left_alone),
    "strategy": (*_FIRST, strategies.gives_training_set, process.process_is_left_alone),
}
_LEAKS: dict[Check, tuple[str, ...]] = {
    common.predictions_ignore_test_labels: ("input_unchanged", "results_are_reproducible"),
    common.predictions_ignore_other_images: (
        "images_are_independent",
        "images_are_adjusted_alone",
        "stateless_is_true",
    ),
}
_OTHERS: dict[str, dict[Check, tuple[str, ...]]] = {
    "extractor": {
        extractors.small_images_are_enlarged: (),
        extractors.input_unchanged: (),
        common.results_are_reproducible: ("input_unchanged",),
        extractors.images_are_independent: ("results_are_reproducible",),
        extractors.labels_are_ignored: ("results_are_reproducible",),
        extractors.stateless_is_true: ("results_are_reproducible",),
        extractors.nothing_is_looked_up: ("images_are_independent",),
        extractors.feature_names_match: (),
    },
    "model": {
        models.input_unchanged: (),
        common.results_are_reproducible: ("input_unchanged",),
        models.images_are_independent: ("results_are_reproducible",),
        models.classes_may_be_missing: (),
    },
    "strategy": {
        strategies.input_unchanged: (),
        common.results_are_reproducible: ("input_unchanged",),
        strategies.images_are_adjusted_alone: ("results_are_reproducible",),
    },
}


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Parameters
    ----------
    name : str
    expected : str
        What a plug-in is expected to do.
    problem : str
        What is wrong, and what to set or do; empty when the check passed or was not run.
    needs : str
        The check that has to pass first; empty when this one was run.
    """

    name: str
    expected: str
    problem: str = ""
    needs: str = ""

    @property
    def passed(self) -> bool:
        """Whether it was run and nothing was wrong."""
        return not self.problem and not self.needs


def ordered_checks(kind: str) -> dict[Check, tuple[str, ...]]:
    """Checks of a kind in the order in which they run, and the names of the checks that each needs."""
    gates = _GATES[kind]
    names = tuple(check.__name__ for check in gates)
    ordered = {gate: names[:i] for i, gate in enumerate(gates)}
    others = {**_OTHERS[kind], common.can_be_pickled: (), **_LEAKS}
    present = {check.__name__ for check in (*ordered, *others)}
    return ordered | {
        check: (*names, *(need for need in needs if need in present))
        for check, needs in others.items()
    }


@contextmanager
def own_process() -> Iterator[Run]:
    """Give a function that calls others in a process of their own, which a plug-in may end or change.

    Raises
    ------
    UserError
        The process ended before the function returned.
    """
    worker = Worker()
    try:
        yield partial(worker.run_task, Limits())
    except EndedError as ended:
        raise UserError(f"the check did not complete: {ended.reason}") from None
    finally:
        worker.kill_process()


def find_plugins_to_check(name: str) -> list[tuple[str, ResolvedSpec]]:
    """Kind and spec of each plug-in to be checked in this process from now on; see ``benchmark.plugins.registry.find_plugin_specs``."""
    process.watch_forks()
    return find_plugin_specs(name)


def _call_directly(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def run_checks(kind: str, spec: ResolvedSpec, run: Run = _call_directly) -> Iterator[Outcome]:
    """Run every check of a kind on a plug-in.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : ResolvedSpec
        Resolved.
    run : callable
        What ``own_process`` gives; by default checks run in this process.

    Yields
    ------
    Outcome
        Of each check, in order; the first one with a problem is the cause of those that were not
        run.
    """
    causes: dict[str, str] = {}  # name of a check that did not pass -> name of the one that failed
    for check, needs in ordered_checks(kind).items():
        name, expected = check.__name__, " ".join((check.__doc__ or "").replace("``", "`").split())
        cause = next((causes[need] for need in needs if need in causes), "")
        problem = "" if cause else _run_check(check, kind, spec, run)
        if cause or problem:
            causes[name] = cause or name
        yield Outcome(name, expected, problem, cause)


def _run_check(check: Check, kind: str, spec: ResolvedSpec, run: Run) -> str:
    """What a check finds wrong, or how the process under it ended."""
    try:
        return str(run(_find_problem, check, kind, spec))
    except EndedError as ended:
        return f"the check did not complete: {ended.reason}"
    except RuntimeError as error:  # what a worker makes of exceptions such as KeyboardInterrupt
        return f"raises {error}"


_subject_of = lru_cache(maxsize=8)(
    Subject
)  # what one check finds out, such as the size of the images, serves the others


def _find_problem(check: Check, kind: str, spec: ResolvedSpec) -> str:
    """What a check finds wrong, in one line; empty when nothing is."""
    subject = _subject_of(kind, spec)
    try:
        with warnings.catch_warnings(), limited_threads():
            warnings.simplefilter("ignore")
            check(subject)
    except Failure as failure:
        return process.describe_process_changes() or " ".join(str(failure).split())
    except ERRORS as error:
        return process.describe_process_changes() or f"raises {subject.describe_error(error)}"
    return ""


def describe_measurements(kind: str, spec: ResolvedSpec, outcomes: list[Outcome]) -> list[str]:
    """Say of which size the images were, and what an image takes; nothing about a plug-in that does not work at all.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : ResolvedSpec
        Resolved.
    outcomes : list of Outcome
        Of its checks.
    """
    from benchmark.checks.timing import describe_time_per_image

    gates = {check.__name__ for check in _GATES[kind]}
    if not all(outcome.passed for outcome in outcomes if outcome.name in gates):
        return []
    subject = _subject_of(kind, spec)
    lines = [_describe_size(subject)] if subject.takes_images else []
    with warnings.catch_warnings(), limited_threads():
        warnings.simplefilter("ignore")
        try:
            return [*lines, describe_time_per_image(subject)]
        except ERRORS as error:
            return [*lines, f"time per image: not measured, raises {subject.describe_error(error)}"]


def _describe_size(subject: Subject) -> str:
    """Size of the images that an extractor or a network was tried on."""
    side, error = subject.smallest_side
    declares = subject.kind == "model" and hasattr(subject.build(), "smallest_side")
    remedy = (
        f"; set smallest_side = {side} in the class, and smaller images are refused with a clear "
        "message"
        if declares
        else ""
    )
    return f"tried on images of {side} x {side} pixels" + (
        f"; smaller ones raise {error}{remedy}" if error else ""
    )
