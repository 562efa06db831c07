"""Types that a pipeline's file may contain.

These are the types of which pipelines of built-in components consist, and the classes of plug-ins
that the user names. skops trusts more, such as all public estimators of scikit-learn; any type that
is not listed here is refused before skops reads the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from benchmark.plugins.plugin_files import load_plugin_file
from benchmark.plugins.registry import registered_targets

SCALAR_TYPES = frozenset(
    f"numpy.{name}" for name in ("float32", "float64", "int32", "int64", "uint64", "bool", "bool_")
)
LOSS_TYPES = frozenset(
    ("sklearn._loss._loss.CyHalfBinomialLoss", "sklearn._loss._loss.CyHalfMultinomialLoss")
)
TREE_TYPE = "sklearn.tree._tree.Tree"
PLAIN_TYPES = (
    "builtins.dict",
    "builtins.list",
    "builtins.tuple",
    "builtins.set",
    "builtins.str",
    "builtins.int",
    "builtins.float",
    "builtins.bytes",
    "collections.OrderedDict",
    "numpy.ndarray",
    *SCALAR_TYPES,
    "numpy.random.mtrand.RandomState",
    "numpy.random._generator.Generator",
)
# for each loader of skops, whether it may build an object of a type
LOADERS: dict[str, Callable[[str], bool]] = {
    "DictNode": lambda name: name in ("builtins.dict", "collections.OrderedDict"),
    "ListNode": lambda name: name == "builtins.list",
    "SetNode": lambda name: name == "builtins.set",
    "BytesNode": lambda name: name == "builtins.bytes",
    "TupleNode": lambda name: name == "builtins.tuple",
    "JsonNode": lambda name: name == "builtins.str",
    "NdArrayNode": lambda name: name == "numpy.ndarray" or name in SCALAR_TYPES,
    "TypeNode": lambda name: (
        name in SCALAR_TYPES or name in ("builtins.str", "builtins.int", "builtins.float")
    ),
    "ObjectNode": lambda name: name not in {*PLAIN_TYPES, *LOSS_TYPES, TREE_TYPE},
    "LossNode": lambda name: name in LOSS_TYPES,
    "TreeNode": lambda name: name == TREE_TYPE,
    "RandomStateNode": lambda name: name == "numpy.random.mtrand.RandomState",
    "RandomGeneratorNode": lambda name: name == "numpy.random._generator.Generator",
}
OWN_TYPES = (
    "benchmark.strategies.base.Combined",
    "benchmark.strategies.base.Strategy",
    "benchmark.strategies.recalibration.Isotonic",
    "benchmark.strategies.recalibration.PriorCorrection",
    "benchmark.strategies.recalibration.Temperature",
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
    "models.pairwise_machines.PairwiseMachines",
    "models.standardizer.Standardizer",
    "models.svm.AtMostNystroem",
    "models.svm.CoupledSVC",
)
LIBRARY_TYPES = (
    "imblearn.ensemble._bagging.BalancedBaggingClassifier",
    "imblearn.ensemble._easy_ensemble.EasyEnsembleClassifier",
    "imblearn.ensemble._forest.BalancedRandomForestClassifier",
    "imblearn.ensemble._weight_boosting.RUSBoostClassifier",
    "imblearn.pipeline.Pipeline",
    "imblearn.under_sampling._prototype_selection._random_under_sampler.RandomUnderSampler",
    *LOSS_TYPES,
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
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # see native_objects.py
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
    "sklearn.feature_selection._variance_threshold.VarianceThreshold",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.neighbors._classification.KNeighborsClassifier",  # see native_objects.py
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.svm._classes.SVC",  # see native_objects.py
    "sklearn.tree._classes.DecisionTreeClassifier",
    TREE_TYPE,  # see native_objects.py
)
# allowed inside plug-ins; all predict with NumPy alone, except trees: see native_objects.py
PLUGIN_LIBRARY_TYPES = (
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
    """Names of the trusted types, with the classes of the registries and of the given plug-ins.

    Parameters
    ----------
    plugins : iterable of str
        Plug-in files that the user named.
    """
    in_registries = {
        target.replace(":", ".")
        for kind in ("extractor", "model")
        for target in registered_targets(kind).values()
    }
    in_files = {
        f"{cls.__module__}.{cls.__qualname__}" for file in plugins for cls in _own_classes(file)
    }
    return {
        *PLAIN_TYPES,
        *OWN_TYPES,
        *LIBRARY_TYPES,
        *PLUGIN_LIBRARY_TYPES,
        *in_registries,
        *in_files,
    }


def _own_classes(file: str) -> list[type]:
    module = load_plugin_file(file)
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
