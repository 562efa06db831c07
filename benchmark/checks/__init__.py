"""Contract checks of plug-ins, for those of the registries and for yours.

A check is a function that raises ``Failure`` with what is wrong and what to set or do; its docstring says what is expected. It runs
if the checks that it needs have passed, so that one cause has one message.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmark.checks import common, extractors, models, strategies
from benchmark.checks.subject import ERRORS, Failure, Subject
from benchmark.spec import Spec
from benchmark.threads import limited_threads

Check = Callable[[Subject], None]
_GATES: dict[str, tuple[Check, ...]] = {
    "extractor": (common.parameters_are_stored, extractors.learning_is_declared, extractors.gives_features),
    "model": (common.parameters_are_stored, models.gives_probabilities),
    "strategy": (common.parameters_are_stored, strategies.gives_training_set),
}
_LEAKS: dict[Check, tuple[str, ...]] = {
    common.hidden_labels: ("input_unchanged", "repeats"),
    common.hidden_images: ("images_are_independent", "images_are_adjusted_alone", "stateless_is_true"),
}
_OTHERS: dict[str, dict[Check, tuple[str, ...]]] = {
    "extractor": {
        extractors.small_images_are_enlarged: (),
        extractors.blank_images_give_features: (),
        extractors.input_unchanged: (),
        common.repeats: ("input_unchanged",),
        extractors.images_are_independent: ("repeats",),
        extractors.labels_are_ignored: ("repeats",),
        extractors.stateless_is_true: ("repeats",),
        extractors.nothing_is_looked_up: ("images_are_independent",),
        extractors.names_fit: ("blank_images_give_features",),
    },
    "model": {
        models.input_unchanged: (),
        common.repeats: ("input_unchanged",),
        models.images_are_independent: ("repeats",),
        models.classes_may_be_missing: (),
    },
    "strategy": {
        strategies.input_unchanged: (),
        common.repeats: ("input_unchanged",),
        strategies.images_are_adjusted_alone: ("repeats",),
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


def checks_of(kind: str) -> dict[Check, tuple[str, ...]]:
    """Checks of a kind in the order in which they run, and the names of the checks that each needs."""
    gates = _GATES[kind]
    names = tuple(check.__name__ for check in gates)
    ordered = {gate: names[:i] for i, gate in enumerate(gates)}
    others = {**_OTHERS[kind], common.pickles: (), **_LEAKS}
    present = {check.__name__ for check in (*ordered, *others)}
    return ordered | {check: (*names, *(need for need in needs if need in present)) for check, needs in others.items()}


def run_checks(kind: str, spec: Spec) -> Iterator[Outcome]:
    """Run every check of a kind on a plug-in.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : Spec
        Resolved.

    Yields
    ------
    Outcome
        Of each check, in order; the first one with a problem is the cause of those that were not run.
    """
    subject = Subject(kind, spec)
    causes: dict[str, str] = {}  # name of a check that did not pass -> name of the one that failed
    for check, needs in checks_of(kind).items():
        name, expected = check.__name__, " ".join((check.__doc__ or "").replace("``", "`").split())
        cause = next((causes[need] for need in needs if need in causes), "")
        problem = "" if cause else _problem(check, subject)
        if cause or problem:
            causes[name] = cause or name
        yield Outcome(name, expected, problem, cause)


def _problem(check: Check, subject: Subject) -> str:
    """What a check finds wrong, in one line; empty when nothing is."""
    try:
        with warnings.catch_warnings(), limited_threads():
            warnings.simplefilter("ignore")
            check(subject)
    except Failure as failure:
        return " ".join(str(failure).split())
    except ERRORS as error:
        return f"raises {subject.describe_error(error)}"
    return ""


def measurements(kind: str, spec: Spec, outcomes: list[Outcome]) -> Iterator[str]:
    """Say of which size the images were, and what an image takes; nothing about a plug-in that does not work at all.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : Spec
        Resolved.
    outcomes : list of Outcome
        Of its checks.
    """
    from benchmark.checks.timing import time_per_image

    gates = {check.__name__ for check in _GATES[kind]}
    if not all(outcome.passed for outcome in outcomes if outcome.name in gates):
        return
    subject = Subject(kind, spec)
    with warnings.catch_warnings(), limited_threads():
        warnings.simplefilter("ignore")
        try:
            if subject.takes_images:
                yield _describe_size(subject)
            yield time_per_image(subject)
        except ERRORS as error:
            yield f"time per image: not measured, raises {subject.describe_error(error)}"


def _describe_size(subject: Subject) -> str:
    """Size of the images that an extractor or a network was tried on."""
    side, error = subject.smallest_side
    declares = subject.kind == "model" and hasattr(subject.build(), "smallest_side")
    remedy = f"; set smallest_side = {side} in the class, and smaller images are refused with a clear message" if declares else ""
    return f"tried on images of {side} x {side} pixels" + (f"; smaller ones raise {error}{remedy}" if error else "")
