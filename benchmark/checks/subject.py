"""What is checked, and the real images it is tried on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.bundled import load_digits
from benchmark.evaluation.components import seed_estimator
from benchmark.plugins.registry import build_component, takes_images
from benchmark.plugins.spec import ResolvedSpec
from benchmark.utils.messages import exception_text
from features import base
from features.base import enlarge_images

SIDES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 224)
ON_A_COPY = "work on a copy, batch = batch.astype(np.float32)"
ON_BLANK = "an image without structure, such as one without keypoints, needs features as well; return zeros for it"
ERRORS = (Exception, SystemExit)  # whatever a plug-in raises is what a check has to report


class Failure(Exception):  # noqa: N818  # a finding, not an error of the harness
    """A check failed; the text says what is wrong and what to set or do."""


def require_true(condition: bool | np.bool_, problem: str) -> None:
    """Fail the check with a text unless the condition holds."""
    if not condition:
        raise Failure(problem)


@dataclass
class Subject:
    """A plug-in under check.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : ResolvedSpec
        Resolved.
    """

    kind: str
    spec: ResolvedSpec

    def build(self) -> Any:
        """Make a new one, seeded as the harness does."""
        return seed_estimator(build_component(self.spec), 0)

    @property
    def takes_images(self) -> bool:
        """Whether it is given images, so that their size matters."""
        return self.kind == "extractor" or (self.kind == "model" and takes_images(self.spec))

    @cached_property
    def smallest_side(self) -> tuple[int, str]:
        """Side of the smallest square images that it works on, and the error on those of the size before.

        A model may state ``smallest_side``; above that, and for an extractor, sizes are tried until
        one works.

        Raises
        ------
        Failure
            It works on no size, or on colour images only.
        """
        if not self.takes_images:
            return SIDES[0], ""
        stated = getattr(self.build(), "smallest_side", 1) if self.kind == "model" else 1
        least = max(SIDES[0], stated if isinstance(stated, int) else 1)
        errors: list[
            tuple[BaseException, BaseException]
        ] = []  # on gray and colour images of each size
        for side in (least, *(side for side in SIDES if side > least)):
            gray = self._error_on(some_digits(24, side).images)
            if gray is None:
                return side, self.describe_error(errors[-1][0]) if errors else ""
            error = self.describe_error(gray)
            if "read-only" in error:
                raise Failure(
                    f"raises {error}, for it tries to change the images that it is given: "
                    f"{ON_A_COPY}"
                )
            colour = self._error_on(colour_images(8, side))
            if colour is None:
                raise Failure(
                    self._describe_gray_failure(
                        side, error, self.describe_error(errors[-1][1]) if errors else ""
                    )
                )
            errors.append((gray, colour))
        raise Failure(self._describe_total_failure((least, side), errors[0], errors[-1]))

    def _describe_gray_failure(self, side: int, error: str, on_smaller: str) -> str:
        batch = "batch" if self.kind == "extractor" else "X"
        size = f" of {side} x {side} pixels" if on_smaller else ""
        return (
            f"raises {error} on gray images (n, h, w, 1), and works on colour images (n, h, w, "
            f"3){size}: "
            f"where {batch}.shape[-1] is 1, use np.repeat({batch}, 3, axis=-1)"
            + (
                f"; smaller ones raise {on_smaller}: set {self._size_name} = {side} in the class"
                if on_smaller
                else ""
            )
        )

    def _describe_total_failure(
        self,
        sides: tuple[int, int],
        on_small: tuple[BaseException, BaseException],
        on_large: tuple[BaseException, BaseException],
    ) -> str:
        """Say what is wrong with a plug-in that works on no images, from its errors on gray and colour ones of two sizes."""
        if is_broken_contract(on_large[0]):
            return exception_text((on_small if is_broken_contract(on_small[0]) else on_large)[0])
        least, most = sides
        error, on_colour = map(self.describe_error, on_large)
        if self.kind == "extractor":
            images = some_digits(24, most).images
            n_alone = sum(self._error_on(images[k : k + 1]) is None for k in range(len(images)))
            if n_alone == len(images):
                return f"raises {error} on {n_alone} images, and works on each alone: give every image as many features"
            if n_alone:
                return f"raises {error} on some images, and works on others: {ON_BLANK}"
        larger = f"if it needs larger ones, set {self._size_name} in the class"
        if error != on_colour:
            return f"raises {error} on gray images of {most} x {most} pixels, and {on_colour} on colour images; {larger}"
        return f"raises {error} on all images that it was tried on, gray and colour, {least} x {least} to {most} x {most} pixels; {larger}"

    @property
    def _size_name(self) -> str:
        return "min_size" if self.kind == "extractor" else "smallest_side"

    def works_on_images(self) -> bool:
        """Whether it can be fitted to images of some size, gray or colour, and applied to them."""
        images = (
            make(side)
            for side in (8, 32, 64, 224)
            for make in (
                lambda side: some_digits(24, side).images,
                lambda side: colour_images(8, side),
            )
        )
        return any(self._error_on(some) is None for some in images)

    @property
    def side(self) -> int:
        """Side of the square images it is tried on."""
        return self.smallest_side[0]

    def _error_on(self, images: NDArray[np.uint8]) -> BaseException | None:
        """What fitting and applying it raises."""
        return catch_error(lambda: self.fit_and_apply(images, np.arange(len(images)) % 2))

    def fit_and_apply(self, X: NDArray, y: NDArray[np.int64]) -> NDArray:
        """Features or probabilities of the images that a new one is fitted to."""
        return self.apply_fitted(self.build_and_fit(X, y), X)

    def build_and_fit(self, X: NDArray, y: NDArray[np.int64]) -> Any:
        """Make a new one, and fit it."""
        made = self.build()
        made.fit(X.copy(), *(self.labels_for_fit(y) if self.kind == "extractor" else (y.copy(),)))
        return made

    def apply_fitted(self, made: Any, X: NDArray) -> NDArray:
        """Features or probabilities."""
        return np.asarray(
            (made.transform if self.kind == "extractor" else made.predict_proba)(X.copy())
        )

    def labels_for_fit(self, y: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Labels as an extractor's ``fit`` is given them: none unless it says ``uses_labels``."""
        return (y.copy(),) if getattr(self.build(), "uses_labels", False) else ()

    def describe_error(self, error: BaseException) -> str:
        """Type and text of an exception, and the line of the plug-in's file where it arose."""
        text = " ".join(exception_text(error).split())
        where = self.spec.target.rpartition(":")[0]
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == where
        ]
        return f"{type(error).__name__}: {text}" + (
            f" (line {lines[-1]} of {Path(where).name})" if lines else ""
        )


