"""Find configurations by their rank in the leaderboard."""

from __future__ import annotations

from benchmark.errors import UserError
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    Configuration,
    configuration_name,
    group_comparable_rows,
)
from benchmark.reporting.leaderboard import rank_configurations
from benchmark.reporting.mean_table import TIMES
from benchmark.reporting.results_view import ResultsView
from benchmark.utils.text import format_count

# what a ranking by a metric needs, besides the metric
COLUMNS = (*TIMES, "per_class", "n_images", "n_test", "subset_accuracy")


def find_ranked_configuration(rank: int, folder: ResultsView, metric: str) -> Configuration:
    """Find the configuration with a rank in the leaderboard of a metric.

    Parameters
    ----------
    rank : int
        1 is the best.
    folder : ResultsView
    metric : str

    Raises
    ------
    UserError
        No configuration has this rank, or several have: they are tied, or there are several
        leaderboards.
    """
    places: dict[Configuration, str] = {}  # title of the first leaderboard with this rank
    n_ranked = 0
    for title, rows in group_comparable_rows(folder.load_rows(COLUMNS, [metric])):
        table = rank_configurations(rows, metric)
        n_ranked = max(n_ranked, int(table["rank"].notna().sum()))
        for names in table.loc[table["rank"] == rank, CONFIGURATION_AXES].itertuples(index=False):
            places.setdefault(tuple(names), title)
    if not places:
        raise UserError(
            f"no configuration of {folder} has rank {rank} by {metric}: "
            f"{format_count(n_ranked, 'configuration')} ranked, and ties share a "
            f"rank; to list them: python -m benchmark table {folder} --metric {metric}"
        )
    if len(places) > 1:
        first, second = (
            f"'{configuration_name(labels)}' ({title})"
            for labels, title in list(places.items())[:2]
        )
        raise UserError(
            f"rank {rank} by {metric} is ambiguous in {folder}: {first} and {second} have it; give "
            "the name instead"
        )
    return next(iter(places))
