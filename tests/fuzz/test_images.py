"""Damaged and hostile image files are read or refused in one line.

They never crash the process, make it hang, or use much more memory than the file has bytes.
"""

import faulthandler
import resource
import tracemalloc

import dicom_types
import image_types
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmark.datasets.images.load import load_images
from benchmark.datasets.images.options import Options
from benchmark.errors import UserError

pytestmark = pytest.mark.slow

N_INPUTS = 500  # per kind
HANGS = 60  # seconds; undamaged files take milliseconds
MAX_PIXELS = 10**6
MAX_MEMORY = 100e6  # bytes, enough for a million pixels
TIFF_TYPES = (
    ("u8", "RGB", "alpha"),
    ("u16", "BlackIsZero", "none"),
    ("f64", "WhiteIsZero", "none"),
    ("u4", "palette", "none"),
    ("u8", "CMYK", "none"),
)
NUMBERS = (0, 1, 2, 3, 7, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


def tiff_seeds(folder):
    """Yield small TIFF files of every layout."""
    path = folder / "seed.tif"
    for samples, colours, extra in TIFF_TYPES:
        for order, planar in (("<", 1), (">", 2 if colours in ("RGB", "CMYK") else 1)):
            kind = image_types.TiffType(samples, colours, extra, 6, order, planar)
            yield image_types.write_tiff(path, kind, image_types.make_samples(kind)[0]).read_bytes()
    for compression in ("lzw", "deflate", "packbits", "zstd", "lzma", "jpeg"):
        for tile in (None, (16, 16)):
            pixels = image_types.smooth_values(True)
            tifffile.imwrite(
                path,
                pixels,
                compression=compression,
                tile=tile,
                photometric="rgb",
                predictor=compression != "jpeg",
            )
            yield path.read_bytes()
    for compression in ("group3", "group4"):
        Image.fromarray(image_types.smooth_values(False) > 128).save(path, compression=compression)
        yield path.read_bytes()


def dicom_seeds(folder):
    """Yield the cases of ``dicom_types``, and small files that pydicom ships."""
    for case in dicom_types.cases():
        yield dicom_types.write_case(case, folder / "seed.dcm").read_bytes()
    for path in dicom_types.shipped_files():
        if path.stat().st_size < 40_000:
            yield path.read_bytes()


def other_seeds(folder):
    """Yield PNG, JPEG and BMP files."""
    for colour_type, bits, orientation, late in list(image_types.png_types())[::17]:
        image_types.check_png(folder, colour_type, bits, orientation, late)
        yield (folder / "a.png").read_bytes()
    for mode in ("L", "RGB", "CMYK"):
        image_types.check_jpeg(folder, mode, mode == "RGB", 6)
        yield (folder / "a.jpg").read_bytes()
    for bits in (1, 8, 16, 32):
        image_types.check_bmp(folder, bits, False)
        yield (folder / "a.bmp").read_bytes()


def mutate(content, random):
    """Flip, remove or insert bytes, cut the end off, or overwrite a field with a special number."""
    changed = bytearray(content)
    header = min(len(changed), 600)
    for _ in range(random.integers(1, 6)):
        # headers are at the beginning, the directory of a TIFF at the end
        near = (
            random.integers(0, header)
            if random.random() < 0.5
            else len(changed) - random.integers(1, header + 1)
        )
        where = int(random.choice([near, random.integers(0, len(changed))], p=[0.8, 0.2]))
        action = random.integers(0, 6)
        if action == 0:
            changed[where] = random.integers(0, 256)
        elif action == 1:
            changed[where] ^= 1 << random.integers(0, 8)
        elif action == 2 and len(changed) > 40:
            del changed[where : where + int(random.integers(1, 20))]
        elif action == 3:
            changed[where:where] = random.bytes(int(random.integers(1, 20)))
        elif action == 4:
            number, size = int(random.choice(NUMBERS)), int(random.choice([2, 4]))
            order = "little" if random.random() < 0.5 else "big"
            changed[where : where + size] = (number % 2 ** (8 * size)).to_bytes(size, order)
        elif random.random() < 0.3:
            changed = changed[: max(1, where)]
        if not changed:
            changed = bytearray(b"x")
        header = min(len(changed), 600)
    return bytes(changed)


@pytest.mark.parametrize(
    ("suffix", "seeds"),
    [("tif", tiff_seeds), ("dcm", dicom_seeds), ("png", other_seeds)],
    ids=["TIFF", "DICOM", "PNG, JPEG, BMP"],
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # of pydicom, about the seeds
def test_a_damaged_image_is_read_or_refused_in_one_line(tmp_path, capfd, suffix, seeds):
    random = np.random.default_rng(13)
    whole = list(seeds(tmp_path))
    capfd.readouterr()
    path = tmp_path / f"a.{suffix}"
    outcomes = {"read": 0, "refused": 0}
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(N_INPUTS):
        path.write_bytes(mutate(whole[i % len(whole)], random))
        tracemalloc.reset_peak()
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            load_images([path], [path.name], Options(size=8, max_pixels=MAX_PIXELS))
            outcomes["read"] += 1
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert len(str(error)) < 400  # noqa: PT017
            outcomes["refused"] += 1
        faulthandler.cancel_dump_traceback_later()
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY, i
    tracemalloc.stop()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 2 * MAX_MEMORY
    assert capfd.readouterr() == ("", "")
    assert min(outcomes.values()) > N_INPUTS / 20, outcomes  # both outcomes occur
