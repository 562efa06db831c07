"""The types that a pipeline's file may hold: those that pipelines of the registries are made of, those of plug-ins, and no other.

skops trusts more, all of scikit-learn's public estimators among them; whatever is not on this list
is refused before skops sees it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from benchmark.plugins.plugin_files import load_plugin_file
from benchmark.plugins.registry import registered_targets

SCALARS = frozenset(
    f"numpy.{name}" for name in ("float32", "float64", "int32", "int64", "uint64", "bool", "bool_")
)
LOSSES = frozenset(
    ("sklearn._loss._loss.CyHalfBinomialLoss", "sklearn._loss._loss.CyHalfMultinomialLoss")
)
TREE = "sklearn.tree._tree.Tree"
PLAIN = (
    *(
        f"builtins.{name}"
        for name in ("dict", "list", "tuple", "set", "str", "int", "float", "bytes")
    ),
    "collections.OrderedDict",
    *(
        "numpy.ndarray",
        *SCALARS,
        "numpy.random.mtrand.RandomState",
        "numpy.random._generator.Generator",
    ),
)
LOADERS: dict[
    str, Callable[[str], bool]
] = {  # skops' way of making an object, and the types that are made that way
    "DictNode": lambda name: name in ("builtins.dict", "collections.OrderedDict"),
    "ListNode": lambda name: name == "builtins.list",
    "SetNode": lambda name: name == "builtins.set",
    "BytesNode": lambda name: name == "builtins.bytes",
    "TupleNode": lambda name: name == "builtins.tuple",
    "JsonNode": lambda name: name == "builtins.str",
    "NdArrayNode": lambda name: name == "numpy.ndarray" or name in SCALARS,
    "TypeNode": lambda name: (
        name in SCALARS or name in ("builtins.str", "builtins.int", "builtins.float")
    ),
    "ObjectNode": lambda name: name not in {*PLAIN, *LOSSES, TREE},
    "LossNode": lambda name: name in LOSSES,
    "TreeNode": lambda name: name == TREE,
    "RandomStateNode": lambda name: name == "numpy.random.mtrand.RandomState",
    "RandomGeneratorNode": lambda name: name == "numpy.random._generator.Generator",
}
OURS = (
    "benchmark.strategies.base.Combined",
    "benchmark.strategies.base.Strategy",
    "benchmark.strategies.thresholds.PriorThreshold",
    "benchmark.strategies.thresholds.TunedThreshold",
    "features.visual_words.Fisher",
    "features.visual_words.Hard",
    "features.visual_words.Soft",
    "features.visual_words.VLAD",
    "models.calibration.Calibrated",
    "models.classical.CentroidClassifier",
    "models.classical.StableGaussianNB",
    "models.imbalanced.UnderSampler",
    "models.linear_svm.LinearSVM",
    "models.one_vs_rest.OneVsRest",
    "models.svm.AtMostNystroem",
    "models.svm.CoupledSVC",
)
LIBRARIES = (
    "imblearn.ensemble._bagging.BalancedBaggingClassifier",
    "imblearn.ensemble._easy_ensemble.EasyEnsembleClassifier",
    "imblearn.ensemble._forest.BalancedRandomForestClassifier",
    "imblearn.ensemble._weight_boosting.RUSBoostClassifier",
    "imblearn.pipeline.Pipeline",
    "imblearn.under_sampling._prototype_selection._random_under_sampler.RandomUnderSampler",
    *LOSSES,
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn.decomposition._pca.PCA",
    "sklearn.dummy.DummyClassifier",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # see compiled.py
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
    "sklearn.feature_selection._variance_threshold.VarianceThreshold",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.neighbors._classification.KNeighborsClassifier",  # see compiled.py
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.svm._classes.SVC",  # see compiled.py
    "sklearn.tree._classes.DecisionTreeClassifier",
    TREE,  # see compiled.py
)
INSIDE_PLUGINS = (  # all predict with NumPy alone, but for the trees, whose nodes compiled.py looks at
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.decomposition._fastica.FastICA",
    "sklearn.decomposition._truncated_svd.TruncatedSVD",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
    "sklearn.ensemble._bagging.BaggingClassifier",
    "sklearn.ensemble._forest.ExtraTreesClassifier",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.linear_model._ridge.Ridge",
    "sklearn.linear_model._ridge.RidgeClassifier",
    "sklearn.linear_model._stochastic_gradient.SGDClassifier",
    "sklearn.multiclass.OneVsRestClassifier",
    "sklearn.naive_bayes.BernoulliNB",
    "sklearn.naive_bayes.ComplementNB",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.preprocessing._data.MaxAbsScaler",
    "sklearn.preprocessing._data.Normalizer",
    "sklearn.preprocessing._data.PowerTransformer",
    "sklearn.preprocessing._data.RobustScaler",
    "sklearn.svm._classes.LinearSVC",
    "sklearn.tree._classes.ExtraTreeClassifier",
)


def trusted_types(plugins: Iterable[str] = ()) -> set[str]:
    """Names of trusted types: those above, the classes of the registries, and those of plug-in files that the user names."""
    in_registries = {
        target.replace(":", ".")
        for kind in ("extractor", "model")
        for target in registered_targets(kind).values()
    }
    in_files = {
        f"{cls.__module__}.{cls.__qualname__}" for file in plugins for cls in _own_classes(file)
    }
    return {*PLAIN, *OURS, *LIBRARIES, *INSIDE_PLUGINS, *in_registries, *in_files}


def _own_classes(file: str) -> list[type]:
    module = load_plugin_file(file)
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
