"""Decode one DICOM file: stored values -> modality units -> display window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing
from pydicom.pixels.utils import pixel_array

from benchmark.datasets.pictures.eight_bits import stretch

FAR = 1e12  # a value outside every window


@dataclass(frozen=True)
class Dicom:
    """A decoded DICOM image.

    Parameters
    ----------
    values : (h, w) or (h, w, 3) array
        uint8 if the file says how it is to be shown; else in the units of its modality, of any type.
    windowed : bool
        The VOI window or lookup table of the file was applied.
    inverted : bool
        MONOCHROME1: low values are white.
    patient : str
        PatientID, or "".
    """

    values: NDArray
    windowed: bool
    inverted: bool
    patient: str


def dicom_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from the header."""
    header = _open(path, stop_before_pixels=True)
    return int(header.Rows), int(header.Columns)


def read_dicom(path: Path) -> Dicom:
    """Decode a file by pydicom: YBR to RGB, modality LUT or rescale, then the first VOI LUT or window it has.

    Raises
    ------
    ValueError, or an error of pydicom
        Not DICOM, several frames, a compression that is not installed, fewer bytes than announced.
    """
    file = _open(path)
    frames = int(file.get("NumberOfFrames") or 1)
    if frames > 1:
        raise ValueError(f"has {frames} frames; one image a file")
    values = pixel_array(file)
    patient = str(file.get("PatientID") or "").strip()
    if file.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        palette = file.PhotometricInterpretation == "PALETTE COLOR"
        return Dicom(apply_color_lut(values, file)[..., :3] if palette else values, False, False, patient)
    shown = _shown(_in_modality_units(values, file), file)
    return Dicom(shown, _has_voi(file), file.PhotometricInterpretation == "MONOCHROME1", patient)


def _open(path: Path, stop_before_pixels: bool = False) -> DicomDataset:
    try:
        return dcmread(path, stop_before_pixels=stop_before_pixels)
    except InvalidDicomError:
        raise ValueError("not a DICOM file") from None


def _in_modality_units(values: NDArray, file: DicomDataset) -> NDArray:
    """Rescale; integers stay integers when that changes nothing, so that 8-bit files stay 8-bit."""
    rescaled = apply_modality_lut(values, file)
    return values if np.array_equal(rescaled, values) else rescaled


def _has_lut(file: DicomDataset) -> bool:
    return bool(file.get("VOILUTSequence"))


def _has_voi(file: DicomDataset) -> bool:
    return _has_lut(file) or None not in (file.get("WindowCenter"), file.get("WindowWidth"))


def _shown(values: NDArray, file: DicomDataset) -> NDArray:
    if _has_lut(file):
        return _through_lut(values, file)
    return _through_window(values, file) if _has_voi(file) else values


def _through_window(values: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    """Apply the window, whatever its function; two values far outside it tell what its ends become."""
    with_ends = np.append(values.astype(np.float64), [-FAR, FAR])
    with np.errstate(over="ignore"):  # a sigmoid of the far ends
        *_, low, high = windowed = apply_windowing(with_ends, file)
    sign = 1 if low <= high else -1  # pydicom exchanges the ends when the rescale slope is negative
    return stretch(sign * windowed[:-2], sign * low, sign * high).reshape(values.shape)


def _through_lut(values: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    entries, first, bits = file.VOILUTSequence[0].LUTDescriptor
    entries = entries or 2**16
    if bits == 8 and entries > 256:
        raise ValueError(f"a VOI LUT of {entries} entries of 8 bits, which pydicom misreads")
    index = np.rint(values).clip(first, first + entries - 1).astype(np.int64)
    return stretch(apply_voi(index, file), 0, 2**bits - 1)
