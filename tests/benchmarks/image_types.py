"""Every type of image file against what was written into it: values equal, or the file is refused.

``python tests/benchmarks/image_types.py`` writes ``results/image_types.md`` (about 2 minutes). TIFF files are written by the
code below, which shares nothing with a reader; tifffile confirms what it wrote. PNG, JPEG and BMP are written and confirmed by
Pillow and OpenCV. DICOM is in ``dicom_types.py``.
"""

from __future__ import annotations

import itertools
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image
from skimage import data

from benchmark.datasets.pictures.picture import picture_size, read_picture

HEIGHT, WIDTH = 11, 13  # odd, so that rows of few bits end within a byte
SAMPLES = ("u1", "u2", "u4", "u8", "u12", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f16", "f32", "f64", "c64")
COLOURS = ("WhiteIsZero", "BlackIsZero", "three bands", "RGB", "palette", "CMYK", "YCbCr", "CIELab")
EXTRAS = {"none": (), "alpha": (2,), "premultiplied": (1,), "unspecified": (0,)}
PHOTOMETRIC = dict(zip(COLOURS, (0, 1, 1, 2, 3, 5, 6, 8), strict=True))
N_COLOURS = dict(zip(COLOURS, (1, 1, 3, 3, 1, 4, 3, 3), strict=True))
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
    8: np.rot90,
}


@dataclass(frozen=True)
class TiffType:
    """One kind of TIFF.

    Parameters
    ----------
    samples, colours, extra : str
        Of SAMPLES, COLOURS and EXTRAS.
    orientation : int
    order : '<' or '>'
    planar : 1 or 2
    """

    samples: str
    colours: str
    extra: str
    orientation: int = 1
    order: str = "<"
    planar: int = 1

    @property
    def bits(self) -> int:
        """Per sample."""
        return int(self.samples[1:])

    @property
    def dtype(self) -> np.dtype:
        """The NumPy type that holds a sample."""
        return np.dtype(f"{self.samples[0]}{max(8, 1 << (self.bits - 1).bit_length()) // 8}")

    @property
    def full(self) -> float:
        """The value of full intensity."""
        return 1.0 if self.samples[0] in "fc" else 2.0**self.bits - 1


def tiff_types(orientations: tuple[int, ...] = tuple(range(1, 9))) -> Iterator[TiffType]:
    """The product of everything that a TIFF of one image can be."""
    for samples, colours, extra, orientation, order, planar in itertools.product(
        SAMPLES, COLOURS, EXTRAS, orientations, "<>", (1, 2)
    ):
        if planar == 2 and N_COLOURS[colours] + len(EXTRAS[extra]) == 1:
            continue
        yield TiffType(samples, colours, extra, orientation, order, planar)


def make_samples(kind: TiffType) -> tuple[np.ndarray, np.ndarray]:
    """Stored samples (h, w, s), and the colours (h, w, n) that they stand for; both as the file lies, not yet upright."""
    n_colours, extra = N_COLOURS[kind.colours], EXTRAS[kind.extra]
    random = np.random.default_rng(kind.bits + n_colours)
    shape = HEIGHT, WIDTH, n_colours + len(extra)
    if kind.samples[0] in "fc":
        stored = random.random(shape).astype(kind.dtype)
    else:
        low = -(2 ** (kind.bits - 1)) if kind.samples[0] == "i" else 0
        stored = random.integers(low, low + 2**kind.bits, shape, dtype=kind.dtype)
    colours = stored[..., :n_colours]
    if kind.extra == "premultiplied" and kind.samples[0] in "uf":
        least = 0.5 if kind.samples[0] == "f" else int(kind.full) // 2 + 1
        alpha = np.maximum(stored[..., -1:], kind.dtype.type(least))
        stored[..., -1:] = alpha
        stored[..., :n_colours] = np.minimum(colours, alpha)
        straight = np.minimum(stored[..., :n_colours] * (kind.full / alpha.astype(np.float64)), kind.full)
        colours = straight if kind.samples[0] == "f" else np.rint(straight)
        colours = colours.astype(np.float64).clip(0, kind.full)
    return stored, colours


def palette_of(bits: int) -> np.ndarray:
    """(3, 2^bits) uint16."""
    return np.random.default_rng(bits).integers(0, 2**16, (3, 2**bits), dtype=np.uint16)


def expected_pixels(kind: TiffType, colours: np.ndarray, percentiles: tuple[float, float] = (1, 99)) -> np.ndarray:
    """The rule of the project, in NumPy: up to 8 unsigned bits by their full range, else by percentiles; upright."""
    if kind.colours == "palette":
        shown = np.moveaxis(palette_of(kind.bits)[:, colours[..., 0]] >> 8, 0, -1).astype(float)
    elif kind.colours == "CMYK":
        inks = np.asarray(colours if kind.bits == 8 else colours.astype(np.uint16) >> 8).astype(np.uint8)
        shown = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")).astype(float)
    elif kind.samples[0] == "u" and kind.bits <= 8:
        shown = np.rint(colours * (255 / kind.full))
    else:
        values = colours.astype(np.float64)
        low, high = np.percentile(values, percentiles)
        shown = np.rint(255 * ((values - low) / (high - low)).clip(0, 1))
    if kind.colours == "WhiteIsZero":
        shown = 255 - shown
    return TURNS[kind.orientation](shown)


