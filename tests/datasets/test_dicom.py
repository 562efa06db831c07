"""Display of DICOM files: rescale, windows, lookup tables, colours; patients as groups."""

import numpy as np
import pytest
from pydicom import Dataset as DicomDataset
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from skimage import data

from benchmark.datasets.csv_file import load_csv
from benchmark.datasets.folder import load_folder
from benchmark.datasets.images.load import load_images
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import read_image_size, read_picture
from benchmark.errors import UserError

# like a CT: air near -1000, soft tissue around 0, bone above 1000; stored with 1024 added
HOUNSFIELD = data.camera()[100:140, 200:250].astype(np.int32) * 10 - 1000
STORED = (HOUNSFIELD + 1024).astype(np.uint16)
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024}
ABDOMEN = {"WindowCenter": 40, "WindowWidth": 400}


def write(path, pixels=STORED, **tags):
    file = DicomDataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = SecondaryCaptureImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    photometric = tags.pop("photometric", "MONOCHROME2")
    bits = 8 * pixels.dtype.itemsize
    file.set_pixel_data(pixels, photometric, tags.pop("bits_stored", bits))
    for tag, value in tags.items():
        setattr(file, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path


def linear(values, center, width):
    """Apply the window of DICOM PS3.3 C.11.2.1.2.1, mapped to 0..255."""
    return np.rint(255 * np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1))


def stretched(values):
    low, high = np.percentile(values, (1, 99))
    return np.rint(255 * np.clip((values - low) / (high - low), 0, 1))


def shown(path):
    return read_picture(path).pixels[..., 0]


