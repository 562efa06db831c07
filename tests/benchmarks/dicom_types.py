"""Compare every kind of DICOM image with pydicom's own pipeline, or with the definition in NumPy.

``image_types.py`` writes the tables: one of the files that pydicom ships, and one of files that are
written here.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi_lut,
    apply_windowing,
)
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)
from skimage import data

from benchmark.datasets.images.picture import read_picture

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
GRAY = data.camera()[100:140, 200:250]
HOUNSFIELD = GRAY.astype(np.int32) * 10 - 1000
STORED = (HOUNSFIELD + 1024).astype(np.uint16)  # 12 bits
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024}
ABDOMEN = {"WindowCenter": 40, "WindowWidth": 400}
COLOUR = data.astronaut()[:40, 200:250]
SHIPPED_HEAD = """\
All files of the pydicom wheel that have rows and columns, compared with its own `pixel_array`,
`apply_modality_lut`, `apply_voi_lut` and `apply_color_lut`. Without a VOI, percentiles 1 and 99 of
the pixels that are not padding become 0 and 255."""
MADE_HEAD = """\
Files compared with pydicom's pipeline, or with the definition in NumPy where pydicom has none
(functional groups, padding) or fails (tables of 10 or 12 bits, empty elements)."""


def shipped_files() -> list[Path]:
    """List the files of pydicom's wheel that have rows and columns."""
    images = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(SHIPPED.rglob("*")):
            if path.is_file() and path.suffix != ".gz":
                try:
                    header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
                except Exception:
                    continue
                images += [path] if "Rows" in header else []
    return images


def by_pydicom(path: Path) -> np.ndarray:
    """Read pixels with pydicom's functions and convert them to 8 bits.

    Returns (h, w) or (h, w, 3) float.
    """
    file = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in file.file_meta:
        file.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian
            if file.original_encoding[0]
            else (ExplicitVRLittleEndian if file.original_encoding[1] else ExplicitVRBigEndian)
        )
    stored = pixel_array(file)
    if file.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(stored, file)[..., :3]
        return np.floor(colours / 2.0 ** (8 * (colours.itemsize - 1)))
    if stored.ndim == 3:
        return np.floor(stored / 2.0 ** (file.BitsStored - 8))
    values = apply_modality_lut(stored, file)
    if file.get("VOILUTSequence") and file.VOILUTSequence[0].get("LUTDescriptor"):
        bits = file.VOILUTSequence[0].LUTDescriptor[2]
        shown = np.rint(255 * (apply_voi_lut(values, file) / (2.0**bits - 1)))
    elif file.get("WindowCenter") is not None:
        low, high = sorted(apply_windowing(np.array([-1e9, 1e9]), file))
        shown = np.rint(255 * (apply_voi_lut(values, file) - low) / (high - low))
        if file.get("RescaleSlope", 1) < 0:
            shown = 255 - shown
    elif values.dtype == np.uint8:
        shown = np.rint(255 * (values / (2.0**file.BitsStored - 1)))
    else:
        shown = by_percentiles(values, stored == file.get("PixelPaddingValue"))
    shown = 255 - shown if file.PhotometricInterpretation == "MONOCHROME1" else shown
    return np.where(stored == file.get("PixelPaddingValue"), 0, shown)


def by_percentiles(values: np.ndarray, padding: np.ndarray | bool = False) -> np.ndarray:
    """Scale percentiles 1 and 99 of the values without padding to 0 and 255."""
    inside = values[np.broadcast_to(~np.asarray(padding), values.shape)].astype(np.float64)
    low, high = np.percentile(inside, (1, 99))
    if low == high:
        return np.where(values > low, 255, 0).astype(float)
    return np.rint(255 * ((values.astype(np.float64) - low) / (high - low)).clip(0, 1))


def linear(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """Apply a linear window to 0..255, as in PS3.3 C.11.2.1.2.1."""
    return np.rint(255 * np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1))


# --- files written here


