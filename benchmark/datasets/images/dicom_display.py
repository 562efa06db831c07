"""Apply the display settings of a gray DICOM image: rescale, lookup tables, window, padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom.pixels.processing import apply_windowing

from benchmark.datasets.images.dicom_elements import (
    read_element,
    read_integer,
    read_number,
    read_numbers,
    read_sequence_items,
)
from benchmark.datasets.images.dicom_tables import Table, is_little_endian, read_table
from benchmark.datasets.images.eight_bits import BLOCK, stretch_intensity

FAR = 1e3  # distance from the centre of a window, in widths, that is outside of any function
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
FUNCTIONAL_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")


class Display:
    """The display pipeline of an image with a single frame.

    Elements in functional groups (of enhanced CT or MR, for example) take precedence over those of
    the dataset itself. Empty elements count as missing.

    Parameters
    ----------
    file : pydicom.Dataset

    Raises
    ------
    ValueError
        An element is not a number, a lookup table does not fit its descriptor, or the slope is 0.
    """

    def __init__(self, file: DicomDataset) -> None:
        self._file = file
        self._table = _read_first_table(file, file, "ModalityLUTSequence")
        self._voi_table, self._window = _find_voi(file)
        rescale = _find_rescale(file)
        self._slope = 1.0 if self._table else read_number(rescale, "RescaleSlope", 1)
        self._intercept = 0.0 if self._table else read_number(rescale, "RescaleIntercept", 0)
        if self._slope == 0:
            raise ValueError("RescaleSlope is 0")

    @property
    def has_voi(self) -> bool:
        """Whether the file has a VOI window or lookup table."""
        return self._voi_table is not None or self._window is not None

    @property
    def changes_values(self) -> bool:
        """Whether the shown values differ from the stored ones."""
        return self.has_voi or self._table is not None or (self._slope, self._intercept) != (1, 0)

    def render_values(self, values: NDArray) -> NDArray:
        """Apply the modality table or rescale, then the VOI table or window.

        Parameters
        ----------
        values : (h, w) array
            Stored values.

        Returns
        -------
        (h, w) array
            uint8 if there is a VOI table or window, else values in modality units.
        """
        if self._table is not None:
            self._table = self._table.align_to_range(values.min(), values.max())
        if not self.has_voi:
            return self._to_modality_units(values)
        if self._voi_table is not None:
            ends = self._to_modality_units(np.array([values.min(), values.max()]))
            self._voi_table = self._voi_table.align_to_range(ends.min(), ends.max())
        shown = np.empty(values.shape, np.uint8)
        # in blocks of rows, so that no copy of a large image is made
        n_rows = max(1, BLOCK // values.shape[1])
        for start in range(0, len(values), n_rows):
            block = self._to_modality_units(values[start : start + n_rows])
            shown[start : start + n_rows] = self._apply_voi(block)
        return shown

    def find_padding(self, values: NDArray) -> NDArray[np.bool_] | None:
        """Find the pixels outside the image: PixelPaddingValue, or up to its range limit.

        Parameters
        ----------
        values : (h, w) array
            Stored values.

        Returns
        -------
        (h, w) bool array or None
            None if there are none.
        """
        kind = {"f4": "Float", "f8": "DoubleFloat"}.get(values.dtype.str[1:], "")
        first = _read_stored_number(self._file, f"{kind}PixelPaddingValue", values.dtype)
        if first is None:
            return None
        last = _read_stored_number(self._file, f"{kind}PixelPaddingRangeLimit", values.dtype)
        low, high = sorted((first, first if last is None else last))
        padding = (values >= low) & (values <= high)
        return padding if padding.any() else None

    def _to_modality_units(self, values: NDArray) -> NDArray:
        if self._table is not None:
            entries = self._table.apply(values)
            return entries.astype(np.uint8) if self._table.bits == 8 else entries
        if (self._slope, self._intercept) == (1, 0):
            return values
        return values.astype(np.float64) * self._slope + self._intercept

    def _apply_voi(self, values: NDArray) -> NDArray[np.uint8]:
        if self._voi_table is not None:
            return stretch_intensity(self._voi_table.apply(values), 0, 2**self._voi_table.bits - 1)
        assert self._window is not None
        # two values far outside the window give the values of its ends
        center, width = float(self._window.WindowCenter), float(self._window.WindowWidth)
        with_ends = np.append(
            values.astype(np.float64), [center - FAR * width, center + FAR * width]
        )
        # a sigmoid overflows at the far ends; NaN is marked as padding
        with np.errstate(over="ignore", invalid="ignore"):
            *_, low, high = windowed = apply_windowing(with_ends, self._window)
        return stretch_intensity(windowed[:-2], low, high).reshape(values.shape)


def _list_element_sources(file: DicomDataset, macro: str) -> list[DicomDataset]:
    """List the places of a macro's elements: the frame's group, the shared one, the dataset."""
    groups = [
        group for sequence in FUNCTIONAL_GROUPS for group in read_sequence_items(file, sequence)[:1]
    ]
    return [*(item for group in groups for item in read_sequence_items(group, macro)[:1]), file]


def _find_rescale(file: DicomDataset) -> DicomDataset:
    places = _list_element_sources(file, "PixelValueTransformationSequence")
    return next(
        (place for place in places if _has_number(place, "RescaleSlope", "RescaleIntercept")), file
    )


def _find_voi(file: DicomDataset) -> tuple[Table | None, DicomDataset | None]:
    """Return the table, or else the window, of the first place that has either."""
    for place in _list_element_sources(file, "FrameVOILUTSequence"):
        table = _read_first_table(file, place, "VOILUTSequence")
        window = None if table else _read_first_window(place)
        if table or window:
            return table, window
    return None, None


def _has_number(item: DicomDataset, *names: str) -> bool:
    return not all(np.isnan(read_number(item, name, np.nan)) for name in names)


def _read_first_table(file: DicomDataset, place: DicomDataset, name: str) -> Table | None:
    items = read_sequence_items(place, name)
    if not items:
        return None
    descriptor, data = read_element(items[0], "LUTDescriptor"), read_element(items[0], "LUTData")
    return read_table(descriptor, data, is_little_endian(file))


def _read_first_window(item: DicomDataset) -> DicomDataset | None:
    """Return the first window in the form of pydicom's `apply_windowing`, or None."""
    centers, widths = read_numbers(item, "WindowCenter"), read_numbers(item, "WindowWidth")
    complete = (
        (center, width)
        for center, width in zip(centers, widths, strict=False)
        if not np.isnan([center, width]).any()
    )
    center, width = next(complete, (np.nan, np.nan))
    if np.isnan(center):
        return None
    function = str(read_element(item, "VOILUTFunction") or "LINEAR").upper()
    if function not in FUNCTIONS:
        raise ValueError(f"VOILUTFunction is {function}; supported are {', '.join(FUNCTIONS)}")
    if width < 1 and (function == "LINEAR" or width <= 0):
        least = "at least 1" if function == "LINEAR" else "more than 0"
        raise ValueError(f"WindowWidth is {width:g}; it must be {least}")
    window = DicomDataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.BitsStored, window.PixelRepresentation = 16, 0  # it is mapped to the range 0 to 65535
    window.WindowCenter, window.WindowWidth = f"{center:.10g}", f"{width:.10g}"
    window.VOILUTFunction = function
    return window


def _read_stored_number(file: DicomDataset, name: str, dtype: np.dtype) -> float | None:
    """Read a number that pixels are compared with, in the type and the bits of the pixels.

    Files have 63536 for -2000 or the reverse, and set bits above BitsStored.
    """
    value = read_element(file, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {value}, not a number")
    if dtype.kind == "f":
        return float(value)
    bits = read_integer(file, "BitsStored", 8 * dtype.itemsize)
    stored = int(value) & (2**bits - 1)
    return stored - 2**bits if dtype.kind == "i" and stored >= 2 ** (bits - 1) else stored
