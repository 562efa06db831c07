"""Compare every type of image file, as it is read, with the values written into it.

``python tests/benchmarks/image_types.py`` (about 2 minutes) writes ``results/image_types.md``.
TIFF, PNG and BMP files are written by the code below, which shares nothing with a reader; tifffile
confirms the content of the TIFF files. JPEG files are written by Pillow and confirmed by OpenCV.
DICOM is in ``dicom_types.py``.
"""

from __future__ import annotations

import itertools
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cv2
import dicom_types
import numpy as np
import tifffile
from PIL import Image
from result_pages import wrap
from skimage import data

from benchmark.datasets.images.picture import read_image_size, read_picture

COLOUR_PHOTOGRAPH, GRAY_PHOTOGRAPH = data.astronaut()[:37, 200:241], data.camera()[100:137, 200:241]
HEIGHT, WIDTH = 11, 13  # odd, so that rows of samples below 8 bits end within a byte
SAMPLES = (
    *("u1", "u2", "u4", "u8", "u12", "u16", "u32", "u64"),
    *("i8", "i16", "i32", "i64", "f16", "f32", "f64", "c64"),
)
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

HEAD = """# Image types

Written by `python tests/benchmarks/image_types.py`. The tables compare the pixels read from each
type of image file with the values written into it: they give the largest difference of a pixel
after the conversion to 8 bits, which NumPy computes separately (unsigned integers of at most 8 bits
by their full range, all others by percentiles 1 and 99). A type is read with the right values, or
refused with the reason.
"""
PNG_HEAD = """\
Files with all EXIF orientations, without one, and with an invalid one; for PNG before and after
the pixels. The size announced by the header is compared too. JPEG is compared with OpenCV, CMYK
with Pillow. A JPEG whose data are corrupted, or that was cut off and closed with an end mark, is
read with gray blocks, since no decoder passes on the warnings of libjpeg."""
TIFF_HEAD = """\
Samples: u unsigned, i signed, f float, c complex, with their number of bits. Columns: meaning of an
extra channel. Cells: largest difference (number of files) over 8 orientations, 2 byte orders, and
channels interleaved or in planes; [n]: refused for reason n below. tifffile confirms that each file
that is read contains the values that were written."""
COMPRESSION_HEAD = """\
Files written by tifffile (8 and 16 bits unsigned, 16 bits signed, 32 and 64 bits float; gray, RGB
interleaved and in planes; strips and tiles; both byte orders; with and without a predictor), and
CCITT written by Pillow in both fill orders. JPEG is compared with what tifffile reads."""