@dataclass(frozen=True)
class Case:
    """A DICOM file and the pixels that it must give.

    Parameters
    ----------
    name : str
    pixels : array
    expected : array, str or None
        Pixels of 8 bits; None for those of pydicom's pipeline; or a pattern of the reason for which
        the file is refused.
    photometric : str
    bits : int or None
        BitsStored.
    change : callable
        Changes the pydicom dataset before it is saved.
    how : dict
        Arguments of ``Dataset.save_as``.
    tags : dict
        Elements of the dataset.
    """

    name: str
    pixels: np.ndarray
    expected: np.ndarray | str | None = None
    photometric: str = "MONOCHROME2"
    bits: int | None = None
    change: Callable[[Dataset], None] = lambda file: None
    how: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)


def item(**elements: object) -> Dataset:
    """Make an item of a sequence."""
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def table(entries: np.ndarray, first: int, bits: int, vr: str = "US") -> list[Dataset]:
    """Make a sequence with one lookup table; OW is packed as 16-bit words, OW8 as bytes."""
    lut = Dataset()
    lut.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 2**16, first, bits])
    words = np.asarray(entries)
    if vr == "US":
        lut.add_new("LUTData", "US", [int(entry) for entry in words])
    else:
        lut.add_new("LUTData", "OW", words.astype("u1" if vr == "OW8" else "<u2").tobytes())
    return [lut]


def palette(colours: np.ndarray, first: int, bits: int) -> Callable[[Dataset], None]:
    """Make a ``change`` that adds the tables of a palette."""

    def add(file: Dataset) -> None:
        for i, name in enumerate(("Red", "Green", "Blue")):
            descriptor = [len(colours) % 2**16, first, bits]
            file.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", descriptor)
            entries = colours[:, i].astype("u1" if colours.dtype == np.uint8 else "<u2").tobytes()
            file.add_new(f"{name}PaletteColorLookupTableData", "OW", entries)

    return add


def grouped(rescale: dict, window: dict, sequence: str = "SharedFunctionalGroupsSequence") -> dict:
    """Make the elements of an enhanced image."""
    group = item(
        PixelValueTransformationSequence=[item(**rescale)], FrameVOILUTSequence=[item(**window)]
    )
    return {sequence: [group], "NumberOfFrames": 1}


def without_tag(name: str) -> Callable[[Dataset], None]:
    """Make a ``change`` that removes an element."""
    return lambda file: delattr(file, name)


def cases() -> Iterator[Case]:
    """Yield all cases."""
    yield from window_cases()
    yield from table_cases()
    yield from empty_cases()
    yield from padding_cases()
    yield from colour_cases()
    yield from file_cases()