def pack(values: np.ndarray, bits: int, order: str) -> bytes:
    """Rows of samples, each row beginning with a whole byte."""
    if bits in (8, 16, 32, 64):
        return values.astype(values.dtype.newbyteorder(order)).tobytes()
    rows = values.reshape(len(values), -1).astype(np.uint64)
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint64)
    digits = ((rows[..., None] >> shifts) & np.uint64(1)).astype(np.uint8)
    return np.packbits(digits.reshape(len(rows), -1), axis=1).tobytes()


def write_tiff(path: Path, kind: TiffType, stored: np.ndarray) -> Path:
    """One strip per plane, no compression."""
    planes = [stored] if kind.planar == 1 else list(np.moveaxis(stored, -1, 0))
    bodies = [pack(plane, kind.bits, kind.order) for plane in planes]
    n_samples = stored.shape[2]
    form = {"u": 1, "i": 2, "f": 3, "c": 6}[kind.samples[0]]
    offsets = [8 + sum(map(len, bodies[:i])) for i in range(len(bodies))]
    tags = {
        256: ("I", [stored.shape[1]]),
        257: ("I", [stored.shape[0]]),
        258: ("H", [kind.bits] * n_samples),
        259: ("H", [1]),
        262: ("H", [PHOTOMETRIC[kind.colours]]),
        273: ("I", offsets),
        274: ("H", [kind.orientation]),
        277: ("H", [n_samples]),
        278: ("I", [stored.shape[0]]),
        279: ("I", [len(body) for body in bodies]),
        284: ("H", [kind.planar]),
        338: ("H", [0] * (2 * (kind.colours == "three bands")) + list(EXTRAS[kind.extra])),
        339: ("H", [form] * n_samples),
    }
    if kind.colours == "palette":
        tags[320] = ("H", palette_of(min(kind.bits, 16)).ravel().tolist())
    body = b"".join(bodies)
    start = 8 + len(body)
    extra, entries = b"", b""
    tags = {tag: content for tag, content in sorted(tags.items()) if content[1]}
    for tag, (letter, numbers) in tags.items():
        raw = struct.pack(f"{kind.order}{len(numbers)}{letter}", *numbers)
        where = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(kind.order + "I", start + len(extra))
        extra += raw if len(raw) > 4 else b""
        entries += struct.pack(kind.order + "HHI", tag, {"H": 3, "I": 4}[letter], len(numbers)) + where
    directory = struct.pack(kind.order + "H", len(tags)) + entries + bytes(4)
    magic = b"II" if kind.order == "<" else b"MM"
    path.write_bytes(magic + struct.pack(kind.order + "HI", 42, start + len(extra)) + body + extra + directory)
    return path


def compare(path: Path, wanted: np.ndarray) -> int | str:
    """The largest difference of a pixel, or why the file is refused."""
    try:
        picture = read_picture(path)
    except Exception as error:
        return f"{error or type(error).__name__}"
    if picture_size(path) != wanted.shape[:2]:
        return 999
    pixels = picture.pixels.astype(int)
    wanted = wanted.reshape(*wanted.shape[:2], -1)
    return int(np.abs(pixels - wanted).max()) if pixels.shape[:2] == wanted.shape[:2] else 999


def check_tiff(kind: TiffType, path: Path) -> int | str:
    """Write one kind, read it, compare."""
    stored, colours = make_samples(kind)
    write_tiff(path, kind, stored)
    outcome = compare(path, np.zeros((1, 1)))
    if isinstance(outcome, str):
        return outcome
    confirmed = tifffile.imread(path).reshape(-1)
    planes = stored if kind.planar == 1 else np.moveaxis(stored, -1, 0)
    if not np.array_equal(confirmed, planes.reshape(-1)):
        raise AssertionError(f"tifffile reads other values than were written: {kind}")
    return compare(path, expected_pixels(kind, colours))


# --- tables


def tiff_table(folder: Path) -> list[str]:
    """A line per type of sample and colours, a column per extra channel; orientations, byte orders and planes counted within."""
    outcomes: dict[tuple[str, str, str], list[int | str]] = {}
    for kind in tiff_types():
        cell = outcomes.setdefault((kind.colours, kind.samples, kind.extra), [])
        cell.append(check_tiff(kind, folder / "a.tif"))
    reasons: dict[str, int] = {}
    lines = ["| colours | samples | " + " | ".join(EXTRAS) + " |", "|---|---|" + "---:|" * len(EXTRAS)]
    for colours, samples in itertools.product(COLOURS, SAMPLES):
        cells = [cell_of(outcomes[colours, samples, extra], reasons) for extra in EXTRAS]
        lines.append(f"| {colours} | {samples} | {' | '.join(cells)} |")
    return [*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items())]


def cell_of(outcomes: list[int | str], reasons: dict[str, int]) -> str:
    """Such as '0 (32)': the largest difference of 32 files; or '[2] (32)': refused for reason 2."""
    refused = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
    read = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    parts = [f"{max(read)} ({len(read)})"] if read else []
    parts += [f"[{reasons.setdefault(reason, len(reasons) + 1)}] ({count})" for reason, count in refused.items()]
    return ", ".join(parts)
