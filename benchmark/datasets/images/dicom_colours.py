"""Convert the colours of DICOM images to RGB.

Their full range becomes 0 to 255, as DICOM defines no window for colours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut

from benchmark.datasets.images.dicom_elements import read_element
from benchmark.datasets.images.dicom_tables import Table, is_little_endian, read_table
from benchmark.datasets.images.eight_bits import stretch_intensity

CHANNELS = ("Red", "Green", "Blue")


def to_rgb(values: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    """Convert palette indices or RGB samples to 8-bit RGB.

    Parameters
    ----------
    values : (h, w) or (h, w, 3) array
        Palette indices, or RGB samples.
    file : pydicom.Dataset

    Returns
    -------
    (h, w, 3) uint8 array

    Raises
    ------
    ValueError
        The palette is missing or corrupted, or the samples are not unsigned RGB.
    """
    if file.PhotometricInterpretation == "PALETTE COLOR":
        if values.ndim != 2:
            raise ValueError(f"palette indices with {values.ndim} dimensions")
        return _apply_palette(values, file)
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.kind != "u":
        raise ValueError(f"RGB samples of shape {values.shape} and type {values.dtype}")
    return _to_eight_bits(values, int(file.BitsStored))


def _to_eight_bits(values: NDArray, bits: int) -> NDArray[np.uint8]:
    if bits < 8:
        return stretch_intensity(values, 0, 2**bits - 1)
    return (values >> (bits - 8)).astype(np.uint8)


def _apply_palette(indices: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    if "SegmentedRedPaletteColorLookupTableData" in file:
        return _apply_segmented_palette(indices, file)
    tables = [_read_palette(file, channel) for channel in CHANNELS]
    bits = _bits_in_use(tables[0].bits, max(table.entries.max() for table in tables))
    low, high = indices.min(), indices.max()
    colours = [table.align_to_range(low, high).apply(indices) for table in tables]
    return np.stack([_to_eight_bits(colour, bits) for colour in colours], axis=-1)


def _bits_in_use(bits: int, largest: int) -> int:
    """Return the bits in use; as in a TIFF, some writers store 8 bits as 16 and state 16."""
    return 8 if largest <= 255 else bits


def _read_palette(file: DicomDataset, channel: str) -> Table:
    name = f"{channel}PaletteColorLookupTable"
    table = read_table(
        read_element(file, f"{name}Descriptor"),
        read_element(file, f"{name}Data"),
        is_little_endian(file),
    )
    if table is None:
        raise ValueError(f"PALETTE COLOR without a table for {channel.lower()}")
    return table


def _apply_segmented_palette(indices: NDArray, file: DicomDataset) -> NDArray[np.uint8]:
    descriptor = read_element(file, "RedPaletteColorLookupTableDescriptor")
    if not isinstance(descriptor, MultiValue) or len(descriptor) != 3:
        raise ValueError(
            f"a segmented palette with the descriptor {descriptor}, not three integers"
        )
    n_entries, first, bits = descriptor
    if bits == 8 and (n_entries or 2**16) > 256:
        raise ValueError(
            f"a segmented palette of {n_entries} entries of 8 bits, which pydicom reads wrongly"
        )
    try:
        colours = apply_color_lut(indices, file)[..., :3]
        all_indices = np.arange(first, first + (n_entries or 2**16))
        largest = apply_color_lut(all_indices, file)[..., :3].max()
    except Exception:  # pydicom raises errors of many types on unexpected segments
        raise ValueError("corrupted: the segmented palette cannot be read") from None
    return _to_eight_bits(colours, _bits_in_use(bits, largest))
