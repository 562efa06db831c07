"""Every type of image file is read with the right values or refused with the reason."""

import itertools
import threading

import dicom_types
import image_types
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmark.datasets.images.load import load_images
from benchmark.datasets.images.memory import MemoryBudget
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import read_picture
from benchmark.errors import UserError

GRAY_OR_RGB = ("WhiteIsZero", "BlackIsZero", "three bands", "RGB")


def types_of(samples, colours):
    """List every extra channel, byte order and planar layout, with alternating orientations."""
    kinds = [
        kind
        for kind in image_types.tiff_types((1,))
        if (kind.samples, kind.colours) == (samples, colours)
    ]
    orientations = itertools.cycle(range(1, 9))
    return [
        image_types.TiffType(
            *(samples, colours, kind.extra, next(orientations), kind.order, kind.planar)
        )
        for kind in kinds
    ]


@pytest.mark.parametrize("colours", image_types.COLOURS)
@pytest.mark.parametrize("samples", image_types.SAMPLES)
def test_a_tiff_has_the_values_that_were_written_or_is_refused(tmp_path, samples, colours):
    for kind in types_of(samples, colours):
        outcome = image_types.check_tiff(kind, tmp_path / "a.tif")
        if isinstance(outcome, str):
            ordinary = (
                colours in GRAY_OR_RGB and samples != "c64" and kind.extra in ("none", "alpha")
            )
            assert not ordinary, (kind, outcome)
        else:
            assert outcome <= 1, (kind, outcome)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("samples", ["u8", "u16", "f64"])
def test_a_tiff_of_any_orientation_stands_upright(tmp_path, samples, orientation):
    for colours, planar in (("BlackIsZero", 1), ("RGB", 1), ("RGB", 2)):
        kind = image_types.TiffType(samples, colours, "none", orientation, ">", planar)
        assert image_types.check_tiff(kind, tmp_path / "a.tif") == 0


def test_a_palette_of_16_bits_keeps_its_colours(tmp_path):
    for samples in ("u1", "u2", "u4", "u8"):
        assert (
            image_types.check_tiff(
                image_types.TiffType(samples, "palette", "none"), tmp_path / "a.tif"
            )
            == 0
        )


def rows_of(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_png_jpeg_and_bmp_has_the_values_that_were_written(tmp_path):
    for name, files, read, difference, reasons in rows_of(image_types.png_table(tmp_path)):
        assert (files, difference, reasons) == (read, "0", ""), name


def test_every_compression_of_a_tiff_gives_the_values_or_is_refused(tmp_path):
    for name, files, read, difference, reasons in rows_of(image_types.compression_table(tmp_path)):
        if name in ("webp", "jpeg2000"):
            assert (read, reasons[:17]) == ("0", "TIFF compression "), name
        elif name == "packbits":  # tifffile applies a predictor there, others do not
            assert (files, read, difference, reasons[:26]) == (
                "120",
                "60",
                "0",
                "TIFF data with a predictor",
            ), name
        else:
            assert (files, difference, reasons) == (read, "0", ""), name


# --- TIFF files of several images, and corrupted ones


def test_a_stack_of_imagej_in_one_directory_is_refused(tmp_path):
    stack = np.zeros((3, 8, 9), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True)
    whole = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        end = file.pages.first.offset + 2 + 12 * len(file.pages.first.tags)
    # without the link to the next directory
    (tmp_path / "a.tif").write_bytes(whole[:end] + bytes(4) + whole[end + 4 :])
    with pytest.raises(ValueError, match="has 3 frames; one image per file"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (4, 8, 9, 3)])
def test_several_images_under_one_directory_are_refused(tmp_path, shape):
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros(shape, np.uint8), photometric=photometric, truncate=True
    )
    frames = 4 if shape[-1] == 3 else 6
    with pytest.raises(ValueError, match=f"has {frames} frames; one image per file"):
        read_picture(tmp_path / "a.tif")


def test_an_outdated_description_is_not_a_stack(tmp_path):
    pixels = np.arange(72, dtype=np.uint8).reshape(8, 9)
    tifffile.imwrite(tmp_path / "a.tif", pixels, description='{"shape": [80, 90]}', metadata=None)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels[..., 0], pixels)


def test_a_volume_is_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((16, 32, 32), np.uint8), volumetric=True, tile=(16, 16, 16)
    )
    with pytest.raises(ValueError, match="16 slices"):
        read_picture(tmp_path / "a.tif")


def test_a_big_tiff_is_read(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, bigtiff=True, photometric="rgb")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, pixels)


