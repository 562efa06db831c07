"""Contract checks of extractors, models and strategies, built-in ones and plug-ins.

A check is a function that raises ``Failure`` with a message that says what is wrong and what to set
or do; its docstring says what is expected. A check runs only if the checks that it needs have
passed, so that each cause is reported once.
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
from benchmark.plugins.registry import find_plugin_specs, takes_attributes
from benchmark.plugins.spec import ResolvedSpec
from benchmark.utils.threads import limited_threads

Run = Callable[..., Any]  # calls a function with arguments, in this or another process
Check = Callable[[Subject], None]
# checks that all later ones of a kind need; the others name the checks that they need
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
        extractors.sample_is_learned_from: ("results_are_reproducible",),
        extractors.nothing_is_looked_up: ("images_are_independent",),
        extractors.feature_names_match: (),
        common.search_space_is_valid: (),
    },
    "model": {
        models.input_unchanged: (),
        common.results_are_reproducible: ("input_unchanged",),
        models.images_are_independent: ("results_are_reproducible",),
        models.classes_may_be_missing: (),
        common.search_space_is_valid: (),
        models.chunks_are_read: ("results_are_reproducible",),
    },
    "strategy": {
        strategies.input_unchanged: (),
        common.results_are_reproducible: ("input_unchanged",),
        strategies.images_are_adjusted_alone: ("results_are_reproducible",),
    },
}


@dataclass(frozen=True)
class Outcome:
    """Result of a check.

    Parameters
    ----------
    name : str
        Name of the check.
    expected : str
        What a plug-in is expected to do.
    problem : str
        What is wrong, and what to set or do; empty if the check passed or was not run.
    needs : str
        The failed check that has to pass first; empty if this one was run.
    """

    name: str
    expected: str
    problem: str = ""
    needs: str = ""

    @property
    def passed(self) -> bool:
        """Whether the check was run and found no problem."""
        return not self.problem and not self.needs


def ordered_checks(kind: str) -> dict[Check, tuple[str, ...]]:
    """Checks of a kind in their order, each with the names of the checks that it needs."""
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
    """Yield a function that calls functions in another process, which a plug-in may end or change.

    Raises
    ------
    UserError
        The process ended before a function returned.

    See Also
    --------
    run_checks : Takes the function as its argument ``run``.
    """
    worker = Worker()
    try:
        yield partial(worker.run_task, Limits())
    except EndedError as ended:
        raise UserError(f"the check did not complete: {ended.reason}") from None
    finally:
        worker.kill_process()


def find_plugins_to_check(name: str) -> list[tuple[str, ResolvedSpec]]:
    """Find the plug-ins to check, and watch for processes that they fork from now on.

    Parameters and result are those of `benchmark.plugins.registry.find_plugin_specs`.
    """
    process.watch_forks()
    specs = find_plugin_specs(name)
    for kind, spec in specs:
        if kind == "extractor" and takes_attributes(spec):
            raise UserError(f"{spec.name} takes attributes, and the checks are for images")
    return specs


def _call_directly(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def run_checks(kind: str, spec: ResolvedSpec, run: Run = _call_directly) -> Iterator[Outcome]:
    """Run all checks of a kind on a plug-in.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : ResolvedSpec
    run : callable
        A function from `own_process`; by default, checks run in this process.

    Yields
    ------
    Outcome
        One per check, in order.

    See Also
    --------
    benchmark.plugins.registry.find_plugin_specs : Find the kind and spec of a plug-in.

    Examples
    --------
    >>> from benchmark.checks import run_checks
    >>> from benchmark.plugins.registry import find_plugin_specs
    >>> kind, spec = find_plugin_specs("pixels")[0]
    >>> outcome = next(run_checks(kind, spec))
    >>> outcome.name, outcome.passed
    ('parameters_are_stored', True)
    """
    causes: dict[str, str] = {}  # check that did not pass -> failed check that is the cause
    for check, needs in ordered_checks(kind).items():
        name, expected = check.__name__, " ".join((check.__doc__ or "").replace("``", "`").split())
        cause = next((causes[need] for need in needs if need in causes), "")
        problem = "" if cause else _run_check(check, kind, spec, run)
        if cause or problem:
            causes[name] = cause or name
        yield Outcome(name, expected, problem, cause)


def _run_check(check: Check, kind: str, spec: ResolvedSpec, run: Run) -> str:
    """Problem that a check reports, or how its process ended; empty if the check passed."""
    try:
        return str(run(_find_problem, check, kind, spec))
    except EndedError as ended:
        return f"the check did not complete: {ended.reason}"
    except RuntimeError as error:  # a worker raises it for exceptions such as KeyboardInterrupt
        return f"raises {error}"


# cached, so that the checks of a plug-in share properties such as the size of the images
_make_subject = lru_cache(maxsize=8)(Subject)


def _find_problem(check: Check, kind: str, spec: ResolvedSpec) -> str:
    """Problem that a check reports, in one line; empty if the check passed."""
    subject = _make_subject(kind, spec)
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
    """Describe the size of the images that a plug-in was checked on, and its time per image.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : ResolvedSpec
    outcomes : list of Outcome
        Outcomes of the plug-in's checks.

    Returns
    -------
    list of str
        Lines of text; empty if one of the first checks, which all others need, did not pass.
    """
    from benchmark.checks.timing import describe_time_per_image

    gates = {check.__name__ for check in _GATES[kind]}
    if not all(outcome.passed for outcome in outcomes if outcome.name in gates):
        return []
    subject = _make_subject(kind, spec)
    lines = [_describe_size(subject)] if subject.takes_images else []
    with warnings.catch_warnings(), limited_threads():
        warnings.simplefilter("ignore")
        try:
            return [*lines, describe_time_per_image(subject)]
        except ERRORS as error:
            return [*lines, f"time per image: not measured, raises {subject.describe_error(error)}"]


def _describe_size(subject: Subject) -> str:
    """Describe the size of the images that an extractor or a network was checked on."""
    side, error = subject.smallest_side
    text = f"tried on images of {side} x {side} pixels"
    if not error:
        return text
    text += f"; smaller ones raise {error}"
    if subject.kind == "model" and hasattr(subject.build(), "smallest_side"):
        text += (
            f"; set smallest_side = {side} in the class, and smaller images are refused with a "
            "clear message"
        )
    return text
