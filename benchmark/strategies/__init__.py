"""Strategies against class imbalance, and their registry.

A strategy uses the training set only. It is a subclass of ``Strategy``, or a sampler of
imbalanced-learn with its own parameters.
"""

from types import MappingProxyType

REGISTRY = MappingProxyType(
    {
        "none": "benchmark.strategies.base:Strategy",
        "random_over": "imblearn.over_sampling:RandomOverSampler",
        "smote": "imblearn.over_sampling:SMOTE",
        "borderline_smote": "imblearn.over_sampling:BorderlineSMOTE",
        "svm_smote": "imblearn.over_sampling:SVMSMOTE",
        "kmeans_smote": "imblearn.over_sampling:KMeansSMOTE",
        "adasyn": "imblearn.over_sampling:ADASYN",
        "random_under": "imblearn.under_sampling:RandomUnderSampler",
        "near_miss": "imblearn.under_sampling:NearMiss",
        "tomek_links": "imblearn.under_sampling:TomekLinks",
        "edited_nearest_neighbours": "imblearn.under_sampling:EditedNearestNeighbours",
        "one_sided_selection": "imblearn.under_sampling:OneSidedSelection",
        "neighbourhood_cleaning": "imblearn.under_sampling:NeighbourhoodCleaningRule",
        "cluster_centroids": "imblearn.under_sampling:ClusterCentroids",
        "instance_hardness_threshold": "imblearn.under_sampling:InstanceHardnessThreshold",
        "smote_enn": "benchmark.strategies.resampling:smote_enn",
        "smote_tomek": "benchmark.strategies.resampling:smote_tomek",
        "class_weight": "benchmark.strategies.weights:ClassWeight",
        "prior_threshold": "benchmark.strategies.thresholds:PriorThreshold",
        "tuned_threshold": "benchmark.strategies.thresholds:TunedThreshold",
        "operating_point": "benchmark.strategies.operating_point:OperatingPoint",
        "prior_correction": "benchmark.strategies.recalibration:PriorCorrection",
        "temperature": "benchmark.strategies.recalibration:Temperature",
        "isotonic": "benchmark.strategies.recalibration:Isotonic",
    }
)