def change_tag(path, code, value):
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags[code].overwrite(value)


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        (279, 0, "a strip or tile is missing"),
        (279, 10**6, "truncated: the file ends before its pixels do"),
        (273, 10**6, "truncated: the file ends before its pixels do"),
        (257, 10**9, "corrupted: 1 of 50000000 strips"),
        (257, 40, "."),
        (258, 13, "."),
        (259, 6, "TIFF compression 6 is not supported"),
        (262, 32803, "TIFF colours CFA are not supported"),
        (262, 8, "TIFF colours CIELAB are not supported"),
    ],
)
def test_a_tiff_with_a_wrong_tag_is_refused_with_the_reason(tmp_path, code, value, reason):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), np.uint8), compression="zlib")
    change_tag(tmp_path / "a.tif", code, value)
    with pytest.raises((ValueError, RuntimeError), match=reason):
        read_picture(tmp_path / "a.tif")


def test_a_larger_jpeg_inside_a_tiff_is_refused_before_it_is_decoded(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((400, 300), np.uint8), compression="jpeg")
    change_tag(tmp_path / "a.tif", 257, 20)
    with pytest.raises(
        ValueError, match="corrupted: a JPEG of 400x300 in a strip or tile of 20x300"
    ):
        read_picture(tmp_path / "a.tif")


def test_a_missing_photometric_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), np.uint8))
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        where = file.pages.first.tags[262].offset
    whole[where : where + 2] = (60_000).to_bytes(2, "little")
    (tmp_path / "a.tif").write_bytes(whole)
    with pytest.raises(ValueError, match="without PhotometricInterpretation"):
        read_picture(tmp_path / "a.tif")


# --- notes and output


def test_three_samples_of_black_is_zero_are_noted(tmp_path):
    for name in "ab":
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            np.arange(300).astype(np.uint8).reshape(10, 10, 3),
            photometric="minisblack",
            planarconfig="contig",
        )
    loaded = load_images([tmp_path / "a.tif", tmp_path / "b.tif"], ["a", "b"], Options())
    assert loaded.notes == ("2 images: three samples of BlackIsZero taken as red, green and blue",)


def test_an_unspecified_extra_channel_is_noted(tmp_path):
    pixels = np.arange(400).astype(np.uint8).reshape(10, 10, 4)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    loaded = load_images([tmp_path / "a.tif"], ["a"], Options())
    np.testing.assert_array_equal(loaded.images[0], pixels[..., :3])
    assert loaded.notes == (
        "1 image: an extra channel of unspecified meaning left out (ExtraSamples of a TIFF)",
    )


def test_nonfinite_values_of_an_inverted_image_are_black(tmp_path):
    values = np.arange(100, dtype=np.float64).reshape(10, 10)
    values[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    assert read_picture(tmp_path / "a.tif").pixels[0, :2, 0].tolist() == [0, 255]


def test_the_largest_doubles_do_not_overflow(tmp_path):
    values = np.linspace(-1, 1, 100).reshape(10, 10) * np.finfo(np.float64).max / 2
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_allclose(
        np.diff(read_picture(tmp_path / "a.tif").pixels.ravel().astype(int))[2:-2], 2.6, atol=0.7
    )


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "bmp", "dcm"])
def test_a_damaged_file_prints_nothing_and_raises_one_line(tmp_path, capfd, recwarn, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "dcm":
        dicom_types.write_case(next(dicom_types.cases()), path)
    else:
        Image.fromarray(image_types.smooth_values(True)).save(path)
    whole = path.read_bytes()
    for i, byte in enumerate(np.random.default_rng(0).integers(0, 256, 60)):
        where = min(len(whole), 400) * i // 60
        path.write_bytes(whole[:where] + bytes([byte]) + whole[where + 1 :])
        try:
            load_images([path], ["a"], Options())
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


# --- memory


def test_a_thread_that_needs_more_than_the_budget_runs_alone():
    budget, total, largest = MemoryBudget(100), [0], [0]
    lock = threading.Lock()

    def work(n_bytes):
        with budget.reserve_memory(n_bytes):
            with lock:
                total[0] += min(n_bytes, 100)
                largest[0] = max(largest[0], total[0])
            with lock:
                total[0] -= min(n_bytes, 100)

    threads = [threading.Thread(target=work, args=(n,)) for n in (30, 500, 60, 100, 10) * 20]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert largest[0] <= 100


def test_the_budget_is_free_again_after_an_error():
    budget = MemoryBudget(10)
    with pytest.raises(ValueError, match="corrupted"), budget.reserve_memory(10):
        raise ValueError("corrupted")
    with budget.reserve_memory(10):
        pass
