"""The public names of the packages, which are imported at first use."""

import subprocess
import sys
from types import ModuleType

import pytest

import benchmark
import features
import models


@pytest.mark.parametrize(
    "package", [benchmark, features, models], ids=lambda package: package.__name__
)
def test_every_public_name_exists_and_is_listed(package):
    assert set(dir(package)) == set(package.__all__)
    assert not any(isinstance(getattr(package, name), ModuleType) for name in package.__all__)


def test_an_unknown_name_is_an_attribute_error():
    for package in (benchmark, features, models):
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            _ = package.Nothing


def test_importing_a_package_imports_neither_torch_nor_opencv():
    code = (
        "import sys, benchmark, features, models; "
        "assert not {'torch', 'cv2', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_names_of_the_readme_import():
    code = (
        "from features import HOG; from models import SimpleCNN; "
        "from benchmark import run, load_study, load_results, Dataset, Study, __version__; "
        "print(__version__)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        == benchmark.__version__
    )
