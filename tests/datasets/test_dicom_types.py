"""Every type of DICOM image equals the reference or is refused with the reason.

The reference is pydicom's pipeline, or the definition written in NumPy.
"""

import re

import dicom_types
import pytest

# readable files among those in pydicom's package; the others have several frames, are corrupted, or
# need another decoder
N_READABLE = 74


@pytest.mark.parametrize("case", list(dicom_types.cases()), ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")  # pydicom warns about the wrong files that it writes
def test_a_dicom_image_equals_the_reference_or_is_refused(tmp_path, case):
    outcome = dicom_types.check_case(case, tmp_path)
    if isinstance(case.expected, str):
        assert isinstance(outcome, str)
        assert re.search(case.expected, outcome)
    else:
        assert outcome == 0


@pytest.mark.filterwarnings("ignore")
def test_the_files_in_pydicoms_package_equal_its_own_pipeline(tmp_path):
    outcomes = {
        path.name: dicom_types.check_shipped(path, tmp_path) for path in dicom_types.shipped_files()
    }
    read = {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, str)}
    assert set(read.values()) == {0}
    assert len(read) >= N_READABLE
