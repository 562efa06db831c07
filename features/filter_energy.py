"""Mean magnitudes of the responses of a filter in the cells of a grid."""

from __future__ import annotations

import numpy as np
from numba import types

from features.compiled import compile_kernel, readonly_array_type, writable_array_type

_EDGES = readonly_array_type(types.intp, 1)


@compile_kernel(
    readonly_array_type(types.complex64, 3),
    _EDGES,
    _EDGES,
    types.intp,
    writable_array_type(types.float32, 4),
    fastmath={"reassoc", "contract"},
)
def average_magnitude(responses, rows, columns, i, out):  # type: ignore[no-untyped-def]
    """Write the mean magnitude of the responses in each cell to ``out[:, i]``."""
    for image, r, c in np.ndindex(out.shape[0], out.shape[2], out.shape[3]):
        total = np.float32(0)
        for y in range(rows[r], rows[r + 1]):
            for x in range(columns[c], columns[c + 1]):
                value = responses[image, y, x]
                total += np.sqrt(value.real * value.real + value.imag * value.imag)
        out[image, i, r, c] = total / ((rows[r + 1] - rows[r]) * (columns[c + 1] - columns[c]))


_MATRIX = writable_array_type(types.float32, 2)


@compile_kernel(
    writable_array_type(types.float32, 4),
    types.intp,
    types.uint64,
    _MATRIX,
    _MATRIX,
    _MATRIX,
    _EDGES,
    _EDGES,
    types.intp,
    writable_array_type(types.float32, 4),
    fastmath={"reassoc", "contract"},
)
def average_products(  # type: ignore[no-untyped-def]
    spectra, top_frequency, left_frequency, gain, down, along, rows, columns, i, out
):
    """Filter spectra and write the mean magnitudes of the responses to ``out[:, i]``.

    Parameters
    ----------
    spectra : (n, 2, h, w) float32
        Real and imaginary parts.
    top_frequency, left_frequency : int
        Where the band of the filter starts.
    gain : (p, q) float32
        Transfer function of the filter in its band.
    down, along : (pixels, p) and (pixels, q) float32
        Cosines, then sines, of the inverse transforms of one half of the pixels.
    rows, columns : (cells + 1,) int
        Edges of the cells.
    i : int
        Index of the filter.
    out : (n, filters, cells down, cells along) float32
    """
    n_down, n_along = len(down) // 2, len(along) // 2
    height, width = rows[-1], columns[-1]
    half = np.empty((len(down), gain.shape[1]), np.float32)
    real = np.empty((len(down), len(along)), np.float32)
    imag = np.empty_like(real)
    magnitude = np.empty((height, width), np.float32)
    filtered = np.empty(gain.shape, np.float32)
    for image in range(len(spectra)):
        for part, response in ((0, real), (1, imag)):
            for y in range(gain.shape[0]):
                for x in range(gain.shape[1]):
                    value = spectra[image, part, top_frequency + y, left_frequency + np.uint64(x)]
                    filtered[y, x] = value * gain[y, x]
            np.dot(down, filtered, half)
            np.dot(half, along.T, response)
        for y in range(n_down):
            top, bottom = magnitude[y], magnitude[height - 1 - y]
            for x in range(n_along):
                # e.g. a sine along the rows times a cosine along the columns
                cc_real, cc_imag = real[y, x], imag[y, x]
                cs_real, cs_imag = real[y, n_along + x], imag[y, n_along + x]
                sc_real, sc_imag = real[n_down + y, x], imag[n_down + y, x]
                ss_real, ss_imag = real[n_down + y, n_along + x], imag[n_down + y, n_along + x]
                same_real, same_imag = cc_real - ss_real, cc_imag - ss_imag
                other_real, other_imag = cc_real + ss_real, cc_imag + ss_imag
                sum_real, sum_imag = sc_real + cs_real, sc_imag + cs_imag
                gap_real, gap_imag = sc_real - cs_real, sc_imag - cs_imag
                mirrored = np.uint64(width - 1) - np.uint64(x)
                top[x] = np.sqrt((same_real + sum_imag) ** 2 + (same_imag - sum_real) ** 2)
                bottom[mirrored] = np.sqrt(
                    (same_real - sum_imag) ** 2 + (same_imag + sum_real) ** 2
                )
                top[mirrored] = np.sqrt((other_real + gap_imag) ** 2 + (other_imag - gap_real) ** 2)
                bottom[x] = np.sqrt((other_real - gap_imag) ** 2 + (other_imag + gap_real) ** 2)
        for r, c in np.ndindex(out.shape[2], out.shape[3]):
            total = np.float32(0)
            for y in range(rows[r], rows[r + 1]):
                for x in range(columns[c], columns[c + 1]):
                    total += magnitude[y, x]
            out[image, i, r, c] = total / ((rows[r + 1] - rows[r]) * (columns[c + 1] - columns[c]))
