"""The types that a pipeline's file may hold beside those that skops trusts (NumPy's, SciPy's and scikit-learn's public ones)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from benchmark.plugins import load_file, menu

OURS = (
    "benchmark.strategies.base.Combined",
    "benchmark.strategies.base.Strategy",
    "benchmark.strategies.thresholds.PriorThreshold",
    "benchmark.strategies.thresholds.TunedThreshold",
    "features.visual_words.Fisher",
    "features.visual_words.Hard",
    "features.visual_words.VLAD",
    "models.classical.CentroidClassifier",
    "models.imbalanced.UnderSampler",
    "models.linear_svm.LinearSVM",
    "models.svm.AtMostNystroem",
    "models.svm.Calibrated",
    "models.svm.CoupledSVC",
    "models.svm.ScarceFolds",
)
LIBRARIES = (
    "imblearn.ensemble._bagging.BalancedBaggingClassifier",
    "imblearn.ensemble._easy_ensemble.EasyEnsembleClassifier",
    "imblearn.ensemble._forest.BalancedRandomForestClassifier",
    "imblearn.ensemble._weight_boosting.RUSBoostClassifier",
    "imblearn.pipeline.Pipeline",
    "imblearn.under_sampling._prototype_selection._random_under_sampler.RandomUnderSampler",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # see trees.py
    "sklearn.tree._tree.Tree",
)


def trusted_types(plugins: Iterable[str] = ()) -> set[str]:
    """Names of trusted types: those above, the classes on the menus, and those of plug-in files that the user names."""
    on_menus = {target.replace(":", ".") for kind in ("extractor", "model") for target in menu(kind).values()}
    in_files = {f"{cls.__module__}.{cls.__qualname__}" for file in plugins for cls in _own_classes(file)}
    return {*OURS, *LIBRARIES, *on_menus, *in_files}


def _own_classes(file: str) -> list[type]:
    module = load_file(file)
    return [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]