def catch_error(work: Callable[[], Any]) -> BaseException | None:
    """Exception that a piece of work raises, or None."""
    try:
        work()
    except ERRORS as error:
        return error
    return None


def is_broken_contract(error: BaseException) -> bool:
    """Whether the base class of extractors raised it, on what ``extract`` returned."""
    return traceback.extract_tb(error.__traceback__)[-1].filename == base.__file__


def some_digits(n: int = 120, side: int = SIDES[0]) -> Dataset:
    """Return the first n digits, enlarged to a side."""
    whole = load_digits("digits", Path(), None)
    return replace(
        whole,
        images=enlarge_images(whole.images[:n], side).copy(),
        targets=whole.targets[:n].copy(),
    )


def imbalanced_digits(n: int = 200) -> Dataset:
    """Return the first n digits as three classes of 6, 3 and 1 digits, among which a strategy finds something to do."""
    digits = some_digits(n)
    targets = np.digitize(digits.targets, [6, 9])
    return replace(
        digits,
        targets=targets,
        classes=("0-5", "6-8", "9"),
        subset=np.where(np.arange(n) % 4 == 0, "test", "train"),
    )


def colour_images(n: int = 12, side: int = SIDES[0]) -> NDArray[np.uint8]:
    """Colour images (n, side, side, 3): three digits as channels."""
    gray = some_digits(3 * n).images[..., 0].reshape(n, 3, 8, 8).transpose(0, 2, 3, 1)
    return enlarge_images(np.ascontiguousarray(gray), side)


def require_equal(first: NDArray, second: NDArray, problem: str) -> None:
    """Fail unless two arrays are equal bit for bit."""
    require_true(np.array_equal(np.asarray(first), np.asarray(second)), problem)


def describe_type(value: Any) -> str:
    """Say what a method returned, for a message."""
    return "None" if value is None else f"a {type(value).__name__}"
