"""How a gray DICOM image is to be shown: rescale, lookup tables, window, padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_windowing

from benchmark.datasets.pictures.dicom_tables import Table, is_little_endian, read_table
from benchmark.datasets.pictures.eight_bits import BLOCK, stretch

FAR = 1e12  # a value outside every window
FUNCTIONAL_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")


class Display:
    """The display pipeline of one image of one frame.

    Elements in functional groups (enhanced CT, MR, ...) go before those of the data set itself;
    elements that are there but empty count as missing.

    Parameters
    ----------
    file : Dataset of pydicom

    Raises
    ------
    ValueError
        An element is no number, a lookup table does not fit its descriptor, or the slope is 0.
    """

    def __init__(self, file: DicomDataset) -> None:
        self._file = file
        self._table = _first_table(file, file.get("ModalityLUTSequence"))
        self._voi_table, self._window = _first_voi(file)
        rescale = _first_rescale(file)
        self._slope = 1.0 if self._table else _number(rescale, "RescaleSlope", 1)
        self._intercept = 0.0 if self._table else _number(rescale, "RescaleIntercept", 0)
        if self._slope == 0:
            raise ValueError("RescaleSlope is 0")

    @property
    def has_voi(self) -> bool:
        """Whether the file has a VOI window or lookup table."""
        return self._voi_table is not None or self._window is not None

    @property
    def changes_values(self) -> bool:
        """Whether anything is done to the stored values."""
        return self.has_voi or self._table is not None or (self._slope, self._intercept) != (1, 0)

    def show(self, values: NDArray) -> NDArray:
        """Apply the modality's table or rescale, then the VOI table or window.

        Parameters
        ----------
        values : (h, w) array
            As stored.

        Returns
        -------
        (h, w) array
            uint8 if there is a VOI table or window, else in the units of the modality.
        """
        if not self.has_voi:
            return self._in_modality_units(values)
        shown = np.empty(values.shape, np.uint8)
        rows = max(1, BLOCK // values.shape[1])  # few at a time, so that no copy of a large image is made
        for start in range(0, len(values), rows):
            block = self._in_modality_units(values[start : start + rows])
            shown[start : start + rows] = self._through_voi(block)
        return shown

    def padding(self, values: NDArray) -> NDArray[np.bool_] | None:
        """Find the stored values that stand for no tissue: PixelPaddingValue, up to its range limit."""
        kind = {"f4": "Float", "f8": "DoubleFloat"}.get(values.dtype.str[1:], "")
        first = _stored_number(self._file, f"{kind}PixelPaddingValue", values.dtype)
        if first is None:
            return None
        last = _stored_number(self._file, f"{kind}PixelPaddingRangeLimit", values.dtype)
        low, high = sorted((first, first if last is None else last))
        padding = (values >= low) & (values <= high)
        return padding if padding.any() else None

    def _in_modality_units(self, values: NDArray) -> NDArray:
        if self._table is not None:
            entries = self._table.apply(values)
            return entries.astype(np.uint8) if self._table.bits == 8 else entries
        if (self._slope, self._intercept) == (1, 0):
            return values
        return values.astype(np.float64) * self._slope + self._intercept

    def _through_voi(self, values: NDArray) -> NDArray[np.uint8]:
        if self._voi_table is not None:
            return stretch(self._voi_table.apply(values), 0, 2**self._voi_table.bits - 1)
        assert self._window is not None
        # two values far outside the window tell what its ends become
        with_ends = np.append(values.astype(np.float64), [-FAR, FAR])
        with np.errstate(over="ignore"):  # a sigmoid of the far ends
            *_, low, high = windowed = apply_windowing(with_ends, self._window)
        return stretch(windowed[:-2], low, high).reshape(values.shape)


def _places(file: DicomDataset, macro: str) -> list[DicomDataset]:
    """Where the elements of a functional group may stand: the frame's, the shared one, the data set itself."""
    groups = [file.get(sequence) for sequence in FUNCTIONAL_GROUPS]
    macros = [sequence[0].get(macro) for sequence in groups if sequence]
    return [*(items[0] for items in macros if items), file]


def _first_rescale(file: DicomDataset) -> DicomDataset:
    places = _places(file, "PixelValueTransformationSequence")
    return next((place for place in places if _has_number(place, "RescaleSlope", "RescaleIntercept")), file)


def _first_voi(file: DicomDataset) -> tuple[Table | None, DicomDataset | None]:
    """Return a table, or else a window, of the first place that has one."""
    for place in _places(file, "FrameVOILUTSequence"):
        table = _first_table(file, place.get("VOILUTSequence"))
        window = None if table else _window(place)
        if table or window:
            return table, window
    return None, None


def _has_number(item: DicomDataset, *names: str) -> bool:
    return not all(np.isnan(_number(item, name, np.nan)) for name in names)


def _first_table(file: DicomDataset, sequence: object) -> Table | None:
    if not sequence:
        return None
    item = sequence[0]  # type: ignore[index]
    return read_table(item.get("LUTDescriptor"), item.get("LUTData"), is_little_endian(file))


def _window(item: DicomDataset) -> DicomDataset | None:
    """Return the first window as pydicom's `apply_windowing` takes it, or None."""
    center, width = _number(item, "WindowCenter", np.nan), _number(item, "WindowWidth", np.nan)
    if np.isnan(center) or np.isnan(width):
        return None
    window = DicomDataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.BitsStored, window.PixelRepresentation = 16, 0  # the range it is mapped to: 0 to 65535
    window.WindowCenter, window.WindowWidth = f"{center:.10g}", f"{width:.10g}"
    window.VOILUTFunction = str(item.get("VOILUTFunction") or "LINEAR")
    return window


def _number(item: DicomDataset, name: str, default: float) -> float:
    """Return the first value of an element, the default where it is missing or empty."""
    value = item.get(name)
    if isinstance(value, MultiValue | list):
        value = value[0] if len(value) else None
    if value is None or value == "":
        return default
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{name} is {value}")
    return number


def _stored_number(file: DicomDataset, name: str, dtype: np.dtype) -> float | None:
    """Return a number as the pixels are stored: files write 63536 for -2000, or the reverse."""
    value = file.get(name)
    if value is None or value == "" or isinstance(value, MultiValue | bytes):
        return None
    if dtype.kind == "f":
        return float(value)
    return int(np.array(int(value) & (2 ** (8 * dtype.itemsize) - 1), np.uint64).astype(dtype))