def window_cases() -> Iterator[Case]:
    """Yield cases of rescaling and windows, at the top level and in functional groups."""
    yield Case("rescale and window", STORED, tags=CT | ABDOMEN)
    yield Case("rescale, no window", STORED, tags=CT)
    yield Case(
        "several windows",
        STORED,
        tags=CT | {"WindowCenter": [40, -600], "WindowWidth": [400, 1200]},
    )
    for function in ("LINEAR_EXACT", "SIGMOID"):
        yield Case(f"window, {function}", STORED, tags=CT | ABDOMEN | {"VOILUTFunction": function})
    yield Case(
        "negative slope", STORED, tags={"RescaleSlope": -1, "RescaleIntercept": 1024} | ABDOMEN
    )
    yield Case(
        "slope below 1", STORED, tags={"RescaleSlope": 0.25, "RescaleIntercept": -100} | ABDOMEN
    )
    yield Case("signed", HOUNSFIELD.astype(np.int16), tags=ABDOMEN)
    yield Case("MONOCHROME1, window", STORED, photometric="MONOCHROME1", tags=CT | ABDOMEN)
    yield Case("MONOCHROME1, no window", STORED, photometric="MONOCHROME1", tags=CT)
    wanted = linear(HOUNSFIELD, 40, 400)
    for sequence in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        tags = grouped(CT, ABDOMEN, sequence)
        yield Case(f"rescale and window in {sequence}", STORED, wanted, tags=tags)
        yield Case(
            f"MONOCHROME1, both in {sequence}", STORED, 255 - wanted, "MONOCHROME1", tags=tags
        )
    groups = grouped(CT, {}) | {"WindowCenter": 40, "WindowWidth": 400}
    yield Case(
        "rescale in a functional group, window at the top and an empty one in a group",
        STORED,
        wanted,
        tags=groups,
    )
    alone = {
        "SharedFunctionalGroupsSequence": [item(PixelValueTransformationSequence=[item(**CT)])]
    }
    yield Case(
        "rescale in a functional group, window at the top", STORED, wanted, tags=alone | ABDOMEN
    )
    root = np.rint(np.linspace(0, 1, 400) ** 0.5 * 4095)
    frame = item(FrameVOILUTSequence=[item(VOILUTSequence=table(root, 800, 12))])
    shown = np.rint(255 * root[(STORED.astype(int) - 800).clip(0, 399)] / 4095)
    yield Case(
        "VOI LUT in a functional group",
        STORED,
        shown,
        tags={"SharedFunctionalGroupsSequence": [frame]},
    )
    yield Case(
        "slope of 0", STORED, "RescaleSlope is 0", tags={"RescaleSlope": 0, "RescaleIntercept": 1}
    )
    yield Case(
        "width of 0", STORED, "WindowWidth is 0", tags=CT | {"WindowCenter": 40, "WindowWidth": 0}
    )
    second = {"WindowCenter": ["", 40], "WindowWidth": ["", 400]}
    yield Case("first of two windows empty", STORED, wanted, tags=CT | second)


def table_cases() -> Iterator[Case]:
    """Yield cases of modality and VOI lookup tables."""
    for bits in (8, 10, 12, 16):
        for vr in ("US", "OW", "OW8")[: 3 if bits == 8 else 2]:
            entries = np.rint(np.linspace(0, 1, 3000) ** 0.5 * (2**bits - 1)).astype(int)
            looked_up = entries[(STORED.astype(int) - 5).clip(0, 2999)]
            tags = {"ModalityLUTSequence": table(entries, 5, bits, vr)}
            shown = looked_up.astype(float) if bits == 8 else by_percentiles(looked_up)
            yield Case(f"modality LUT of {bits} bits, {vr}", STORED, shown, bits=12, tags=tags)
            window = {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2 ** (bits - 1)}
            shown = linear(looked_up, 2 ** (bits - 1), 2 ** (bits - 1))
            yield Case(
                f"modality LUT of {bits} bits, {vr}, and window",
                STORED,
                shown,
                bits=12,
                tags=tags | window,
            )
            voi = np.rint(255 * (entries[(HOUNSFIELD + 500).clip(0, 2999)] / (2.0**bits - 1)))
            tags = CT | ABDOMEN | {"VOILUTSequence": table(entries, -500, bits, vr)}
            yield Case(f"VOI LUT of {bits} bits, {vr}", STORED, voi, bits=12, tags=tags)
    entries = np.arange(65536)
    tags = {"ModalityLUTSequence": table(entries, 0, 16, "OW")}
    yield Case("modality LUT of 65,536 entries", STORED, by_percentiles(STORED), tags=tags)
    tags = {"VOILUTSequence": table(np.arange(300), 0, 8)}
    yield Case(
        "LUT whose entries need more bits than it says", STORED, "8 bits per entry", tags=tags
    )
    short = table(np.arange(300), 0, 16)
    short[0].LUTDescriptor = [4000, 0, 16]
    for pixels, tags in ((STORED, CT), (HOUNSFIELD.astype(np.int16), {})):
        moved = table(np.arange(3000), 2**16 - 500, 12, "OW")
        shown = np.rint(255 * ((HOUNSFIELD + 500).clip(0, 2999) / 4095))
        tags = tags | {"VOILUTSequence": moved}
        yield Case(
            f"VOI LUT whose first value -500 is written as US, {pixels.dtype} pixels",
            pixels,
            shown,
            tags=tags,
        )
    high = (STORED.astype(int) + 50_000).astype(np.uint16)
    moved = table(np.arange(3000), 50_500 - 2**16, 12, "OW")
    shown = np.rint(255 * ((STORED.astype(int) - 500).clip(0, 2999) / 4095))
    yield Case(
        "VOI LUT whose first value 50,500 is written as SS",
        high,
        shown,
        tags={"VOILUTSequence": moved},
    )
    shown = by_percentiles((HOUNSFIELD + 500).clip(0, 2999))
    tags = {"ModalityLUTSequence": table(np.arange(3000), 2**16 - 500, 12, "OW")}
    yield Case(
        "modality LUT whose first value -500 is written as US",
        HOUNSFIELD.astype(np.int16),
        shown,
        tags=tags,
    )
    yield Case(
        "LUT shorter than it says", STORED, "300 entries, not 4000", tags={"VOILUTSequence": short}
    )


