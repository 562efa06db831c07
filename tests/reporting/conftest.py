"""Results that several modules read."""

import pytest
from small_studies import NEARLY_EQUAL, make_digits_results


@pytest.fixture(scope="session")
def five_folds(tmp_path_factory):
    """Results of ``NEARLY_EQUAL`` in five folds of the digits."""
    folder = tmp_path_factory.mktemp("five_folds")
    return make_digits_results(folder, NEARLY_EQUAL, "stratified_kfold(folds=5)")
