"""Searches for the parameters of a configuration, and their registry.

A search compares candidates, each a set of parameter values, on images that are held out of the
training set. ``benchmark.evaluation.tuning`` applies it to a cell.
"""

from types import MappingProxyType

REGISTRY = MappingProxyType(
    {
        "none": "benchmark.tuning.searches:NoSearch",
        "random": "benchmark.tuning.searches:RandomSearch",
        "halving": "benchmark.tuning.searches:HalvingSearch",
        "grid": "benchmark.tuning.searches:GridSearch",
        "optuna": "benchmark.tuning.searches:OptunaSearch",
    }
)