def empty_cases() -> Iterator[Case]:
    """Yield cases of elements that are present but empty."""
    wanted = linear(STORED, 40, 400)
    blank = {"RescaleSlope": None, "RescaleIntercept": None}
    yield Case("empty rescale", STORED, wanted, tags=blank | ABDOMEN)
    yield Case(
        "empty slope",
        STORED,
        linear(HOUNSFIELD, 40, 400),
        tags=CT | {"RescaleSlope": None} | ABDOMEN,
    )
    yield Case(
        "empty window",
        STORED,
        by_percentiles(STORED),
        tags={"WindowCenter": None, "WindowWidth": None},
    )
    yield Case("center without width", STORED, by_percentiles(STORED), tags={"WindowCenter": 40})
    for name, content in (
        ("empty item", {}),
        ("empty descriptor", {"LUTDescriptor": None}),
        ("no data", {"LUTDescriptor": [4, 0, 8]}),
    ):
        for sequence in ("VOILUTSequence", "ModalityLUTSequence"):
            yield Case(
                f"{sequence}, {name}", STORED, wanted, tags=ABDOMEN | {sequence: [item(**content)]}
            )
    yield Case(
        "empty functional groups",
        STORED,
        wanted,
        tags=ABDOMEN | {"SharedFunctionalGroupsSequence": []},
    )
    yield Case("empty NumberOfFrames", STORED, tags=ABDOMEN | {"NumberOfFrames": None})
    yield Case("empty PixelPaddingValue", STORED, tags={"PixelPaddingValue": None})


def padding_cases() -> Iterator[Case]:
    """Yield cases of PixelPaddingValue and its range."""
    circle = np.hypot(*np.ogrid[-20:20, -25:25]) > 18
    signed = np.where(circle, -2000, HOUNSFIELD).astype(np.int16)
    wanted = np.where(circle, 0, by_percentiles(HOUNSFIELD, circle))
    yield Case("padding, signed", signed, wanted, tags={"PixelPaddingValue": -2000})
    yield Case(
        "padding, rescaled",
        signed,
        wanted,
        tags={"PixelPaddingValue": -2000, "RescaleSlope": 2, "RescaleIntercept": 7},
    )
    inverted = np.where(circle, 0, 255 - by_percentiles(HOUNSFIELD, circle))
    yield Case(
        "padding, MONOCHROME1", signed, inverted, "MONOCHROME1", tags={"PixelPaddingValue": -2000}
    )
    shown = np.where(circle, 0, linear(HOUNSFIELD, 40, 400))
    yield Case("padding, window", signed, shown, tags=ABDOMEN | {"PixelPaddingValue": -2000})
    unsigned = np.where(circle, 63536, STORED).astype(np.uint16)
    wanted = np.where(circle, 0, by_percentiles(STORED, circle))
    yield Case("padding, unsigned and high", unsigned, wanted, tags={"PixelPaddingValue": 63536})
    ranged = np.where(circle, 60000 + GRAY.astype(int), STORED).astype(np.uint16)
    limits = {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 60255}
    yield Case("padding, range", ranged, wanted, tags=limits)
    yield Case(
        "padding everywhere",
        np.full_like(signed, -2000),
        np.zeros(GRAY.shape),
        tags={"PixelPaddingValue": -2000},
    )
    yield Case("padding that no pixel has", STORED, tags={"PixelPaddingValue": 50000})


