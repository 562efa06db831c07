"""The plug-in under check, and the real images that it is checked on."""

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

SIDES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 224)  # pixels
ON_A_COPY = "work on a copy, batch = batch.astype(np.float32)"
ON_BLANK = (
    "an image without structure, such as one without keypoints, needs features as well; return "
    "zeros for it"
)
ERRORS = (Exception, SystemExit)  # that a plug-in may raise


class Failure(Exception):  # noqa: N818  # the result of a check, not an error of this library
    """A check failed; the message says what is wrong and what to set or do."""


def require_true(condition: bool | np.bool_, problem: str) -> None:
    """Fail the check with a message unless the condition holds."""
    if not condition:
        raise Failure(problem)


@dataclass
class Subject:
    """A plug-in under check.

    Parameters
    ----------
    kind : 'extractor', 'model' or 'strategy'
    spec : ResolvedSpec
    """

    kind: str
    spec: ResolvedSpec

    def build(self) -> Any:
        """Build a new instance, seeded as by the engine."""
        return seed_estimator(build_component(self.spec), 0)

    @property
    def takes_images(self) -> bool:
        """Whether it takes images instead of features."""
        return self.kind == "extractor" or (self.kind == "model" and takes_images(self.spec))

    @cached_property
    def smallest_side(self) -> tuple[int, str]:
        """Side of the smallest square images that it works on, and the error on smaller ones.

        The sizes in ``SIDES`` are tried until one works, for a model from its ``smallest_side`` on.

        Returns
        -------
        int
            Side in pixels.
        str
            Type and message of the error on the next smaller size; empty if none was tried.

        Raises
        ------
        Failure
            It works on no size, or on colour images only.
        """
        if not self.takes_images:
            return SIDES[0], ""
        declared = getattr(self.build(), "smallest_side", 1) if self.kind == "model" else 1
        least = max(SIDES[0], declared if isinstance(declared, int) else 1)
        # on gray and on colour images of each size
        errors: list[tuple[BaseException, BaseException]] = []
        for side in (least, *(side for side in SIDES if side > least)):
            gray = self._error_on(some_digits(24, side).images)
            if gray is None:
                return side, self.describe_error(errors[-1][0]) if errors else ""
            error = self.describe_error(gray)
            if "read-only" in error:
                raise Failure(
                    f"raises {error}, since it tries to change the images that it is given: "
                    f"{ON_A_COPY}"
                )
            colour = self._error_on(colour_images(8, side))
            if colour is None:
                on_smaller = self.describe_error(errors[-1][1]) if errors else ""
                raise Failure(self._describe_gray_failure(side, error, on_smaller))
            errors.append((gray, colour))
        raise Failure(self._describe_total_failure((least, side), errors[0], errors[-1]))

    def _describe_gray_failure(self, side: int, error: str, on_smaller: str) -> str:
        """Describe the problem of a plug-in that works on colour images only."""
        batch = "batch" if self.kind == "extractor" else "X"
        size = f" of {side} x {side} pixels" if on_smaller else ""
        text = (
            f"raises {error} on gray images (n, h, w, 1), and works on colour images (n, h, w, 3)"
            f"{size}: where {batch}.shape[-1] is 1, use np.repeat({batch}, 3, axis=-1)"
        )
        if not on_smaller:
            return text
        return (
            f"{text}; smaller ones raise {on_smaller}: set {self._size_name} = {side} in the class"
        )

    def _describe_total_failure(
        self,
        sides: tuple[int, int],
        on_small: tuple[BaseException, BaseException],
        on_large: tuple[BaseException, BaseException],
    ) -> str:
        """Describe the problem of a plug-in that works on no images.

        Parameters
        ----------
        sides : (int, int)
            Smallest and largest side of the images, in pixels.
        on_small, on_large : (exception, exception)
            Errors on gray and on colour images of these sides.
        """
        if is_broken_contract(on_large[0]):
            return exception_text((on_small if is_broken_contract(on_small[0]) else on_large)[0])
        least, most = sides
        error, on_colour = map(self.describe_error, on_large)
        if self.kind == "extractor":
            images = some_digits(24, most).images
            n_alone = sum(self._error_on(images[k : k + 1]) is None for k in range(len(images)))
            if n_alone == len(images):
                return (
                    f"raises {error} on {n_alone} images, and works on each alone: return the same "
                    "number of features for every image"
                )
            if n_alone:
                return f"raises {error} on some images, and works on others: {ON_BLANK}"
        hint = f"if it needs larger ones, set {self._size_name} in the class"
        if error != on_colour:
            return (
                f"raises {error} on gray images of {most} x {most} pixels, and {on_colour} on "
                f"colour images; {hint}"
            )
        return (
            f"raises {error} on all images that were tried, gray and colour, {least} x {least} to "
            f"{most} x {most} pixels; {hint}"
        )

    @property
    def _size_name(self) -> str:
        return "min_size" if self.kind == "extractor" else "smallest_side"

    def works_on_images(self) -> bool:
        """Whether it can be fitted to images of some size, gray or colour, and applied to them."""
        return any(
            self._error_on(some_digits(24, side).images) is None
            or self._error_on(colour_images(8, side)) is None
            for side in (8, 32, 64, 224)
        )

    @property
    def side(self) -> int:
        """Side of the square images that it is checked on, in pixels."""
        return self.smallest_side[0]

    def _error_on(self, images: NDArray[np.uint8]) -> BaseException | None:
        """Exception that fitting and applying it raises, or None."""
        return catch_error(lambda: self.fit_and_apply(images, np.arange(len(images)) % 2))

    def fit_and_apply(self, X: NDArray, y: NDArray[np.int64]) -> NDArray:
        """Features or probabilities of the images that a new instance is fitted to."""
        return self.apply_fitted(self.build_and_fit(X, y), X)

    def build_and_fit(self, X: NDArray, y: NDArray[np.int64]) -> Any:
        """Build and fit a new instance."""
        estimator = self.build()
        labels = self.labels_for_fit(y) if self.kind == "extractor" else (y.copy(),)
        estimator.fit(X.copy(), *labels)
        return estimator

    def apply_fitted(self, fitted: Any, X: NDArray) -> NDArray:
        """Features or probabilities from a fitted instance."""
        method = fitted.transform if self.kind == "extractor" else fitted.predict_proba
        return np.asarray(method(X.copy()))

    def labels_for_fit(self, y: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Arguments with labels for an extractor's ``fit``; none unless it has ``uses_labels``."""
        return (y.copy(),) if getattr(self.build(), "uses_labels", False) else ()

    def describe_error(self, error: BaseException) -> str:
        """Type and message of an exception, and the line of the plug-in's file that raised it."""
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
    """Call a function, and return the exception that it raises, or None."""
    try:
        work()
    except ERRORS as error:
        return error
    return None


def is_broken_contract(error: BaseException) -> bool:
    """Whether the base class of extractors raised an error about the result of ``extract``."""
    return traceback.extract_tb(error.__traceback__)[-1].filename == base.__file__


def some_digits(n: int = 120, side: int = SIDES[0]) -> Dataset:
    """Return the first n digits, enlarged to a side in pixels."""
    digits = load_digits("digits", Path(), None)
    return replace(
        digits,
        images=enlarge_images(digits.images[:n], side).copy(),
        targets=digits.targets[:n].copy(),
    )


def imbalanced_digits(n: int = 200) -> Dataset:
    """Return the first n digits as three imbalanced classes: 0 to 5, 6 to 8, and 9."""
    digits = some_digits(n)
    targets = np.digitize(digits.targets, [6, 9])
    return replace(
        digits,
        targets=targets,
        classes=("0-5", "6-8", "9"),
        subset=np.where(np.arange(n) % 4 == 0, "test", "train"),
    )


def colour_images(n: int = 12, side: int = SIDES[0]) -> NDArray[np.uint8]:
    """Colour images (n, side, side, 3) uint8, with digits as channels."""
    gray = some_digits(3 * n).images[..., 0].reshape(n, 3, 8, 8).transpose(0, 2, 3, 1)
    return enlarge_images(np.ascontiguousarray(gray), side)


def require_equal(first: NDArray, second: NDArray, problem: str) -> None:
    """Fail the check with a message unless two arrays are equal."""
    require_true(np.array_equal(np.asarray(first), np.asarray(second)), problem)


def describe_type(value: Any) -> str:
    """Describe the type of a value that a method returned."""
    return "None" if value is None else f"a {type(value).__name__}"
