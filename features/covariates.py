"""What is known of a patient besides the image, such as age and sex, as features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from features.base import BATCH_SIZE, Features

MISSING = "missing"


class Covariates(TransformerMixin, BaseEstimator):
    """Attributes of the images in place of the images, to see whether these add anything.

    Numbers are standardized, with the median of the training set where they are missing, and a
    further feature that is 1 there. Text has one feature per value of the training set; a missing
    value is a value, and one that the training set lacks has zeros. All is learned on the training
    set.

    Parameters
    ----------
    columns : sequence of str
        Names of attributes; empty for all of the dataset.

    See Also
    --------
    features.image_statistics.ImageStatistics : A control that uses brightness and colour only.

    Examples
    --------
    >>> patients = pd.DataFrame({"age": [40.0, np.nan, 60.0], "sex": ["f", "m", ""]})
    >>> Covariates().fit(patients).get_feature_names_out().tolist()
    ['age', 'age_missing', 'sex_f', 'sex_m', 'sex_missing']
    >>> Covariates(columns=("age",)).fit_transform(patients).round(2).tolist()
    [[-1.2200000286102295, 0.0], [0.0, 1.0], [1.2200000286102295, 0.0]]
    """

    takes = "attributes"
    probe = "covariates"
    stateless = False
    min_size = 1
    batch_size = BATCH_SIZE
    _parameter_constraints: ClassVar[dict[str, Any]] = {"columns": ["array-like"]}

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Learn medians, scales and values from the attributes of the training images.

        Parameters
        ----------
        X : (n, m) DataFrame
            Numbers with NaN, or text, where a missing value is empty.
        y : object
            Ignored.
        """
        names = list(self.columns) or list(X.columns)
        self.numbers_ = [name for name in names if pd.api.types.is_numeric_dtype(X[name])]
        self.texts_ = [name for name in names if name not in self.numbers_]
        self.transformer_ = ColumnTransformer(
            [
                ("numbers", _make_number_features(), self.numbers_),
                ("missing", MissingIndicator(error_on_new=False), self.numbers_),
                ("texts", OneHotEncoder(handle_unknown="ignore"), self.texts_),
            ],
            sparse_threshold=0,
        )
        self.transformer_.fit(self._prepare(X))
        return self

    def transform(self, X: pd.DataFrame) -> Features:
        """Return (n, d) float32 features."""
        check_is_fitted(self)
        return np.asarray(self.transformer_.transform(self._prepare(X)), np.float32)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray[Any, Any]:
        """Names of the features: attribute, or attribute and value."""
        check_is_fitted(self)
        values = []
        if self.texts_:
            encoder = self.transformer_.named_transformers_["texts"]
            values = [
                f"{name}_{value}"
                for name, known in zip(self.texts_, encoder.categories_, strict=True)
                for value in known
            ]
        numbers = self.numbers_ + [f"{name}_missing" for name in self._with_missing()]
        return np.array([*numbers, *values], dtype=object)

    def _with_missing(self) -> list[str]:
        if not self.numbers_:
            return []
        indicator = self.transformer_.named_transformers_["missing"]
        return [self.numbers_[k] for k in indicator.features_]

    def _prepare(self, X: pd.DataFrame) -> pd.DataFrame:
        texts = {name: X[name].astype(str).replace("", MISSING) for name in self.texts_}
        return X[self.numbers_].astype(float).assign(**texts)


def _make_number_features() -> Any:
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler())
