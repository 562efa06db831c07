"""Registry of the models: scikit-learn classifiers and networks with a common interface.

A model is a class or a function whose keyword arguments are its parameters and which returns a
scikit-learn classifier with ``predict_proba``. A model with the class attribute
``takes = "images"`` receives images, (n, h, w, c) uint8; all others receive features, (n, d)
float32. A model that can run on a GPU has the attribute ``uses_gpu = True``.

The registry holds ``module:attribute`` strings, so that reading it imports nothing.
"""

from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

REGISTRY = MappingProxyType(
    {
        "majority": "models.classical:majority",
        "logistic_regression": "models.classical:logistic_regression",
        "linear_svm": "models.classical:linear_svm",
        "rbf_svm": "models.classical:rbf_svm",
        "nystroem_svm": "models.classical:nystroem_svm",
        "knn": "models.classical:knn",
        "nearest_centroid": "models.classical:nearest_centroid",
        "gaussian_nb": "models.classical:gaussian_nb",
        "multinomial_nb": "models.classical:multinomial_nb",
        "random_forest": "models.classical:random_forest",
        "gradient_boosting": "models.classical:gradient_boosting",
        "chunked_logistic_regression": (
            "models.chunked_logistic_regression:ChunkedLogisticRegression"
        ),
        "lightgbm": "models.lightgbm_boosting:LightGBM",
        "one_vs_rest": "models.classical:one_vs_rest",
        "balanced_random_forest": "models.imbalanced:balanced_random_forest",
        "easy_ensemble": "models.imbalanced:easy_ensemble",
        "rus_boost": "models.imbalanced:rus_boost",
        "balanced_bagging": "models.imbalanced:balanced_bagging",
        "simple_cnn": "models.cnn:SimpleCNN",
        "resnet18": "models.resnet:ResNet18",
        "resnet50": "models.resnet:ResNet50",
        "fast_resnet": "models.fast_resnet:FastResNet",
    }
)
# linear_svm and one_vs_rest are modules of this package; their functions are in models.classical
_PUBLIC = {
    target.partition(":")[2]: target
    for name, target in REGISTRY.items()
    if name not in ("linear_svm", "one_vs_rest")
}
__all__ = sorted(_PUBLIC)  # resolved by __getattr__


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return resolve_name(_PUBLIC[name])
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
