"""Clear one-line errors for damaged DICOM files; no file takes more memory than it states."""

import io
import logging
import struct
import tracemalloc
import zlib

import dicom_types
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
)

from benchmark.datasets.images.load import load_images
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import read_image_size, read_picture
from benchmark.errors import UserError

UID = DeflatedExplicitVRLittleEndian.encode()


def set_element(name, vr, value):
    """Return a function that sets an element with the given value representation."""
    return lambda file: file.add_new(name, vr, value)


WRONG = {
    "no rows or columns": (
        lambda file: [delattr(file, name) for name in ("Rows", "Columns")],
        "a DICOM file without an image: it has neither",
    ),
    "no rows": (dicom_types.without_tag("Rows"), "Rows is missing"),
    "rows as text": (set_element("Rows", "LO", "many"), "Rows is many, not a non-negative integer"),
    "two numbers of columns": (
        set_element("Columns", "US", [50, 50]),
        r"Columns is \[50, 50\], not a non-negative integer",
    ),
    "no pixels": (
        dicom_types.without_tag("PixelData"),
        "a DICOM file without an image: it has no PixelData",
    ),
    "empty pixels": (set_element("PixelData", "OW", b""), "PixelData is empty"),
    "pixels as text": (set_element("PixelData", "UT", "abc"), "PixelData is not a string of bytes"),
    "half of the pixels": (
        lambda file: setattr(file, "PixelData", file.PixelData[:2000]),
        "truncated: PixelData has 2,000 bytes, .* needs 4,000",
    ),
    "frames as text": (
        set_element("NumberOfFrames", "LO", "one"),
        "NumberOfFrames is one, not a non-negative integer",
    ),
    "no samples": (dicom_types.without_tag("SamplesPerPixel"), "SamplesPerPixel is missing"),
    "two samples": (
        set_element("SamplesPerPixel", "US", 2),
        r"SamplesPerPixel is 2; 1 \(gray\) and 3 \(RGB\) are supported",
    ),
    "three samples of gray": (
        set_element("SamplesPerPixel", "US", 3),
        "PlanarConfiguration is missing",
    ),
    "12 bits allocated": (
        set_element("BitsAllocated", "US", 12),
        "BitsAllocated is 12; 1, 8, 16, 32 and 64 are supported",
    ),
    "too many bits": (
        set_element("BitsStored", "US", 17),
        "BitsStored is 17 but BitsAllocated is 16",
    ),
    "left-justified": (
        set_element("HighBit", "US", 14),
        "HighBit is 14 but BitsStored is 16: .* are not supported",
    ),
    "sign": (
        set_element("PixelRepresentation", "US", 2),
        "PixelRepresentation is 2, neither 0 nor 1",
    ),
    "no sign": (dicom_types.without_tag("PixelRepresentation"), "PixelRepresentation is missing"),
    "window of text": (
        set_element("WindowCenter", "LO", "bone"),
        "WindowCenter is bone, not a number",
    ),
    "width of 0": (
        set_element("WindowWidth", "DS", "0"),
        "WindowWidth is 0; it must be at least 1",
    ),
    "function": (
        set_element("VOILUTFunction", "CS", "CUBIC"),
        "VOILUTFunction is CUBIC; supported are LINEAR, LINEAR_EXACT, SIGMOID",
    ),
    "slope of text": (
        set_element("RescaleSlope", "LO", "1;5"),
        "RescaleSlope is 1;5, not a number",
    ),
    "padding of two": (
        set_element("PixelPaddingValue", "SS", [-2000, -1]),
        r"PixelPaddingValue is \[-2000, -1\], not a number",
    ),
    "padding of text": (
        set_element("PixelPaddingValue", "LO", "air"),
        "PixelPaddingValue is air, not a number",
    ),
    "table of text": (
        set_element("VOILUTSequence", "LO", "none"),
        "VOILUTSequence is not a sequence",
    ),
    "groups of numbers": (
        set_element("SharedFunctionalGroupsSequence", "US", 3),
        "SharedFunctionalGroupsSequence is not a sequence",
    ),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore")  # pydicom warns about the wrong files that it writes
def test_a_wrong_element_is_reported_with_its_name_and_value(tmp_path, name):
    change, message = WRONG[name]
    tags = dicom_types.CT | dicom_types.ABDOMEN
    path = tmp_path / "a.dcm"
    dicom_types.write_case(
        dicom_types.Case(name, dicom_types.STORED, tags=tags, change=change), path
    )
    with pytest.raises(UserError, match=f"1 of 1 image files cannot be read: a.dcm: {message}"):
        load_images([path], ["a.dcm"], Options())


@pytest.mark.filterwarnings("ignore")
def test_text_in_a_numeric_element_is_reported(tmp_path):
    path = tmp_path / "a.dcm"
    dicom_types.write_case(
        dicom_types.Case(
            "window", dicom_types.STORED, tags={"WindowCenter": "40", "WindowWidth": "400"}
        ),
        path,
    )
    path.write_bytes(path.read_bytes().replace(b"DS\x02\x0040", b"DS\x02\x00xx"))
    with pytest.raises(ValueError, match="WindowCenter is xx, not a number"):
        read_picture(path)


def test_pydicom_logs_nothing():
    assert not logging.getLogger("pydicom").isEnabledFor(logging.CRITICAL)


# --- small files that would take much memory


def deflated(path, extra, with_preamble=True, meta=b""):
    """Write an image of 40x50 pixels in a deflated dataset, after `extra` MiB of zeros."""
    case = next(dicom_types.file_cases())
    dicom_types.write_case(case, path)
    plain = path.read_bytes()
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = compressor.compress(b"\x09\0\x10\x10OB\0\0" + struct.pack("<I", extra << 20))
    body += (
        b"".join(compressor.compress(bytes(2**20)) for _ in range(extra))
        + compressor.compress(plain)
        + compressor.flush()
    )
    # the UID has 22 characters: an even number needs no padding
    head = b"\x02\0\x10\0UI" + struct.pack("<H", len(UID)) + UID
    head = b"\x02\0\0\0UL\x04\0" + struct.pack("<I", len(head) + len(meta)) + meta + head
    path.write_bytes((bytes(128) + b"DICM" if with_preamble else b"") + head + body)
    return path


FAR_META = b"\x02\0\x02\x01OB\0\0" + struct.pack("<I", 4096) + bytes(4096)


@pytest.mark.parametrize("with_preamble", [True, False])
@pytest.mark.parametrize("meta", [b"", FAR_META], ids=["", "syntax far from the beginning"])
@pytest.mark.parametrize("read", [read_picture, read_image_size])
def test_a_deflated_bomb_is_refused_before_it_takes_memory(tmp_path, with_preamble, meta, read):
    path = deflated(tmp_path / "a.dcm", 200, with_preamble, meta)
    assert path.stat().st_size < 300_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="inflates to more than 67 MB"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_a_truncated_or_corrupted_deflated_file_is_refused(tmp_path):
    path = deflated(tmp_path / "a.dcm", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(ValueError, match="truncated: the deflated dataset is incomplete"):
        read_picture(path)
    path.write_bytes(whole[:200] + b"\xff" * 100 + whole[300:])
    with pytest.raises(ValueError, match="corrupted: the deflated dataset cannot be inflated"):
        read_picture(path)


def compressed(path, syntax, frame):
    """Write a file of 40x50 pixels of 8 bits with any bytes as its compressed frame."""
    dicom_types.write_case(dicom_types.Case("gray", dicom_types.GRAY), path)
    file = dcmread(path)
    file.file_meta.TransferSyntaxUID = syntax
    file.PixelData = encapsulate([frame])
    file["PixelData"].is_undefined_length = True
    file.save_as(path)
    return path


@pytest.mark.parametrize(
    ("syntax", "kind"), [(JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000")]
)
def test_a_compressed_frame_larger_than_stated_is_refused_before_it_is_decoded(
    tmp_path, syntax, kind
):
    frame = io.BytesIO()
    Image.new("L", (800, 600)).save(frame, kind)
    path = compressed(tmp_path / "a.dcm", syntax, frame.getvalue())
    with pytest.raises(
        ValueError, match="a compressed image of 600x800 but Rows and Columns are 40x50"
    ):
        read_picture(path)


def test_more_rle_than_the_image_can_have_is_refused_before_it_is_decoded(tmp_path):
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 100_000
    with pytest.raises(ValueError, match="200,064 bytes of RLE for an image of 2,000"):
        read_picture(compressed(tmp_path / "a.dcm", RLELossless, frame))


def test_a_jpeg_of_12_bits_is_refused_with_what_to_do(tmp_path):
    path = compressed(tmp_path / "a.dcm", JPEGExtended12Bit, b"anything")
    file = dcmread(path)
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.save_as(path)
    with pytest.raises(
        ValueError, match="a JPEG of 12 bits is not supported; save it uncompressed or as RLE"
    ):
        read_picture(path)


def test_a_frame_of_an_unknown_type_is_refused(tmp_path):
    for syntax in (JPEGBaseline8Bit, JPEG2000Lossless):
        with pytest.raises(
            ValueError,
            match=r"pixels compressed as JPEG.* are corrupted or of an unsupported type",
        ):
            read_picture(compressed(tmp_path / "a.dcm", syntax, b"nothing"))