@pytest.mark.parametrize("suffix", ["dcm", "dicom", "DCM"])
def test_values_are_rescaled_and_shown_through_their_window(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", **CT, **ABDOMEN)
    np.testing.assert_array_equal(shown(path), linear(HOUNSFIELD, 40, 400))
    assert read_image_size(path) == (40, 50)


def test_signed_values_and_a_slope_are_rescaled(tmp_path):
    path = write(
        tmp_path / "a.dcm",
        (HOUNSFIELD // 2).astype(np.int16),
        RescaleSlope=2,
        RescaleIntercept=0,
        **ABDOMEN,
    )
    np.testing.assert_array_equal(shown(path), linear(HOUNSFIELD // 2 * 2, 40, 400))


def test_the_first_of_several_windows_is_used(tmp_path):
    path = write(tmp_path / "a.dcm", **CT, WindowCenter=[40, -600], WindowWidth=[400, 1200])
    np.testing.assert_array_equal(shown(path), linear(HOUNSFIELD, 40, 400))


def test_a_sigmoid_window_is_a_sigmoid(tmp_path):
    path = write(tmp_path / "a.dcm", **CT, **ABDOMEN, VOILUTFunction="SIGMOID")
    np.testing.assert_array_equal(
        shown(path), np.rint(255 / (1 + np.exp(-4 * (HOUNSFIELD - 40.0) / 400)))
    )


def test_an_exact_linear_window_is_exact(tmp_path):
    path = write(
        tmp_path / "a.dcm", **CT, WindowCenter=40, WindowWidth=10, VOILUTFunction="LINEAR_EXACT"
    )
    np.testing.assert_array_equal(
        shown(path), np.rint(255 * np.clip((HOUNSFIELD - 40) / 10 + 0.5, 0, 1))
    )


def test_a_negative_slope_leaves_high_values_bright(tmp_path):
    path = write(
        tmp_path / "a.dcm",
        (1550 - HOUNSFIELD).astype(np.uint16),
        RescaleSlope=-1,
        RescaleIntercept=1550,
        **ABDOMEN,
    )
    np.testing.assert_array_equal(shown(path), linear(HOUNSFIELD, 40, 400))


def voi_lut(entries, first, bits):
    item = DicomDataset()
    item.add_new("LUTDescriptor", "SS", [len(entries), first, bits])
    item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return [item]


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_voi_lut_takes_precedence_over_the_window_and_clips_values(tmp_path, bits):
    root = np.rint(np.linspace(0, 1, 200) ** 0.5 * (2**bits - 1))
    path = write(tmp_path / "a.dcm", **CT, **ABDOMEN, VOILUTSequence=voi_lut(root, -100, bits))
    wanted = root[np.clip(HOUNSFIELD + 100, 0, 199)] / (2**bits - 1)
    np.testing.assert_allclose(shown(path), 255 * wanted, atol=0.51)


def test_a_voi_lut_that_pydicom_would_misread_is_read(tmp_path):
    entries = np.linspace(0, 255, 4096).astype(int)
    path = write(tmp_path / "a.dcm", **CT, VOILUTSequence=voi_lut(entries, 0, 8))
    np.testing.assert_array_equal(shown(path), entries[HOUNSFIELD.clip(0, 4095)])


def test_without_a_window_percentiles_are_used(tmp_path):
    np.testing.assert_array_equal(shown(write(tmp_path / "a.dcm", **CT)), stretched(HOUNSFIELD))


def test_monochrome1_is_inverted_with_and_without_a_window(tmp_path):
    windowed = write(tmp_path / "a.dcm", **CT, **ABDOMEN, photometric="MONOCHROME1")
    plain = write(tmp_path / "b.dcm", **CT, photometric="MONOCHROME1")
    np.testing.assert_array_equal(shown(windowed), 255 - linear(HOUNSFIELD, 40, 400))
    np.testing.assert_array_equal(shown(plain), 255 - stretched(HOUNSFIELD))


@pytest.mark.parametrize(
    "tags", [{}, {"RescaleSlope": 1, "RescaleIntercept": 0}], ids=["plain", "identity rescale"]
)
def test_8_bit_gray_without_a_window_is_unchanged(tmp_path, tags):
    gray = data.camera()[100:140, 200:250] // 2
    picture = read_picture(write(tmp_path / "a.dcm", gray, **tags))
    np.testing.assert_array_equal(picture.pixels[..., 0], gray)
    assert not picture.stretched


def test_a_window_is_not_applied_to_colours(tmp_path):
    colour = data.astronaut()[0:40, 200:250]
    picture = read_picture(write(tmp_path / "a.dcm", colour, photometric="RGB", **ABDOMEN))
    np.testing.assert_array_equal(picture.pixels, colour)


def test_palette_indices_become_their_colours(tmp_path):
    colours = data.astronaut()[7, :256].astype(np.uint8)
    indices = data.camera()[100:140, 200:250]
    file = dcmread(write(tmp_path / "a.dcm", indices))
    file.PhotometricInterpretation = "PALETTE COLOR"
    for i, name in enumerate(("Red", "Green", "Blue")):
        file.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        setattr(file, f"{name}PaletteColorLookupTableData", colours[:, i].tobytes())
    file.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.dcm").pixels, colours[indices])


def test_ybr_becomes_rgb(tmp_path):
    from pydicom.pixels.processing import convert_color_space

    colour = data.astronaut()[0:40, 200:250]
    path = write(
        tmp_path / "a.dcm", convert_color_space(colour, "RGB", "YBR_FULL"), photometric="YBR_FULL"
    )
    assert np.abs(read_picture(path).pixels.astype(int) - colour).max() < 4


def test_several_frames_are_refused_with_their_number(tmp_path):
    path = write(tmp_path / "a.dcm", np.stack([STORED, STORED]))
    with pytest.raises(ValueError, match="has 2 frames; one image per file"):
        read_picture(path)


def test_a_truncated_file_and_one_of_another_type_are_unreadable(tmp_path):
    whole, other = write(tmp_path / "half.dcm"), tmp_path / "other.dcm"
    whole.write_bytes(whole.read_bytes()[:-2000])
    other.write_bytes(b"not an image at all" * 20)
    with pytest.raises(UserError, match=r"2 of 2 .*half.dcm: .*; .*other.dcm: not a DICOM file"):
        load_images([whole, other], ["half.dcm", "other.dcm"], Options())


def test_an_unsupported_compression_is_reported_in_one_line(tmp_path):
    file = dcmread(write(tmp_path / "a.dcm"))
    file.file_meta.TransferSyntaxUID = JPEGLSLossless
    file["PixelData"].is_undefined_length = True
    file.PixelData = encapsulate([b"\xff\xd8 nothing that a decoder knows"])
    file.save_as(tmp_path / "a.dcm")
    with pytest.raises(UserError, match=r"1 of 1 .*a\.dcm: .") as error:
        load_images([tmp_path / "a.dcm"], ["a.dcm"], Options())
    assert "\n" not in str(error.value)


def test_the_notes_tell_windowed_from_stretched_and_inverted(tmp_path):
    paths = [
        write(tmp_path / "a.dcm", **CT, **ABDOMEN),
        write(tmp_path / "b.dcm", **CT, photometric="MONOCHROME1"),
    ]
    assert load_images(paths, ["a", "b"], Options()).notes == (
        "1 DICOM image: modality rescale, then the file's first VOI window or LUT, to 0..255",
        "1 DICOM image: no VOI window; modality rescale, then each image's percentiles 1 to 99 "
        "mapped to 0..255, values outside clipped",
        "1 low-is-white image: inverted (MONOCHROME1, or WhiteIsZero of a TIFF)",
    )


def folder_of(tmp_path, *patients):
    for i, patient in enumerate(patients):
        write(
            tmp_path / "ab"[i % 2] / f"{i}.dcm",
            **({} if patient is None else {"PatientID": patient}),
        )
    return load_folder(f"folder:{tmp_path}", tmp_path, None)


def test_patients_are_groups(tmp_path):
    dataset = folder_of(tmp_path, "P1", "P2", "P1", "P3")
    assert dataset.groups.tolist() == ["P1", "P1", "P2", "P3"]
    assert "groups: 3 in 4 images, made of the PatientID of the DICOM files" in dataset.notes


def test_sex_age_and_scanner_are_attributes_where_a_file_has_them(tmp_path):
    write(tmp_path / "a" / "0.dcm", PatientSex="F", PatientAge="063Y", Manufacturer="ACME")
    write(tmp_path / "b" / "1.dcm", PatientAge="018M")
    write(tmp_path / "b" / "2.dcm", StationName="")
    attributes = load_folder(f"folder:{tmp_path}", tmp_path, None).attributes
    assert list(attributes) == ["sex", "age", "manufacturer"]
    assert attributes["sex"].tolist() == ["F", "", ""]
    np.testing.assert_array_equal(attributes["age"], [63, 1.5, np.nan])


def test_a_column_takes_precedence_over_an_element_of_the_same_name(tmp_path):
    for i in range(2):
        write(tmp_path / f"{i}.dcm", PatientSex="F")
    (tmp_path / "set.csv").write_text("image,label,sex\n0.dcm,a,male\n1.dcm,b,\n")
    dataset = load_csv(f"csv:{tmp_path}/set.csv", tmp_path, None, attributes=("sex",))
    assert dataset.attributes["sex"].tolist() == ["male", ""]


def test_a_group_column_takes_precedence_over_patients(tmp_path):
    for i in range(2):
        write(tmp_path / f"{i}.dcm", PatientID=f"P{i}")
    (tmp_path / "set.csv").write_text("image,label,group\n0.dcm,a,G7\n1.dcm,b,G8\n")
    assert load_csv(f"csv:{tmp_path}/set.csv", tmp_path, None).groups.tolist() == ["G7", "G8"]


def test_a_single_patient_means_no_groups_and_is_noted(tmp_path):
    dataset = folder_of(tmp_path, "ANONYMOUS", "ANONYMOUS")
    assert dataset.groups is None
    assert (
        "no groups: all 2 DICOM files have the same PatientID; list the patients in the column "
        "'group' of a CSV" in dataset.notes
    )


def test_a_missing_patient_means_no_groups_and_is_noted(tmp_path):
    dataset = folder_of(tmp_path, "P1", None, "P2", "")
    assert dataset.groups is None
    assert (
        "no groups: 2 of 4 DICOM files have no PatientID; list the patients in the column 'group' "
        "of a CSV" in dataset.notes
    )


def test_one_patient_for_all_files_but_one_means_no_groups_and_is_noted(tmp_path):
    dataset = folder_of(tmp_path, "ANON", "ANON", "ANON", "P1")
    assert dataset.groups is None
    assert (
        "no groups: all but 1 of the 4 DICOM files have the same PatientID; list the patients in "
        "the column 'group' of a CSV" in dataset.notes
    )


@pytest.mark.parametrize("patients", [("P1", "P2"), ("P1", "P1", "P2"), ("P1", "P1", "P2", "P2")])
def test_two_patients_are_groups(tmp_path, patients):
    assert folder_of(tmp_path, *patients).groups is not None


def test_other_files_beside_dicom_mean_no_groups_and_are_counted(tmp_path):
    from PIL import Image

    write(tmp_path / "a" / "1.dcm", PatientID="P1")
    write(tmp_path / "b" / "2.dcm", PatientID="P2")
    Image.fromarray(data.camera()[:40, :50]).save(tmp_path / "a" / "3.png")
    dataset = load_folder(f"folder:{tmp_path}", tmp_path, None)
    assert dataset.groups is None
    assert (
        "no groups: 1 of 3 files is not DICOM, so the PatientID of the others (2 patients) is not "
        "used; list the patients in the column 'group' of a CSV"
    ) in dataset.notes
