"""Lookup tables of DICOM, as pydicom supports only some numbers of bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom.multival import MultiValue


@dataclass(frozen=True)
class Table:
    """A lookup table.

    Parameters
    ----------
    entries : (n,) uint16 array
    first : int
        The value that is mapped to the first entry.
    bits : int
        Bits per entry.
    """

    entries: NDArray[np.uint16]
    first: int
    bits: int

    def apply(self, values: NDArray) -> NDArray[np.uint16]:
        """Look up values; those outside of the table get the nearest entry."""
        last = self.first + len(self.entries) - 1
        nearest = np.rint(values.astype(np.float64)).clip(self.first, last)
        return self.entries[nearest.astype(np.int64) - self.first]

    def align_to_range(self, low: float, high: float) -> Table:
        """Return the table with its first value corrected for values from `low` to `high`.

        Some files confuse signed and unsigned numbers in the descriptor, such as 64512 for -1024 or
        the reverse. If all values are outside of the table as stated, and adding or subtracting
        65,536 changes that, the first value is corrected so.
        """
        for first in (self.first, self.first - 2**16, self.first + 2**16):
            if -(2**15) <= first < 2**16 and first <= high and first + len(self.entries) > low:
                return replace(self, first=first)
        return self


def read_table(descriptor: object, data: object, little_endian: bool) -> Table | None:
    """Read a lookup table.

    Parameters
    ----------
    descriptor : value of an LUT Descriptor
        Number of entries (0 means 65,536), first value and bits per entry.
    data : value of the LUT Data
        Words, or one or two bytes per entry.
    little_endian : bool

    Returns
    -------
    Table or None
        None if the table is empty.

    Raises
    ------
    ValueError
        The descriptor is invalid or does not fit the data.
    """
    if (
        not descriptor
        or data is None
        or (isinstance(data, bytes | MultiValue | list) and not len(data))
    ):
        return None
    numbers = list(descriptor) if isinstance(descriptor, MultiValue | list | tuple) else []
    if len(numbers) != 3 or not all(isinstance(number, int) for number in numbers):
        raise ValueError(f"a lookup table with the descriptor {descriptor}, not three integers")
    n_entries, first, bits = (int(number) for number in numbers)
    n_entries = n_entries or 2**16
    if not 8 <= bits <= 16:
        raise ValueError(f"a lookup table of {bits} bits per entry")
    entries = _decode_entries(data, n_entries, little_endian)
    if entries.max() >= 2**bits:
        raise ValueError(f"a lookup table of {bits} bits per entry with the entry {entries.max()}")
    return Table(entries, first, bits)


def _decode_entries(data: object, n_entries: int, little_endian: bool) -> NDArray[np.uint16]:
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2")
    else:
        words = (np.atleast_1d(np.array(data, np.int64)) & 0xFFFF).astype(np.uint16)
    if len(words) >= n_entries:
        return words[:n_entries].astype(np.uint16)
    if len(words) == (n_entries + 1) // 2:  # two entries of 8 bits per word, the lower first
        return words.astype("<u2").view(np.uint8)[:n_entries].astype(np.uint16)
    raise ValueError(
        f"a lookup table of {len(words)} entries, not {n_entries} as its descriptor states"
    )


def is_little_endian(file: DicomDataset) -> bool:
    """Whether words in the file are stored with the low byte first."""
    return bool(file.original_encoding[1])
