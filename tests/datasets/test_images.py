"""Image files become 8-bit pixels by the rules stated in the notes."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmark.datasets.images.eight_bits import to_eight_bits
from benchmark.datasets.images.load import load_images
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import read_image_size, read_picture
from benchmark.errors import UserError

GRAY = data.camera()[100:140, 200:250]  # 40 x 50
COLOUR = data.astronaut()[0:40, 200:250]
DEEP = GRAY.astype(np.uint16) * 200 + 7  # values that 8 bits cannot distinguish


def load(paths, **options):
    return load_images(paths, [str(path) for path in paths], Options(**options))


def saved(path, pixels, **how):
    Image.fromarray(pixels).save(path, **how)
    return path


def stretched(values, low=1, high=99):
    """Map percentiles to 0 and 255, as the rule states."""
    bottom, top = np.percentile(values, (low, high))
    return np.rint(255 * np.clip((values - bottom) / (top - bottom), 0, 1))


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "bmp", "PNG"])
@pytest.mark.parametrize("pixels", [GRAY, COLOUR], ids=["gray", "colour"])
def test_8_bit_files_keep_their_pixels(tmp_path, suffix, pixels):
    picture = read_picture(saved(tmp_path / f"a.{suffix}", pixels))
    np.testing.assert_array_equal(picture.pixels, pixels.reshape(40, 50, -1))
    assert not picture.stretched


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_a_jpeg_is_read_as_rgb_in_the_order_red_green_blue(tmp_path, suffix):
    picture = read_picture(saved(tmp_path / f"a.{suffix}", COLOUR, quality=95))
    assert np.abs(picture.pixels.astype(int) - COLOUR).mean() < 4


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_gray_is_mapped_from_its_percentiles(tmp_path, suffix):
    picture = read_picture(saved(tmp_path / f"a.{suffix}", DEEP), (2, 90))
    np.testing.assert_array_equal(picture.pixels[..., 0], stretched(DEEP, 2, 90))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_colour_keeps_what_8_bits_would_lose(tmp_path, suffix, alpha):
    deep = COLOUR.astype(np.uint16) + 1000  # all of it lies within two steps of the upper 8 bits
    channels = [deep[..., ::-1], np.full_like(deep[..., :1], 65535)]
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), np.concatenate(channels[: 1 + alpha], axis=-1))
    np.testing.assert_array_equal(read_picture(tmp_path / f"a.{suffix}").pixels, stretched(deep))


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png_gray_alpha_16(path, gray):
    rows = np.stack([gray, np.full_like(gray, 65535)], axis=-1).astype(">u2")
    head = struct.pack(">IIBBBBB", gray.shape[1], gray.shape[0], 16, 4, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", body)
        + png_chunk(b"IEND", b"")
    )


def test_16_bit_gray_with_alpha_keeps_its_depth(tmp_path):
    deep = GRAY.astype(np.uint16) + 1000
    write_png_gray_alpha_16(tmp_path / "a.png", deep)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels[..., 0], stretched(deep))


def write_tiff(path, values, photometric=1, planes=1):
    """Write a minimal uncompressed TIFF with one strip per plane, of any numeric type.

    Channels are the last axis of `values`, or the first if `planes` is 2 (separate planes).
    """
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    height, width = values.shape[1:] if planes == 2 else values.shape[:2]
    samples = 1 if values.ndim == 2 else values.size // (height * width)
    body = values.tobytes()
    per_sample = b"".join(struct.pack("<H", values.dtype.itemsize * 8) for _ in range(samples))
    forms = b"".join(struct.pack("<H", form) for _ in range(samples))
    step = len(body) // samples
    offsets = [8 + step * i for i in range(samples)] if planes == 2 else [8]
    tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", per_sample),
        259: ("H", [1]),
        262: ("H", [photometric]),
        273: ("I", offsets),
        277: ("H", [samples]),
        278: ("I", [height]),
        279: ("I", [len(body) // len(offsets)] * len(offsets)),
        284: ("H", [planes]),
        339: ("H", forms),
    }
    extra, entries = b"", b""
    start = 8 + len(body)
    for tag, (kind, content) in tags.items():
        raw = (
            content
            if isinstance(content, bytes)
            else struct.pack(f"<{len(content)}{kind}", *content)
        )
        count = len(raw) // struct.calcsize(kind)
        where = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", start + len(extra))
        extra += raw if len(raw) > 4 else b""
        entries += struct.pack("<HHI", tag, {"H": 3, "I": 4}[kind], count) + where
    directory = struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    path.write_bytes(struct.pack("<2sHI", b"II", 42, start + len(extra)) + body + extra + directory)
    return path


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint32", "float32", "float64"])
def test_a_tiff_of_any_numeric_type_is_read_at_full_depth(tmp_path, kind):
    top = {"uint32": 2.0**32 - 1, "int32": 2.0**31 - 1, "int16": 32767, "int8": 127}.get(kind, 1.7)
    low = 0.0 if kind == "uint32" else -top / 3
    values = (low + (top - low) * GRAY / 255.0).astype(kind)
    picture = read_picture(write_tiff(tmp_path / "a.tif", values))
    np.testing.assert_allclose(picture.pixels[..., 0], stretched(values.astype(float)), atol=1)


def test_float_colour_tiff_is_read_as_rgb(tmp_path):
    values = COLOUR.astype(np.float32) / 1000
    cv2.imwrite(str(tmp_path / "a.tif"), values[..., ::-1])
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.tif").pixels, stretched(values.astype(float))
    )
    assert read_image_size(tmp_path / "a.tif") == (40, 50)


def test_white_is_zero_is_inverted_at_16_bits_as_at_8(tmp_path):
    picture = read_picture(write_tiff(tmp_path / "a.tif", DEEP, photometric=0))
    np.testing.assert_array_equal(picture.pixels[..., 0], 255 - stretched(DEEP))
    shallow = read_picture(write_tiff(tmp_path / "b.tif", GRAY, photometric=0))
    np.testing.assert_array_equal(shallow.pixels[..., 0], 255 - GRAY)


def test_16_bit_colour_in_planes_is_not_scrambled(tmp_path):
    deep = np.moveaxis(COLOUR.astype(np.uint16) * 9, -1, 0)
    write_tiff(tmp_path / "a.tif", np.ascontiguousarray(deep), photometric=2, planes=2)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, stretched(COLOUR * 9.0))


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        ("1", "png", 1),
        ("LA", "png", 1),
        ("RGBA", "png", 3),
        ("P", "png", 3),
        ("CMYK", "jpg", 3),
        ("CMYK", "tif", 3),
    ],
)
def test_every_mode_becomes_gray_or_rgb(tmp_path, mode, suffix, channels):
    image = Image.fromarray(GRAY if channels == 1 else COLOUR).convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    pixels = read_picture(tmp_path / f"a.{suffix}").pixels
    wanted = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(40, 50, channels)
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).mean() < (6 if suffix == "jpg" else 0.01)


def test_alpha_is_dropped_and_hidden_colours_shown(tmp_path):
    see_through = np.dstack([COLOUR, np.zeros((40, 50), np.uint8)])
    np.testing.assert_array_equal(
        read_picture(saved(tmp_path / "a.png", see_through)).pixels, COLOUR
    )


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes(range(16)))
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.png").pixels, np.asarray(image.convert("RGB"))
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_images_are_upright(tmp_path, suffix, orientation):
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }
    tags = Image.Exif()
    tags[274] = orientation
    path = saved(tmp_path / f"a.{suffix}", GRAY, exif=tags)
    wanted = turns[orientation](GRAY)
    assert read_image_size(path) == wanted.shape
    assert np.abs(read_picture(path).pixels[..., 0].astype(int) - wanted).mean() < 4


@pytest.mark.parametrize("end", [False, True], ids=["EXIF before the pixels", "EXIF after them"])
def test_a_rotated_16_bit_colour_png_is_turned_upright(tmp_path, end):
    cv2.imwrite(str(tmp_path / "a.png"), COLOUR.astype(np.uint16) * 257)
    whole = (tmp_path / "a.png").read_bytes()
    tags = Image.Exif()
    tags[274] = 6
    where = len(whole) - 12 if end else 33
    (tmp_path / "a.png").write_bytes(
        whole[:where] + png_chunk(b"eXIf", tags.tobytes()[6:]) + whole[where:]
    )
    wanted = np.rot90(stretched(COLOUR[..., ::-1] * 257.0), -1)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, wanted)
    assert read_image_size(tmp_path / "a.png") == (50, 40)


def test_gray_stored_as_rgb_is_gray(tmp_path):
    path = saved(tmp_path / "a.png", np.repeat(GRAY[..., None], 3, axis=-1))
    np.testing.assert_array_equal(read_picture(path).pixels, GRAY[..., None])


@pytest.mark.parametrize("channel", range(3))
def test_one_coloured_pixel_makes_an_image_coloured(tmp_path, channel):
    pixels = np.repeat(GRAY[..., None], 3, axis=-1)
    pixels[3, 4, channel] ^= 1
    assert read_picture(saved(tmp_path / "a.png", pixels)).pixels.shape == (40, 50, 3)


# --- damage


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_truncated_file_is_unreadable(tmp_path, suffix, share):
    path = saved(tmp_path / f"a.{suffix}", COLOUR)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises((OSError, ValueError)):
        read_picture(path)


def test_truncated_16_bit_colour_is_unreadable(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), COLOUR.astype(np.uint16) * 257)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="truncated"):
        read_picture(tmp_path / "a.png")


def test_several_frames_are_refused_with_their_number(tmp_path):
    pages = [Image.fromarray(GRAY) for _ in range(3)]
    for name in ("a.tif", "a.png"):
        pages = [Image.fromarray(np.roll(GRAY, i)) for i in range(3)]
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        with pytest.raises(ValueError, match="has 3 frames; one image per file"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"not an image", "not a PNG, JPEG, TIFF or BMP file"),
        (None, "no such file"),
    ],
)
def test_an_unreadable_file_is_named_with_the_reason(tmp_path, content, reason):
    good, bad = saved(tmp_path / "good.png", GRAY), tmp_path / "bad.png"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(
        UserError, match=f"1 of 2 image files cannot be read: .*bad.png: {reason}.*on_error='skip'"
    ):
        load([good, bad])


def test_other_formats_are_refused_whatever_their_suffix(tmp_path):
    saved(tmp_path / "a.gif", GRAY)
    (tmp_path / "a.gif").rename(tmp_path / "a.png")
    with pytest.raises(ValueError, match="not a PNG, JPEG, TIFF or BMP"):
        read_picture(tmp_path / "a.png")


def test_all_unreadable_files_are_counted_and_three_named(tmp_path):
    paths = [saved(tmp_path / "good.png", GRAY)] + [tmp_path / f"bad{i}.png" for i in range(5)]
    with pytest.raises(
        UserError, match=r"5 of 6 image files cannot be read: .*bad0.png.*bad1.png.*bad2.png"
    ) as error:
        load(paths)
    assert "bad3.png" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_an_image_of_more_than_max_pixels_is_unreadable_and_the_message_says_how_to_allow_it(
    tmp_path, suffix
):
    good, large = (
        saved(tmp_path / "good.png", GRAY),
        saved(tmp_path / f"large.{suffix}", data.camera()),
    )
    with pytest.raises(
        UserError,
        match=r"1 of 2 .*large.*512x512 are more than 262,143 pixels; .*max_pixels=262144",
    ):
        load([good, large], max_pixels=512 * 512 - 1)
    assert load([good, large], max_pixels=512 * 512).images.shape[0] == 2


def test_an_image_of_99_megapixels_is_read_where_max_pixels_allows_it(tmp_path):
    path = tmp_path / "a.png"
    Image.new("1", (11_000, 9_000), 1).save(path)
    with pytest.raises(UserError, match="max_pixels=99000000"):
        load([path])
    assert (load([path], max_pixels=99_000_000, size=8).images == 255).all()


def test_a_file_of_many_bytes_per_pixel_is_bounded_too(tmp_path):
    path = write_tiff(tmp_path / "a.tif", np.zeros((40, 50, 3)), photometric=2)
    with pytest.raises(
        ValueError, match=r"decoded, it takes .* MB; to read it, set max_pixels=6000"
    ):
        read_picture(path, max_pixels=5999)
    read_picture(path, max_pixels=6000)


def test_skip_drops_unreadable_files_and_notes_them(tmp_path):
    first, bad, last = (
        saved(tmp_path / "a.png", GRAY),
        tmp_path / "b.png",
        saved(tmp_path / "c.png", np.flipud(GRAY)),
    )
    bad.write_bytes(b"x")
    loaded = load([first, bad, last], on_error="skip")
    assert loaded.kept == [0, 2]
    np.testing.assert_array_equal(loaded.images[1, ..., 0], np.flipud(GRAY))
    assert loaded.notes[0].startswith(f"1 of 3 image files cannot be read and were left out: {bad}")


def test_a_skipped_file_does_not_affect_the_size(tmp_path):
    path = saved(tmp_path / "half.png", data.camera())
    path.write_bytes(path.read_bytes()[:2000])
    assert load([path, saved(tmp_path / "a.png", GRAY)], on_error="skip").images.shape == (
        1,
        40,
        50,
        1,
    )


def test_skip_with_nothing_left_is_an_error(tmp_path):
    with pytest.raises(UserError, match="1 of 1 image files cannot be read"):
        load([tmp_path / "none.png"], on_error="skip")


# --- conversion to 8 bits


def test_values_outside_the_percentiles_are_clipped():
    values = np.arange(1000, dtype=np.float32)
    pixels, _ = to_eight_bits(values, (10, 90))
    assert (pixels[:100] == 0).all()
    assert (pixels[900:] == 255).all()
    assert pixels[500] in (127, 128)


def test_a_constant_image_becomes_zero_and_is_noted(tmp_path):
    loaded = load([saved(tmp_path / "a.png", np.full((9, 9), 3000, np.uint16))])
    assert not loaded.images.any()
    assert "1 constant image: all values became 0" in loaded.notes


def test_rare_high_values_on_a_constant_ground_stay_visible():
    values = np.zeros(1000, np.uint16)
    values[7] = 500
    assert np.flatnonzero(to_eight_bits(values, (1, 99))[0] == 255).tolist() == [7]


def test_not_finite_values_are_the_low_end_and_counted(tmp_path):
    values = (GRAY / 255).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    loaded = load([write_tiff(tmp_path / "a.tif", values)])
    assert loaded.images[0, 0, :3, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(loaded.images[0, 1:, :, 0], _from_finite(values)[1:], atol=1)
    assert "3 NaN or infinite values in 1 image became 0" in loaded.notes


def _from_finite(values):
    low, high = np.percentile(values[np.isfinite(values)], (1, 99))
    return 255 * np.clip((np.nan_to_num(values) - low) / (high - low), 0, 1)


def test_an_image_without_a_finite_value_is_unreadable(tmp_path):
    with pytest.raises(UserError, match="no pixel has a finite value"):
        load([write_tiff(tmp_path / "a.tif", np.full((8, 8), np.nan, np.float32))])


def test_the_percentile_rule_is_noted_with_the_number_of_images(tmp_path):
    paths = [
        saved(tmp_path / "a.png", DEEP),
        saved(tmp_path / "b.png", GRAY),
        write_tiff(tmp_path / "c.tif", DEEP.astype(np.float32)),
    ]
    notes = load(paths, percentiles=(0.5, 99.5)).notes
    assert notes == (
        "2 16-bit or float images: each image's percentiles 0.5 to 99.5 mapped to 0..255, values "
        "outside clipped",
    )


# --- size and colour


def test_small_images_of_one_size_keep_it(tmp_path):
    loaded = load([saved(tmp_path / f"{i}.png", GRAY) for i in range(2)])
    assert loaded.images.shape == (2, 40, 50, 1)
    assert loaded.notes == ()


def test_images_of_128_pixels_keep_their_size_and_of_129_do_not(tmp_path):
    assert load([saved(tmp_path / "a.png", data.camera()[:128, :20])]).images.shape[1:3] == (
        128,
        20,
    )
    loaded = load([saved(tmp_path / "b.png", data.camera()[:20, :129])])
    assert loaded.images.shape[1:3] == (74, 74)


def test_images_of_several_sizes_get_the_median_side(tmp_path):
    shapes = [(48, 64), (100, 80), (450, 500)]
    loaded = load([saved(tmp_path / f"{h}.png", data.camera()[:h, :w]) for h, w in shapes])
    assert loaded.images.shape == (3, 90, 90, 1)
    assert loaded.notes == (
        "3 images resized to 90x90 from 48x64..450x500 (height x width): the median side, at most "
        "128",
    )


def test_the_default_size_is_at_most_128(tmp_path):
    assert load([saved(tmp_path / "a.png", data.camera())]).images.shape == (1, 128, 128, 1)


def test_images_get_the_requested_size(tmp_path):
    loaded = load([saved(tmp_path / "a.png", COLOUR)], size=24)
    assert loaded.images.shape == (1, 24, 24, 3)
    assert loaded.notes == ("1 image resized to 24x24 from 40x50 (height x width): as requested",)


@pytest.mark.parametrize(("size", "method"), [(20, cv2.INTER_AREA), (90, cv2.INTER_CUBIC)])
def test_shrinking_averages_areas_and_enlarging_is_bicubic(tmp_path, size, method):
    loaded = load([saved(tmp_path / "a.png", COLOUR)], size=size)
    np.testing.assert_array_equal(
        loaded.images[0], cv2.resize(COLOUR, (size, size), interpolation=method)
    )


def test_one_coloured_image_makes_all_rgb_and_is_noted(tmp_path):
    loaded = load([saved(tmp_path / "a.png", GRAY), saved(tmp_path / "b.png", COLOUR)])
    np.testing.assert_array_equal(loaded.images[0], np.repeat(GRAY[..., None], 3, axis=-1))
    np.testing.assert_array_equal(loaded.images[1], COLOUR)
    assert loaded.notes == ("1 gray image among 2 given three equal channels",)


# --- options


@pytest.mark.parametrize(
    "percentiles",
    [(99, 1), (5, 5), (-1, 99), (1, 101), (1,), (1, 50, 99), "1,99", None, ("a", "b"), 5],
)
def test_percentiles_that_are_not_increasing_numbers_are_refused(percentiles):
    with pytest.raises(UserError, match=r"percentiles: .* from 0 to 100"):
        Options(percentiles=percentiles)


def test_an_unknown_on_error_is_refused_with_the_valid_ones():
    with pytest.raises(
        UserError, match=r"on_error 'skp'; did you mean 'skip'\? Valid: raise, skip"
    ):
        Options(on_error="skp")


@pytest.mark.parametrize("size", [0, -3, 2.5, "big"])
def test_a_size_that_is_no_number_of_pixels_is_refused(size):
    with pytest.raises(UserError, match=r"size: .* is not a number of pixels"):
        Options(size=size)


@pytest.mark.parametrize("max_pixels", [0, -3, 2.5, True, "many"])
def test_max_pixels_that_is_no_number_of_pixels_is_refused(max_pixels):
    with pytest.raises(UserError, match=r"max_pixels: .* is not a number of pixels"):
        Options(max_pixels=max_pixels)
