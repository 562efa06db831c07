"""Contract checks of plug-ins, for the menus' own and for yours.

A check is a function that raises ``AssertionError`` with what is wrong; its docstring is the promise, and what to change
when it is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmark.checks import common, extractors, models, strategies
from benchmark.checks.subject import Subject
from benchmark.spec import Spec

_COMMON = (common.clones, common.pickles, common.repeats, common.hidden_labels, common.hidden_images)
CHECKS: dict[str, tuple[Callable[[Subject], None], ...]] = {
    "extractor": (
        extractors.input_unchanged,
        extractors.one_vector_an_image,
        extractors.images_are_independent,
        extractors.labels_are_ignored,
        extractors.stateless_is_true,
        extractors.nothing_is_looked_up,
        extractors.names_fit,
        *_COMMON,
    ),
    "model": (
        models.gives_probabilities,
        models.images_are_independent,
        models.training_data_unchanged,
        models.classes_may_be_missing,
        *_COMMON,
    ),
    "strategy": (strategies.training_part_fits, strategies.images_are_adjusted_alone, *_COMMON),
}


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Parameters
    ----------
    name : str
    promise : str
        What the plug-in promises, and what to change when it does not keep it.
    problem : str
        Empty when the promise is kept.
    """

    name: str
    promise: str
    problem: str


def run_checks(kind: str, spec: Spec) -> Iterator[Outcome]:
    """Run every check of a kind ('extractor', 'model', 'strategy') on a resolved spec."""
    for check in CHECKS[kind]:
        problem = ""
        try:
            check(Subject(kind, spec))
        except AssertionError as error:
            problem = str(error) or "the promise is broken"
        except (Exception, SystemExit) as error:  # whatever a plug-in raises is what the check found
            problem = f"{type(error).__name__}: {error}"
        yield Outcome(check.__name__, " ".join((check.__doc__ or "").split()), problem)