@dataclass(frozen=True)
class TiffType:
    """One kind of TIFF.

    Parameters
    ----------
    samples, colours, extra : str
        Elements of SAMPLES, COLOURS and EXTRAS.
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
        """Number of bits per sample."""
        return int(self.samples[1:])

    @property
    def dtype(self) -> np.dtype:
        """NumPy type that holds a sample."""
        return np.dtype(f"{self.samples[0]}{max(8, 1 << (self.bits - 1).bit_length()) // 8}")

    @property
    def full(self) -> float:
        """Value of full intensity."""
        return 1.0 if self.samples[0] in "fc" else 2.0**self.bits - 1


def tiff_types(orientations: tuple[int, ...] = tuple(range(1, 9))) -> Iterator[TiffType]:
    """Yield all combinations of samples, colours, extra channel, orientation, order and planes."""
    for samples, colours, extra, orientation, order, planar in itertools.product(
        SAMPLES, COLOURS, EXTRAS, orientations, "<>", (1, 2)
    ):
        if planar == 2 and N_COLOURS[colours] + len(EXTRAS[extra]) == 1:
            continue
        yield TiffType(samples, colours, extra, orientation, order, planar)


def make_samples(kind: TiffType) -> tuple[np.ndarray, np.ndarray]:
    """Draw the stored samples (h, w, s), and compute the colours (h, w, n) that they stand for.

    Both are in the orientation of the file, not yet upright.
    """
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
        straight = np.minimum(
            stored[..., :n_colours] * (kind.full / alpha.astype(np.float64)), kind.full
        )
        colours = straight if kind.samples[0] == "f" else np.rint(straight)
        colours = colours.astype(np.float64).clip(0, kind.full)
    return stored, colours


def palette_of(bits: int) -> np.ndarray:
    """Draw a palette, (3, 2**bits) uint16."""
    return np.random.default_rng(bits).integers(0, 2**16, (3, 2**bits), dtype=np.uint16)


def expected_pixels(
    kind: TiffType, colours: np.ndarray, percentiles: tuple[float, float] = (1, 99)
) -> np.ndarray:
    """Convert colours to upright pixels of 8 bits, by the rule of the library, in NumPy.

    Unsigned samples of at most 8 bits are scaled by their full range, others by percentiles.
    """
    if kind.colours == "palette":
        shown = np.moveaxis(palette_of(kind.bits)[:, colours[..., 0]] >> 8, 0, -1).astype(float)
    elif kind.colours == "CMYK":
        inks = np.asarray(colours if kind.bits == 8 else colours.astype(np.uint16) >> 8).astype(
            np.uint8
        )
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
    """Pack rows of samples, each of which begins with a whole byte."""
    if bits in (8, 16, 32, 64):
        return values.astype(values.dtype.newbyteorder(order)).tobytes()
    rows = values.reshape(len(values), -1).astype(np.uint64)
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint64)
    digits = ((rows[..., None] >> shifts) & np.uint64(1)).astype(np.uint8)
    return np.packbits(digits.reshape(len(rows), -1), axis=1).tobytes()


def write_tiff(path: Path, kind: TiffType, stored: np.ndarray) -> Path:
    """Write an uncompressed TIFF with one strip per plane."""
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
        where = (
            raw.ljust(4, b"\0")
            if len(raw) <= 4
            else struct.pack(kind.order + "I", start + len(extra))
        )
        extra += raw if len(raw) > 4 else b""
        entries += (
            struct.pack(kind.order + "HHI", tag, {"H": 3, "I": 4}[letter], len(numbers)) + where
        )
    directory = struct.pack(kind.order + "H", len(tags)) + entries + bytes(4)
    magic = b"II" if kind.order == "<" else b"MM"
    path.write_bytes(
        magic + struct.pack(kind.order + "HI", 42, start + len(extra)) + body + extra + directory
    )
    return path


def compare(path: Path, wanted: np.ndarray) -> int | str:
    """Return the largest difference of a pixel, or the reason why the file is refused."""
    try:
        picture = read_picture(path)
    except Exception as error:
        return f"{error or type(error).__name__}"
    if read_image_size(path) != wanted.shape[:2]:
        return 999
    pixels = picture.pixels.astype(int)
    wanted = wanted.reshape(*wanted.shape[:2], -1)
    return int(np.abs(pixels - wanted).max()) if pixels.shape[:2] == wanted.shape[:2] else 999


def check_tiff(kind: TiffType, path: Path) -> int | str:
    """Write one type of TIFF, read it, and compare."""
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
    """Return the lines of a table with one line per colours and samples.

    The columns are the meanings of an extra channel. A cell counts the files over orientations,
    byte orders and planes.
    """
    outcomes: dict[tuple[str, str, str], list[int | str]] = {}
    for kind in tiff_types():
        cell = outcomes.setdefault((kind.colours, kind.samples, kind.extra), [])
        cell.append(check_tiff(kind, folder / "a.tif"))
    reasons: dict[str, int] = {}
    lines = [
        "| colours | samples | " + " | ".join(EXTRAS) + " |",
        "|---|---|" + "---:|" * len(EXTRAS),
    ]
    for colours, samples in itertools.product(COLOURS, SAMPLES):
        cells = [cell_of(outcomes[colours, samples, extra], reasons) for extra in EXTRAS]
        lines.append(f"| {colours} | {samples} | {' | '.join(cells)} |")
    return [*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items())]


def compression_table(folder: Path) -> list[str]:
    """Return the lines of a table with one line per compression.

    The files are written by tifffile, in all samples and layouts that it supports, and for CCITT by
    Pillow.
    """
    outcomes: dict[str, list[int | str]] = {}
    for compression, kind, predictor, tile, planar, order in itertools.product(
        (None, "lzw", "deflate", "packbits", "lzma", "zstd", "jpeg", "webp", "jpeg2000"),
        ("u1", "u2", "i2", "f4", "f8"),
        (False, True),
        (None, (16, 16)),
        (None, "contig", "separate"),
        "<>",
    ):
        values = smooth_values(planar is not None).astype(kind)
        if (compression in ("jpeg", "webp", "jpeg2000") and (predictor or kind != "u1")) or (
            predictor and not compression
        ):
            continue
        stored = np.moveaxis(values, -1, 0) if planar == "separate" else values
        photometric, rows = ("rgb" if planar else "minisblack"), (None if tile else 7)
        layout = {
            "predictor": predictor,
            "tile": tile,
            "planarconfig": planar,
            "rowsperstrip": rows,
            "byteorder": order,
        }
        try:
            tifffile.imwrite(
                folder / "a.tif", stored, compression=compression, photometric=photometric, **layout
            )
        except ValueError:
            continue  # tifffile does not support it
        # JPEG is lossy
        decoded = read_or_none(folder / "a.tif") if compression == "jpeg" else values
        outcomes.setdefault(str(compression), []).append(
            compare(folder / "a.tif", by_rule(values if decoded is None else decoded))
        )
    for compression, fill_order in itertools.product(("tiff_ccitt", "group3", "group4"), (1, 2)):
        image = Image.fromarray(smooth_values(False) > 128)
        image.save(folder / "a.tif", compression=compression, tiffinfo={266: fill_order})
        outcomes.setdefault(compression, []).append(
            compare(folder / "a.tif", np.asarray(image) * 255.0)
        )
    return outcome_table("compression", outcomes)


def read_or_none(path: Path) -> np.ndarray | None:
    """Read a file with tifffile, None if it cannot."""
    try:
        values = tifffile.imread(path)
    except ValueError:
        return None
    return np.moveaxis(values, 0, -1) if values.ndim == 3 and values.shape[0] == 3 else values


def smooth_values(colour: bool) -> np.ndarray:
    """Return a crop of a photograph, (37, 41) or (37, 41, 3) uint8."""
    return COLOUR_PHOTOGRAPH if colour else GRAY_PHOTOGRAPH


def by_rule(values: np.ndarray) -> np.ndarray:
    """Scale percentiles 1 and 99 to 0 and 255, except for uint8."""
    if values.dtype == np.uint8:
        return values.astype(float)
    low, high = np.percentile(values.astype(np.float64), (1, 99))
    return np.rint(255 * ((values.astype(np.float64) - low) / (high - low)).clip(0, 1))


# --- PNG, JPEG, BMP


def png_types() -> Iterator[tuple[int, int, int, bool]]:
    """Yield colour type, bits, orientation, and whether EXIF comes after the pixels."""
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    for colour_type, bits in ((kind, bits) for kind, depth in depths.items() for bits in depth):
        for orientation, late in itertools.product((0, *range(1, 10)), (False, True)):
            yield colour_type, bits, orientation, late


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Assemble a chunk: length, kind, content and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def check_png(folder: Path, colour_type: int, bits: int, orientation: int, late: bool) -> int | str:
    """Write one type of PNG, read it, and compare; orientation 0 is none, 9 is invalid."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    random = np.random.default_rng(bits)
    stored = random.integers(
        0, 2**bits, (HEIGHT, WIDTH, samples), np.uint16 if bits == 16 else np.uint8
    )
    palette = random.integers(0, 256, (2**bits, 3), np.uint8) if colour_type == 3 else None
    exif = (
        png_chunk(
            b"eXIf", struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, orientation, 0, 0)
        )
        if orientation
        else b""
    )
    packed = [pack(row[None], bits, ">") for row in stored]
    path = folder / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, 0))
        + (b"" if late else exif)
        + (b"" if palette is None else png_chunk(b"PLTE", palette.tobytes()))
        + png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed)))
        + (exif if late else b"")
        + png_chunk(b"IEND", b"")
    )
    if palette is not None:
        colours = palette[stored[..., 0]].astype(float)
    else:
        values = stored[..., : 1 if samples < 3 else 3]
        colours = by_rule(values) if bits == 16 else values * (255 / (2**bits - 1))
    return compare(path, TURNS.get(orientation, TURNS[1])(colours))


