"""Read of a DICOM file whom and what it shows: patient, sex, age and scanner."""

from __future__ import annotations

import re
from types import MappingProxyType

from pydicom import Dataset as DicomDataset

from benchmark.datasets.images.dicom_elements import read_element

PATIENT = "patient"
ELEMENTS = MappingProxyType(  # names of attributes, and the elements that they are read from
    {
        "sex": "PatientSex",
        "age": "PatientAge",
        "manufacturer": "Manufacturer",
        "station": "StationName",
    }
)
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_PER_YEAR = MappingProxyType({"D": 365.25, "W": 365.25 / 7, "M": 12, "Y": 1})


def read_case(file: DicomDataset) -> dict[str, str]:
    """Read patient, sex, age in years, manufacturer and station; "" where there is none.

    Raises
    ------
    ValueError
        The PatientID is corrupted.

    Examples
    --------
    >>> file = DicomDataset()
    >>> file.PatientID, file.PatientAge = "P7", "018M"
    >>> read_case(file)
    {'patient': 'P7', 'sex': '', 'age': '1.5', 'manufacturer': '', 'station': ''}
    """
    values = {name: _read_optional_text(file, element) for name, element in ELEMENTS.items()}
    patient = str(read_element(file, "PatientID") or "").strip()
    return {PATIENT: patient, **values, "age": _convert_age(values["age"])}


def _read_optional_text(file: DicomDataset, element: str) -> str:
    """Read an element that an image can do without: it is missing if it is corrupted."""
    try:
        return str(read_element(file, element) or "").strip()
    except ValueError:
        return ""


def _convert_age(age: str) -> str:
    """Convert an age string, such as 045Y or 018M, to years; "" if it is something else."""
    match = _AGE.fullmatch(age)
    return f"{int(match[1]) / _PER_YEAR[match[2]]:.4g}" if match else ""
