"""Unusual files, written byte by byte, are read with the right values or refused."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, itemize_frame
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from benchmark.datasets.images.picture import read_picture

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8)
RNG = np.random.default_rng(0)


def tiff(data, bits=8, order="<", **tags):
    """Write a TIFF of 8x8 gray samples in one strip; tags are named tag_NUMBER=(type, value)."""
    own = {int(name[4:]): value for name, value in tags.items()}
    fields = {
        256: (3, 8),
        257: (3, 8),
        258: (3, bits),
        259: (3, 1),
        262: (3, 1),
        273: (4, 8),
        277: (3, 1),
        278: (3, 8),
    }
    fields |= {279: (4, len(data)), **own}
    start = 8 + len(data) + len(data) % 2
    texts, behind = b"", start + 2 + 12 * len(fields) + 4
    entries = b""
    for tag, (kind, value) in sorted(fields.items()):
        if kind == 2 and len(value) <= 4:
            entries += struct.pack(order + "HHI", tag, kind, len(value)) + value.ljust(4, b"\0")
        elif kind == 2:
            entries += struct.pack(order + "HHII", tag, kind, len(value), behind + len(texts))
            texts += value + b"\0" * (len(value) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, kind, 1)
            entries += (
                struct.pack(order + "HH", value, 0)
                if kind == 3
                else struct.pack(order + "I", value)
            )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return (
        head
        + data
        + b"\0" * (len(data) % 2)
        + struct.pack(order + "H", len(fields))
        + entries
        + bytes(4)
        + texts
    )


def png(rows, color=0, before=b""):
    """Write a PNG of 8x8 samples of 8 bits that contains only the given rows."""
    raw = b"".join(b"\0" + bytes(row) for row in rows)
    header = struct.pack(">IIBBBBB", 8, 8, 8, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bmp_rle4():
    """Write a BMP of 11x1 pixels of 4 bits, run-length encoded in one run of odd length."""
    palette = b"".join(bytes([k * 16, k * 16, k * 16, 0]) for k in range(16))
    data = b"\0\x0b\x12\x34\x56\x78\x9a\xb0\0\0\0\1"
    offset = 14 + 40 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, 11, 1, 1, 4, 2, len(data), 0, 0, 16, 16)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def dicom(pixels, keyword="PixelData", syntax=ExplicitVRLittleEndian, **elements):
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = syntax
    file.preamble = bytes(128)
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = 8 * pixels.dtype.itemsize
    if keyword == "PixelData":
        file.BitsStored = elements.get("BitsStored", file.BitsAllocated)
        file.HighBit, file.PixelRepresentation = file.BitsStored - 1, int(pixels.dtype.kind == "i")
    setattr(file, keyword, pixels.tobytes())
    for name, value in elements.items():
        setattr(file, name, value)
    if keyword == "PixelData":
        file["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    stream = BytesIO()
    file.save_as(stream)
    return stream.getvalue()


@pytest.fixture
def read(tmp_path):
    def reading(content, suffix):
        path = tmp_path / f"image{suffix}"
        path.write_bytes(content)
        return read_picture(path)

    return reading


JPEG = BytesIO()
Image.fromarray(RAMP).save(JPEG, "JPEG")
JPEG = JPEG.getvalue()
IN_24_BITS = b"".join(int(value).to_bytes(3, "big") for value in range(0, 640_000, 10_000))
REFUSED = {
    "predictor without compression": (
        tiff(RAMP.tobytes(), tag_317=(3, 2)),
        ".tif",
        "a predictor and the compression none",
    ),
    "24 bits, low byte first": (
        tiff(IN_24_BITS, 24),
        ".tif",
        "TIFF samples of 24 bits and SampleFormat 1 are not supported",
    ),
    "24 bits, high byte first": (
        tiff(IN_24_BITS, 24, ">"),
        ".tif",
        "TIFF samples of 24 bits and SampleFormat 1",
    ),
    "32 bits of no kind": (
        tiff(bytes(256), 32, tag_339=(3, 4)),
        ".tif",
        "TIFF samples of 32 bits and SampleFormat 4",
    ),
    "half a strip": (
        tiff(RAMP[:4].tobytes()),
        ".tif",
        "truncated: its strips or tiles have 32 bytes, but the image needs 64",
    ),
    "no rows": (tiff(RAMP.tobytes(), tag_257=(3, 0)), ".tif", "0x8: the image is empty"),
    "reduced copy": (
        tiff(RAMP.tobytes(), tag_254=(4, 1), tag_330=(4, 8)),
        ".tif",
        "a reduced copy of an image elsewhere",
    ),
    "stack of ImageJ": (
        tiff(RAMP.tobytes(), tag_270=(2, b"ImageJ=1.53\nslices=3\n\0")),
        ".tif",
        "has 3 frames",
    ),
    "ImageJ without a number": (
        tiff(RAMP.tobytes(), tag_270=(2, b"ImageJ=1.53\nimages=x\n\0")),
        ".tif",
        "has no number of images",
    ),
    "no tags": (b"II*\0\x08\0\0\0", ".tif", "corrupted: the tags of the TIFF cannot be read"),
    "text for no data": (
        tiff(RAMP.tobytes(), tag_42113=(2, b"none\0")),
        ".tif",
        "GDAL_NODATA is none, not a number",
    ),
    "PNG of four rows": (
        png([[9] * 8] * 4),
        ".png",
        "corrupted: the PNG has fewer rows than its header states",
    ),
    "short palette": (
        png(RAMP, 3, chunk(b"PLTE", bytes(9))),
        ".png",
        "corrupted: colour 63 of a palette of 3",
    ),
    "no palette": (png(RAMP, 3), ".png", "corrupted: colour 63 of a palette of 0"),
    "RLE4": (bmp_rle4(), ".bmp", "a BMP with RLE4 compression is not supported"),
    "header of a PNG": (png(RAMP)[:12], ".png", "the header cannot be read"),
    "header of a JPEG": (JPEG[:3], ".jpg", "the header cannot be read"),
    "two DICOM frames": (
        dicom(np.vstack([RAMP, RAMP]), Rows=8),
        ".dcm",
        "has 2 frames; one image per file",
    ),
    "two JPEG frames": (
        dicom(RAMP, syntax=JPEGBaseline8Bit, PixelData=encapsulate([JPEG, JPEG], has_bot=False)),
        ".dcm",
        "has 2 frames; one image per file",
    ),
    "JPEG of 16 bits": (
        dicom(
            RAMP,
            syntax=JPEGBaseline8Bit,
            PixelData=encapsulate([JPEG]),
            BitsAllocated=16,
            BitsStored=8,
        ),
        ".dcm",
        "a JPEG of 8 bits but BitsAllocated is 16",
    ),
    "YBR of 7 bits": (
        dicom(
            RAMP[:, :6],
            Columns=2,
            SamplesPerPixel=3,
            PlanarConfiguration=0,
            PhotometricInterpretation="YBR_FULL",
            BitsStored=7,
        ),
        ".dcm",
        "YBR_FULL with 7 of 8 bits is not supported",
    ),
}


@pytest.mark.parametrize(("content", "suffix", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_ambiguous_or_corrupted_file_is_refused_with_the_reason(read, content, suffix, reason):
    with pytest.raises(ValueError, match=reason):
        read(content, suffix)


def test_the_files_written_by_this_module_are_valid(read):
    for content, suffix in (
        (tiff(RAMP.tobytes()), ".tif"),
        (png(RAMP), ".png"),
        (dicom(RAMP), ".dcm"),
    ):
        np.testing.assert_array_equal(read(content, suffix).pixels[..., 0], RAMP)


def test_a_jpeg_in_several_fragments_is_one_image(read):
    fragments = b"".join(itemize_frame(JPEG, 2))
    content = dicom(
        RAMP, syntax=JPEGBaseline8Bit, PixelData=b"\xfe\xff\x00\xe0\x00\x00\x00\x00" + fragments
    )
    assert np.abs(read(content, ".dcm").pixels[..., 0] - RAMP.astype(int)).max() <= 4


def test_a_png_whose_last_row_is_black_is_read(read):
    rows = RAMP.copy()
    rows[-1] = 0
    np.testing.assert_array_equal(read(png(rows), ".png").pixels[..., 0], rows)


def test_an_unreadable_orientation_of_a_png_is_ignored(read):
    np.testing.assert_array_equal(
        read(png(RAMP, before=chunk(b"eXIf", b"garbage!")), ".png").pixels[..., 0], RAMP
    )


@pytest.mark.parametrize("no_data", ["-9999", "nan", "-3.4028235e+38"])
def test_no_data_pixels_of_a_tiff_are_ignored_in_the_percentiles(read, no_data):
    values = RAMP.astype(np.float32)
    plain = read(tiff(values[2:].repeat(4, axis=0)[:8].tobytes(), 32, tag_339=(3, 3)), ".tif")
    values = values[2:].repeat(4, axis=0)[:8].copy()
    values[:2] = float(no_data)
    picture = read(
        tiff(values.tobytes(), 32, tag_339=(3, 3), tag_42113=(2, no_data.encode() + b"\0")), ".tif"
    )
    assert picture.n_padding + picture.n_not_finite >= 16
    assert not picture.pixels[:2].any()
    assert np.unique(picture.pixels[2:]).size > 10
    assert plain.n_padding == 0


@pytest.mark.parametrize(
    ("values", "stored", "tag"),
    [
        (RNG.integers(0, 2000, (30, 30)).astype(np.uint16), 0xF830, 0xF830),
        (RNG.integers(0, 2000, (30, 30)).astype(np.uint16), 0xF830, 0x830),
        ((RNG.integers(-1000, 1000, (30, 30)) & 0xFFF).astype(np.int16), 0x830, 0x830),
        ((RNG.integers(-1000, 1000, (30, 30)) & 0xFFF).astype(np.int16), 0x830, -2000),
    ],
)
def test_padding_is_compared_in_the_bits_that_are_stored(read, values, stored, tag):
    values[:10] = stored
    picture = read(dicom(values, BitsStored=12, PixelPaddingValue=tag), ".dcm")
    assert picture.n_padding == 300
    assert not picture.pixels[:10].any()


def test_the_first_window_with_both_numbers_is_used(read):
    values = (20 * np.arange(16, dtype=np.uint16)).reshape(4, 4)
    shown = read(dicom(values, WindowCenter=["", "40"], WindowWidth=["400", "80"]), ".dcm").pixels
    np.testing.assert_array_equal(
        shown, read(dicom(values, WindowCenter="40", WindowWidth="80"), ".dcm").pixels
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_nonfinite_values_become_0_with_a_window_too(read, photometric):
    values = np.full((4, 4), 2.5, np.float32)
    values[0] = np.nan, np.inf, -np.inf, np.nan
    content = dicom(
        values,
        "FloatPixelData",
        WindowCenter="3",
        WindowWidth="4",
        PhotometricInterpretation=photometric,
    )
    picture = read(content, ".dcm")
    assert (picture.n_not_finite, picture.n_padding) == (4, 0)
    assert not picture.pixels[0].any()
    assert picture.pixels[1:].all()


def test_a_huge_window_shows_a_ramp_like_a_small_one(read):
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    exact = {"keyword": "FloatPixelData", "VOILUTFunction": "LINEAR_EXACT"}
    expected = read(dicom(values, WindowCenter="8", WindowWidth="10", **exact), ".dcm").pixels
    far = dicom(values * np.float32(1e13), WindowCenter="8e13", WindowWidth="1e14", **exact)
    assert np.unique(expected).size > 10
    assert np.abs(read(far, ".dcm").pixels.astype(int) - expected).max() <= 1
