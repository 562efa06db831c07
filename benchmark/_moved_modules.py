"""Old names of modules that were moved into packages: deprecated, they work for one more release.

A script with ``from benchmark.splits import stratified_kfold`` continues to work, with a warning:
the old name gives the module of the new name itself, not a copy.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType

MOVED = MappingProxyType(
    {
        "accelerate": "evaluation.accelerate",
        "averages": "scoring.averages",
        "axes": "study.axes",
        "bounds": "evaluation.bounds",
        "catalogue": "cli.catalogue",
        "cell": "study.cell",
        "claims": "results.locks",
        "class_table": "reporting.class_table",
        "cli_pipelines": "cli.pipelines",
        "cli_study": "cli.study",
        "columns": "results.columns",
        "compare": "reporting.compare",
        "comparison": "reporting.comparison",
        "completeness": "engine.completeness",
        "console": "utils.console",
        "crew": "engine.worker_pool",
        "dask_executor": "engine.dask_executor",
        "database": "results.database",
        "datasets.hidden_parts": "datasets.hidden_subsets",
        "datasets.parts": "datasets.subsets",
        "entries": "reporting.configuration_lookup",
        "environment": "utils.environment",
        "estimate": "engine.estimate",
        "evaluate": "evaluation.evaluate",
        "executor": "engine.executor",
        "executors": "engine.executors",
        "featurize": "evaluation.feature_cache",
        "files": "utils.files",
        "fitting": "evaluation.fitting",
        "imbalance": "sampling.imbalance",
        "influence": "scoring.influence",
        "info": "reporting.info",
        "inner_folds": "evaluation.inner_folds",
        "intervals": "scoring.intervals",
        "leaderboard": "reporting.leaderboard",
        "memory": "utils.memory",
        "merge": "engine.merge",
        "metrics": "scoring.metrics",
        "occlusion": "sampling.occlusion",
        "occlusion_table": "reporting.occlusion_table",
        "own_folds": "evaluation.own_folds",
        "plan": "evaluation.plan",
        "predictions": "scoring.predictions",
        "prepare": "evaluation.components",
        "processes": "engine.processes",
        "ranks": "scoring.rank_tests",
        "runner": "engine.runner",
        "scaffold": "cli.scaffold",
        "schedule": "engine.schedule",
        "scores": "scoring.fast_scores",
        "sources": "plugins.source_digest",
        "spec": "plugins.spec",
        "splits": "sampling.splits",
        "stats": "scoring.significance",
        "store": "results.store",
        "stratify": "sampling.stratify",
        "tables": "reporting.text_tables",
        "tasks": "engine.tasks",
        "terminal": "cli.rich_output",
        "text": "utils.text",
        "threads": "utils.threads",
        "worker": "engine.worker",
        "yaml_files": "utils.yaml_files",
    }
)
# packages that moved with all their modules
MOVED_PACKAGES = {
    "benchmark.datasets.pictures": "benchmark.datasets.images",
    "benchmark.plots": "benchmark.reporting.plots",
}


class MovedModules(MetaPathFinder, Loader):
    """Import a module by its old name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a module spec for an old name, None for any other name."""
        return ModuleSpec(fullname, self) if find_new_name(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that has the new name."""
        new = find_new_name(spec.name)
        warnings.warn(f"{spec.name} has moved to {new}", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the module's own spec, which importing it by its old name has replaced."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def find_new_name(name: str) -> str:
    """Return the full new name of a module, by its old one; "" for any other name.

    Examples
    --------
    >>> find_new_name("benchmark.stats"), find_new_name("benchmark.datasets.pictures.load")
    ('benchmark.scoring.significance', 'benchmark.datasets.images.load')
    """
    for old, new in MOVED_PACKAGES.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    package, _, module = name.partition(".")
    return f"benchmark.{MOVED[module]}" if package == "benchmark" and module in MOVED else ""


def install_finder() -> None:
    """Put the finder of old names first in ``sys.meta_path``.

    Placed later, modules inside a moved package would be found, and imported, a second time.
    """
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
