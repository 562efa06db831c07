"""Every kind of DICOM image is what pydicom's pipeline, or the definition in NumPy, makes of it; or refused with the reason."""

import re

import dicom_types
import pytest

READ = 74  # of the files that pydicom ships; the rest have several frames, are damaged, or need another decoder


@pytest.mark.parametrize("case", list(dicom_types.cases()), ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")  # pydicom's, of the wrong files that it writes
def test_a_dicom_image_is_shown_as_it_says(tmp_path, case):
    outcome = dicom_types.check_case(case, tmp_path)
    if isinstance(case.expected, str):
        assert isinstance(outcome, str)
        assert re.search(case.expected, outcome)
    else:
        assert outcome == 0


@pytest.mark.filterwarnings("ignore")  # pydicom's
def test_the_files_that_pydicom_ships_are_what_its_own_pipeline_makes_of_them(tmp_path):
    outcomes = {
        path.name: dicom_types.check_shipped(path, tmp_path) for path in dicom_types.shipped_files()
    }
    read = {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, str)}
    assert set(read.values()) == {0}
    assert len(read) >= READ
