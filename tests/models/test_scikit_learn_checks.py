"""Our classifiers of features pass scikit-learn's checks of estimators.

The networks are not among them, because the checks pass two-dimensional arrays and a network takes
images; ``benchmark.checks`` checks their contract.
"""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.calibration import Calibrated
from models.chunked_logistic_regression import ChunkedLogisticRegression
from models.classical import CentroidClassifier
from models.lightgbm_boosting import LightGBM
from models.linear_svm import LinearSVM
from models.one_vs_rest import OneVsRest
from models.standardizer import Standardizer
from models.svm import CoupledSVC

ESTIMATORS = [
    LinearSVM(),
    CoupledSVC(),
    CoupledSVC(kernel="linear", standardize=False),
    Calibrated(make_pipeline(Standardizer(), LinearSVM())),
    CentroidClassifier(),
    Standardizer(),
    OneVsRest(LinearSVM()),
    ChunkedLogisticRegression(),
    LightGBM(max_iter=10, min_samples_leaf=2),
]


def expected_failures(estimator):
    if isinstance(estimator, LinearSVM):
        return {
            "check_sample_weight_equivalence_on_dense_data": "the minimum is accurate to a "
            "relative 1e-7 of the objective, and scores differ by more than 1e-7"
        }
    if isinstance(estimator, OneVsRest):
        return {
            "check_classifiers_one_label": "OneVsRestClassifier warns of a single label",
            "check_supervised_y_no_nan": "OneVsRestClassifier warns before it raises an error",
        }
    return {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_an_estimator_passes_scikit_learn_s_checks(estimator, check):
    check(estimator)
