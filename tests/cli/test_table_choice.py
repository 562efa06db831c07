"""Options of the command `table` that do not go together."""

import pytest

from benchmark.cli.table_choice import TableOptions
from benchmark.errors import UserError
from benchmark.reporting.dataset_table import DatasetTable
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.subgroup_table import SubgroupTable


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"common": True}, "use it with --by dataset"),
        ({"metrics": "clinical", "by": "class"}, "use it without --by and --rows"),
        ({"metrics": "clinical", "rows": True}, "use it without --by and --rows"),
        ({"prevalence": 0.05}, "--prevalence is that of ppv and npv: use it with --metrics"),
        ({"by": "subgroup"}, "--by subgroup needs an attribute, such as --attribute sex"),
        ({"by": "class", "attribute": "sex"}, "use it with --by subgroup"),
        ({"bins": "40"}, "use it with --by subgroup"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(options, reason):
    with pytest.raises(UserError, match=reason):
        TableOptions(**options)


@pytest.mark.parametrize(
    ("options", "view"),
    [
        ({}, Leaderboard),
        ({"by": "leaderboard", "attribute": "sex"}, Leaderboard),
        ({"by": "subgroup", "attribute": "sex", "bins": "40,60"}, SubgroupTable),
        ({"by": "dataset", "common": True}, DatasetTable),
        ({"by": "dataset"}, DatasetTable),
    ],
)
def test_options_choose_the_view(options, view):
    assert isinstance(TableOptions(**options).make_view(ResultsView("results")), view)


def test_an_unknown_view_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'subgroup'"):
        TableOptions(by="subgroups").make_view(ResultsView("results"))


def test_wrong_bins_are_one_line():
    options = TableOptions(by="subgroup", attribute="age", bins="40;60")
    with pytest.raises(UserError, match="write numbers separated by commas, as 40,60"):
        options.make_view(ResultsView("results"))
