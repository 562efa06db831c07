"""Colours of DICOM: they are meant as they are stored, so that their full range becomes 0 to 255."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom.pixels.processing import apply_color_lut

from benchmark.datasets.pictures.dicom_tables import Table, is_little_endian, read_table
from benchmark.datasets.pictures.eight_bits import stretch

CHANNELS = ("Red", "Green", "Blue")


def to_rgb(values: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    """Return (h, w, 3) uint8.

    Parameters
    ----------
    values : (h, w) palette indices or (h, w, 3) RGB
    file : Dataset of pydicom

    Raises
    ------
    ValueError
        The palette is missing or damaged, or the samples are not unsigned RGB.
    """
    if file.PhotometricInterpretation == "PALETTE COLOR":
        if values.ndim != 2:
            raise ValueError(f"palette indices of {values.ndim} dimensions")
        return _through_palette(values, file)
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.kind != "u":
        raise ValueError(f"RGB of the shape {values.shape} and the type {values.dtype}")
    return _to_eight_bits(values, int(file.BitsStored))


def _to_eight_bits(values: NDArray, bits: int) -> NDArray[np.uint8]:
    if bits < 8:
        return stretch(values, 0, 2**bits - 1)
    return (values >> (bits - 8)).astype(np.uint8)


def _through_palette(indices: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    if "SegmentedRedPaletteColorLookupTableData" in file:
        return _through_segmented_palette(indices, file)
    tables = [_palette_of(file, channel) for channel in CHANNELS]
    return np.stack([_to_eight_bits(table.apply(indices), table.bits) for table in tables], axis=-1)


def _palette_of(file: DicomDataset, channel: str) -> Table:
    name = f"{channel}PaletteColorLookupTable"
    table = read_table(file.get(f"{name}Descriptor"), file.get(f"{name}Data"), is_little_endian(file))
    if table is None:
        raise ValueError(f"PALETTE COLOR without a table for {channel.lower()}")
    return table


def _through_segmented_palette(indices: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    n_entries, _, bits = file.RedPaletteColorLookupTableDescriptor
    if bits == 8 and (n_entries or 2**16) > 256:
        raise ValueError(f"a segmented palette of {n_entries} entries of 8 bits, which pydicom misreads")
    return _to_eight_bits(apply_color_lut(indices, file)[..., :3], bits)