def png_table(folder: Path) -> list[str]:
    """Return the lines of the table of PNG, JPEG and BMP."""
    names = {0: "gray", 2: "RGB", 3: "palette", 4: "gray with alpha", 6: "RGB with alpha"}
    outcomes: dict[str, list[int | str]] = {}
    for colour_type, bits, orientation, late in png_types():
        outcome = check_png(folder, colour_type, bits, orientation, late)
        outcomes.setdefault(f"PNG, {names[colour_type]}, {bits} bits", []).append(outcome)
    for mode, progressive, orientation in itertools.product(
        ("L", "RGB", "CMYK"), (False, True), range(1, 10)
    ):
        outcome = check_jpeg(folder, mode, progressive, orientation)
        outcomes.setdefault(f"JPEG, {mode}", []).append(outcome)
    for bits, top_down in itertools.product((1, 4, 8, 16, 24, 32), (False, True)):
        outcomes.setdefault(f"BMP, {bits} bits", []).append(check_bmp(folder, bits, top_down))
    return outcome_table("format", outcomes)


def check_jpeg(folder: Path, mode: str, progressive: bool, orientation: int) -> int | str:
    """Compare with OpenCV (Pillow for CMYK), rotated by NumPy."""
    exif = Image.Exif()
    exif[274] = orientation
    path = folder / "a.jpg"
    Image.fromarray(smooth_values(mode != "L")).convert(mode).save(
        path, progressive=progressive, exif=exif
    )
    if mode == "CMYK":
        stored = np.asarray(Image.open(path).convert("RGB"))
    else:
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        stored = stored[..., ::-1] if stored.ndim == 3 else stored
    return compare(path, TURNS.get(orientation, TURNS[1])(stored).astype(float))