def colour_cases() -> Iterator[Case]:
    """Yield cases of RGB, palettes, and fewer than 8 bits."""
    yield Case("RGB", COLOUR, COLOUR, "RGB")
    yield Case("RGB of 16 bits", COLOUR.astype(np.uint16) * 257, COLOUR, "RGB")
    yield Case("RGB of 12 bits", COLOUR.astype(np.uint16) * 16, COLOUR, "RGB", bits=12)
    eight = data.astronaut()[7, :256].astype(np.uint8)
    yield Case("palette of 8 bits", GRAY, eight[GRAY], "PALETTE COLOR", change=palette(eight, 0, 8))
    for name, factor in (("times 257", 257), ("shifted by 8", 256)):
        sixteen = eight.astype(np.uint16) * factor
        yield Case(
            f"palette of 16 bits, {name}",
            GRAY,
            eight[GRAY],
            "PALETTE COLOR",
            change=palette(sixteen, 0, 16),
        )
    words = eight.astype(np.uint16)
    yield Case(
        "palette of 8 bits in 16", GRAY, eight[GRAY], "PALETTE COLOR", change=palette(words, 0, 8)
    )
    yield Case(
        "palette of 8 bits that says 16",
        GRAY,
        eight[GRAY],
        "PALETTE COLOR",
        change=palette(words, 0, 16),
    )
    many = np.random.default_rng(0).integers(0, 256, (3000, 3), np.uint8)
    shown = many[(STORED.astype(int) - 9).clip(0, 2999)]
    yield Case(
        "palette of 3,000 entries of 8 bits",
        STORED,
        shown,
        "PALETTE COLOR",
        change=palette(many, 9, 8),
    )
    yield Case("palette that is missing", GRAY, "without a table", "PALETTE COLOR")
    yield Case(
        "supplemental palette",
        STORED,
        "supplemental",
        change=palette(words, 0, 16),
        tags={"PixelPresentation": "COLOR"},
    )
    odd = lambda file: setattr(file, "HighBit", 15)  # noqa: E731
    yield Case(
        "samples that end above bit 0",
        STORED,
        "HighBit is 15 but BitsStored is 12",
        bits=12,
        change=odd,
    )
    yield Case("gray of 4 bits", GRAY // 16, GRAY // 16 * 17.0, bits=4)
    yield Case("gray of 8 bits", GRAY, GRAY.astype(float))
    yield Case(
        "gray of 8 bits, signed", (GRAY.astype(int) - 128).astype(np.int8), by_percentiles(GRAY)
    )
    yield Case(
        "HSV",
        COLOUR,
        "colours HSV",
        "RGB",
        change=lambda file: setattr(file, "PhotometricInterpretation", "HSV"),
    )


def file_cases() -> Iterator[Case]:
    """Yield cases of transfer syntaxes and of incomplete files."""
    syntaxes = {"implicit": (True, True), "explicit": (False, True), "big endian": (False, False)}
    for name, (implicit, little) in syntaxes.items():
        how = {"implicit_vr": implicit, "little_endian": little, "enforce_file_format": False}
        pixels = STORED if little else STORED.astype(">u2")
        yield Case(
            f"without preamble, {name}",
            pixels,
            linear(HOUNSFIELD, 40, 400),
            change=without_meta,
            how=how,
            tags=CT | ABDOMEN,
        )
    deflated = lambda file: setattr(  # noqa: E731
        file.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian
    )
    yield Case("deflated", STORED, linear(HOUNSFIELD, 40, 400), change=deflated, tags=CT | ABDOMEN)
    yield Case("two frames", np.stack([STORED, STORED]), "has 2 frames")
    yield Case("no pixels", STORED, "without an image", change=without_tag("PixelData"))
    yield Case(
        "no PhotometricInterpretation",
        STORED,
        "PhotometricInterpretation is missing",
        change=without_tag("PhotometricInterpretation"),
    )
    yield Case(
        "fewer bytes than announced",
        STORED,
        "truncated: PixelData has 4,000 bytes, but the image needs 9,900",
        change=lambda file: setattr(file, "Rows", 99),
    )
    yield Case(
        "a compression that is not installed",
        STORED,
        "JPEG-LS Lossless.*not installed",
        change=as_jpeg_ls,
    )


def as_jpeg_ls(file: Dataset) -> None:
    """Announce a compression that pydicom alone cannot decode."""
    file.file_meta.TransferSyntaxUID = JPEGLSLossless
    file.PixelData = encapsulate([b"\xff\xd8 nothing that a decoder knows"])


def without_meta(file: Dataset) -> None:
    """Remove the file meta information."""
    del file.file_meta


def write_case(case: Case, path: Path) -> Path:
    """Write the file of a case."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    bits = 8 * case.pixels.dtype.itemsize
    photometric = "MONOCHROME2" if case.photometric == "PALETTE COLOR" else case.photometric
    file.set_pixel_data(
        case.pixels.astype(case.pixels.dtype.newbyteorder("<")), photometric, case.bits or bits
    )
    file.PhotometricInterpretation = case.photometric
    if case.pixels.dtype.byteorder == ">":
        file.PixelData = case.pixels.tobytes()
    for name, value in case.tags.items():
        setattr(file, name, value)
    case.change(file)
    file.save_as(path, **(case.how or {"enforce_file_format": True}))
    return path


def outcome_of(path: Path, expected: np.ndarray | None) -> int | str:
    """Return the largest difference of a pixel, or the reason why the file is refused."""
    try:
        pixels = read_picture(path).pixels.astype(int)
    except Exception as error:
        return " ".join((str(error) or type(error).__name__).split())
    wanted = by_pydicom(path) if expected is None else np.asarray(expected, float)
    wanted = wanted.reshape(*wanted.shape[:2], -1)
    return int(np.abs(pixels - wanted).max()) if pixels.shape[:2] == wanted.shape[:2] else 999


def check_case(case: Case, folder: Path) -> int | str:
    """Write the file of a case, read it, and compare."""
    path = write_case(case, folder / "a.dcm")
    return outcome_of(path, np.zeros((1, 1)) if isinstance(case.expected, str) else case.expected)


def check_shipped(source: Path, folder: Path) -> int | str:
    """Compare a file that pydicom ships, copied to a name with the suffix ``.dcm``."""
    path = folder / "a.dcm"
    path.write_bytes(source.read_bytes())
    return outcome_of(path, None)


def tables() -> list[str]:
    """Return the lines of both tables, with their headings."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shipped = {
            str(path.relative_to(SHIPPED)): check_shipped(path, Path(name))
            for path in shipped_files()
        }
        written = {case.name: (check_case(case, Path(name)), case.expected) for case in cases()}
    lines = [
        "## DICOM files that pydicom ships",
        "",
        SHIPPED_HEAD,
        "",
        "| file | largest difference | refused |",
        "|---|---:|---|",
    ]
    lines += [f"| {name} | {row_of(outcome)} |" for name, outcome in shipped.items()]
    lines += [
        "",
        "## DICOM files made for the test",
        "",
        MADE_HEAD,
        "",
        "| case | reference | largest difference | refused |",
    ]
    lines += ["|---|---|---:|---|"]
    for name, (outcome, expected) in written.items():
        reference = "pydicom" if expected is None else "" if isinstance(expected, str) else "NumPy"
        lines.append(f"| {name} | {reference} | {row_of(outcome)} |")
    return lines


def row_of(outcome: int | str) -> str:
    """Format the last two cells of a row."""
    return f" | {outcome[:120]}" if isinstance(outcome, str) else f"{outcome} | "
