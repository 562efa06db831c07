"""Which table the options of the command `table` ask for."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.reporting import text_tables
from benchmark.reporting.dataset_table import DatasetTable
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.metric_sets import parse_metrics
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.site_table import SiteTable
from benchmark.reporting.subgroup_table import SubgroupTable, parse_edges
from benchmark.reporting.table_view import TableView

LEADERBOARD, SUBGROUP, SITE, DATASET = "leaderboard", "subgroup", "site", "dataset"


@dataclass(frozen=True)
class TableOptions:
    """Options of the command `table` that choose a view; see its help."""

    by: str | None = None
    metrics: str | None = None
    prevalence: float | None = None
    attribute: str | None = None
    bins: str | None = None
    common: bool = False
    rows: bool = False

    def __post_init__(self) -> None:
        by = self.by or LEADERBOARD
        if self.common and by != DATASET:
            raise UserError("--common keeps what every dataset has: use it with --by dataset")
        if self.metrics and (by != LEADERBOARD or self.rows):
            raise UserError(
                "--metrics are the columns of the leaderboard: use it without --by and --rows"
            )
        if self.prevalence is not None and not self.metrics:
            raise UserError("--prevalence is that of ppv and npv: use it with --metrics")
        if by == SUBGROUP and self.attribute is None:
            raise UserError("--by subgroup needs an attribute, such as --attribute sex")
        if self.attribute is not None and by not in (SUBGROUP, LEADERBOARD):
            raise UserError("--attribute is that of subgroups: use it with --by subgroup")
        if self.bins is not None and by != SUBGROUP:
            raise UserError("--bins divide an attribute of numbers: use it with --by subgroup")

    @property
    def columns(self) -> tuple[str, ...]:
        """Metrics of the leaderboard; empty for the default ones."""
        return parse_metrics(self.metrics, self.prevalence) if self.metrics else ()

    def list_row_metrics(self, metric: str) -> list[str]:
        """Metrics that the rows must have; those of single classes are computed by their table."""
        return [] if self.by == "class" else [metric, *self.columns]

    def make_view(self, results: ResultsView) -> TableView:
        """Make the view that tabulates the rows."""
        if self.by == SUBGROUP and self.attribute is not None:
            return SubgroupTable(results, self.attribute, parse_edges(self.bins))
        if self.by == SITE:
            return SiteTable(results)
        if self.common:
            return DatasetTable(common=True)
        if self.by in (None, LEADERBOARD):
            return Leaderboard(self.columns, results, self.attribute)
        return text_tables.find_view(self.by)