def check_bmp(folder: Path, bits: int, top_down: bool) -> int | str:
    """Write one type of BMP, read it, and compare."""
    random = np.random.default_rng(bits)
    palette = (
        random.integers(0, 256, (2**bits, 4), np.uint8) if bits <= 8 else np.zeros((0, 4), np.uint8)
    )
    if bits <= 8:
        stored = random.integers(0, 2**bits, (HEIGHT, WIDTH), np.uint8)
        colours = palette[stored, 2::-1].astype(float)
        rows = [pack(row[None, :, None], bits, "<") for row in stored]
    elif bits == 16:  # 5 bits each, the highest unused
        fives = random.integers(0, 32, (HEIGHT, WIDTH, 3), np.uint16)
        colours = np.floor(fives * (255 / 31))
        rows = [
            row.tobytes()
            for row in (fives[..., 0] << 10 | fives[..., 1] << 5 | fives[..., 2]).astype("<u2")
        ]
    else:
        stored = random.integers(0, 256, (HEIGHT, WIDTH, bits // 8), np.uint8)
        colours = stored[..., 2::-1].astype(float)
        rows = [row.tobytes() for row in stored]
    body = b"".join(
        row.ljust(-(-len(row) // 4) * 4, b"\0") for row in (rows if top_down else rows[::-1])
    )
    start = 54 + palette.nbytes
    height = -HEIGHT if top_down else HEIGHT
    info = struct.pack(
        "<IiiHHIIiiII", 40, WIDTH, height, 1, bits, 0, len(body), 0, 0, len(palette), 0
    )
    path = folder / "a.bmp"
    path.write_bytes(
        struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
        + info
        + palette.tobytes()
        + body
    )
    return compare(path, colours)


def outcome_table(what: str, outcomes: dict[str, list[int | str]]) -> list[str]:
    """Return the lines of a table: number of files, largest difference, reasons of refusal."""
    lines = [
        f"| {what} | files | read | largest difference | refused |",
        "|---|---:|---:|---:|---|",
    ]
    for name, files in outcomes.items():
        read = [outcome for outcome in files if not isinstance(outcome, str)]
        reasons = "; ".join(sorted({outcome for outcome in files if isinstance(outcome, str)}))
        lines.append(
            f"| {name} | {len(files)} | {len(read)} | {max(read, default='')} | {reasons} |"
        )
    return lines


def cell_of(outcomes: list[int | str], reasons: dict[str, int]) -> str:
    """Format the outcomes of one cell.

    '0 (32)' is the largest difference of 32 files; '[2] (32)' are 32 files refused for reason 2.
    """
    refused = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
    read = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    counts = [f"{max(read)} ({len(read)})"] if read else []
    counts += [
        f"[{reasons.setdefault(reason, len(reasons) + 1)}] ({count})"
        for reason, count in refused.items()
    ]
    return ", ".join(counts)


def main() -> None:
    """Check all types and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        others = png_table(folder)
        compressions = compression_table(folder)
        tiffs = tiff_table(folder)
    dicom = dicom_types.tables()
    libraries = (
        *("numpy", "pillow", "tifffile", "imagecodecs"),
        *("opencv-contrib-python-headless", "pydicom"),
    )
    versions = ", ".join(f"{library} {version(library)}" for library in libraries)
    lines = [
        *(HEAD, wrap(versions), ""),
        *("## PNG, JPEG, BMP", "", PNG_HEAD, "", *others, ""),
        *("## TIFF by type", "", TIFF_HEAD, "", *tiffs, ""),
        *("## TIFF by compression", "", COMPRESSION_HEAD, "", *compressions, ""),
        *(*dicom, ""),
    ]
    Path("results/image_types.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
