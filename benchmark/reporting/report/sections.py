"""The sections of a report, each a function of the rows and predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from shlex import quote

import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting import info
from benchmark.reporting.class_table import ClassTable
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    configuration_name,
    group_comparable_rows,
)
from benchmark.reporting.error_sheets import draw_error_sheets
from benchmark.reporting.errors import Mistakes, find_mistakes
from benchmark.reporting.leader import shares_first_place
from benchmark.reporting.leaderboard import APPROACHES, Leaderboard
from benchmark.reporting.plots import REGISTRY, select_complete_results
from benchmark.reporting.plots.plot import Missing, Plot
from benchmark.reporting.plots.rows import Results
from benchmark.reporting.report.blocks import (
    Block,
    Listing,
    Section,
    Texts,
    draw_figures,
    make_table_block,
)
from benchmark.reporting.report.data_section import audit_data, describe_data
from benchmark.reporting.report.methods import (
    describe_methods,
    list_components,
    tabulate_parameters,
)
from benchmark.reporting.report.references import cite
from benchmark.reporting.report.source import ReportSource
from benchmark.reporting.row_problems import list_problems
from benchmark.reporting.site_table import SiteTable
from benchmark.reporting.subgroup_table import SubgroupTable
from benchmark.reporting.table_intervals import format_mean
from benchmark.reporting.tuning_table import TuningTable
from benchmark.scoring.class_intervals import CLASS_METRICS
from benchmark.study.axes import NONE
from benchmark.utils.status import Status
from benchmark.utils.text import format_count
from benchmark.utils.yaml_files import read_yaml

MOST_MISTAKES = 12
MOST_CLASSES = 12  # whose table by class is shown


def answer_question(source: ReportSource) -> Section:
    """The question of the study, its answer in one sentence per group of rows, and details."""
    description = str(source.study.get("description", ""))
    tables = [table for _, table in source.leaderboards]
    answers = [f"{title}: {_answer(table, source.metric)}" for title, table in source.leaderboards]
    answers += [
        f"{title}: {table.attrs[APPROACHES]}" if len(tables) > 1 else table.attrs[APPROACHES]
        for title, table in source.leaderboards
        if table.attrs[APPROACHES]
    ]
    leaks = source.list_leaks(source.rows)
    if leaks:
        n = format_count(len(leaks), "leak is", "leaks are")
        answers.append(f"{n} known, which may make these values too good: see Data.")
    question = description or _ask(tables, source.metric)
    return Section("answer", "Question and answer", [Texts([question, *answers])])


def _ask(tables: Sequence[pd.DataFrame], metric: str) -> str:
    """Ask what the tables answer."""
    if any(table.attrs[APPROACHES] for table in tables):
        return f"Do classical features suffice, or is a deep network better by {metric}?"
    return f"Which configuration is the best by {metric}?"


def _answer(table: pd.DataFrame, metric: str) -> str:
    """Name the best configuration, those that share its place, and the baseline."""
    ranked = table[table["rank"].notna() & (table["model"] != BASELINE)]
    if ranked.empty:
        return "no configuration has a rank yet."
    best = ranked.iloc[0]
    name = configuration_name([best[axis] for axis in CONFIGURATION_AXES])
    of = f"of {format_count(len(ranked), 'configuration')} by {metric}"
    n_first = int((ranked["rank"] == best["rank"]).sum())
    text = f"the best {of} is {name}" if n_first == 1 else f"{n_first} {of} are first, as is {name}"
    bounds = (best[metric], best[f"{metric}_lower"], best[f"{metric}_upper"])
    text += f", {format_mean(*bounds)}"
    corrected = table[f"{metric}_corrected"].dropna()
    if len(corrected):
        text += f", corrected for the choice {corrected.iloc[0]:.3f}"
    alike = int(shares_first_place(table).sum())
    others = len(ranked) - n_first
    if alike:
        which = "the other one" if others == 1 else f"{alike} of the {others} others"
        text += f"; {which} cannot be told apart from it"
    baseline = table[table["model"] == BASELINE]
    if len(baseline):
        text += f"; {BASELINE}, which ignores the images, reaches {baseline.iloc[0][metric]:.3f}"
    return f"{text}."


def show_leaderboards(source: ReportSource) -> Section:
    """The leaderboards."""
    return Section("leaderboard", "Leaderboard", list(source.tabulate(Leaderboard())))


def show_classes(source: ReportSource) -> Section | None:
    """The metric of each class, if it has one and there are a few classes."""
    n_classes = max(len(record.classes) for record in source.records.values())
    if source.metric not in CLASS_METRICS or not 2 < n_classes <= MOST_CLASSES:
        return None
    return Section("classes", "Classes", list(source.tabulate(ClassTable())))


def show_plots(source: ReportSource) -> Section:
    """Every plot that the rows allow."""
    try:
        results, _ = select_complete_results(source.view, source.metric)
    except UserError as error:
        return Section("plots", "Plots", [Texts([str(error)])])
    missing: list[str] = []
    plots = _draw_possible_plots(results, source.metric, missing)
    blocks: list[Block] = list(draw_figures(plots, source.only_title))
    return Section("plots", "Plots", [*blocks, *([Texts(missing)] if missing else [])])


def _draw_possible_plots(results: Results, metric: str, missing: list[str]) -> Iterator[Plot]:
    """Draw one plot after the other, and add to ``missing`` why others cannot be drawn."""
    for draw in REGISTRY.values():
        for plot in draw(results, metric):
            if isinstance(plot, Missing):
                missing.append(f"No plot '{plot.name}': {plot.reason}.")
            else:
                yield plot


def show_sites(source: ReportSource) -> Section | None:
    """Internal and external values."""
    if "external" not in source.rows or source.rows["external"].isna().all():
        return None
    return Section("sites", "External datasets", list(source.tabulate(SiteTable(source.view))))


def show_subgroups(source: ReportSource) -> Section | None:
    """A table for every attribute of the images."""
    names = dict.fromkeys(
        str(name) for record in source.records.values() for name in record.attributes
    )
    blocks = [
        block for name in names for block in source.tabulate(SubgroupTable(source.view, name))
    ]
    return Section("subgroups", "Subgroups", blocks) if blocks else None


def show_failures(source: ReportSource) -> Section | None:
    """The most confident mistakes of the best configuration of each group of rows."""
    groups = dict(group_comparable_rows(source.rows))
    blocks: list[Block] = []
    for title, table in source.leaderboards:
        ranked = table[table["rank"].notna() & (table["model"] != BASELINE)]
        if ranked.empty:
            continue
        configuration = tuple(ranked.iloc[0][CONFIGURATION_AXES])
        try:
            for mistakes in find_mistakes(source.view, groups[title], configuration):
                blocks += _show_mistakes(source, title, mistakes)
        except UserError as error:  # several labels, or images that are no longer there
            blocks.append(Texts([f"{title}: {str(error).removeprefix(f'{title}: ')}"]))
    return Section("failures", "Failures", blocks) if blocks else None


def _show_mistakes(source: ReportSource, title: str, mistakes: Mistakes) -> Iterator[Block]:
    wrong, n = len(mistakes.mistakes), len(mistakes.table)
    suspected = format_count(len(mistakes.suspected), "label")
    yield Texts(
        [
            f"{title}: {mistakes.configuration} is wrong on {wrong:,} of "
            f"{format_count(n, 'test image')}; {suspected} suspected to be wrong."
        ]
    )
    sheets = draw_error_sheets(source.view, mistakes, MOST_MISTAKES)
    yield from draw_figures(sheets, source.only_title)


def show_tuning(source: ReportSource) -> Section | None:
    """What was tuned, with what effort, and what it gained."""
    rows = source.rows
    if not ((rows["status"] == Status.OK) & (rows["tuning"] != NONE)).any():
        return None
    return Section("tuning", "Tuning", list(source.tabulate(TuningTable())))


def show_completeness(source: ReportSource) -> Section:
    """How complete the study is, what failed or was refused and why, and what it cost."""
    cost = info.make_cost_table(source.rows)
    shown = {
        "seconds": cost["seconds"].map("{:,.1f}".format),
        "share": cost["share"].map("{:.1%}".format),
    }
    problems = list_problems(source.rows)
    missing = int((source.rows["status"] == Status.PLANNED).sum())
    if missing:
        problems = [f"{missing:,} of {len(source.rows):,} cells are not run yet.", *problems]
    return Section(
        "completeness",
        "Completeness, failures and cost",
        [
            Texts(problems or ["No cell failed or was refused."]),
            make_table_block("Cells", info.make_completeness_table(source.rows).astype(str)),
            make_table_block("Cost", cost.assign(**shown)),
            Texts([info.describe_cache_savings(source.rows)]),
        ],
    )


def show_methods(source: ReportSource, sections: list[Section]) -> Section:
    """A methods paragraph for a paper, and what it and other sections refer to."""
    methods = Texts(describe_methods(source.view, source.rows, source.metric))
    blocks = [methods, *(block for section in sections for block in section.blocks)]
    texts = [text for block in blocks for text in block.paragraphs]
    completed = source.rows[source.rows["status"] == Status.OK]
    listing = Listing("BibTeX", cite(list_components(completed), texts))
    parameters = tabulate_parameters(completed)
    title = "Parameters, before tuning" if completed["tuning"].ne(NONE).any() else "Parameters"
    table = [make_table_block(title, parameters)] if len(parameters) else []
    return Section("methods", "Methods and references", [methods, *table, listing])


def show_checklists(sections: list[Section]) -> Section:
    """What of the checklists the report answers; the rest is the author's."""
    present = {section.anchor: section.title for section in sections}
    file = resources.files("benchmark.reporting.report") / "checklists.yaml"
    checklists = read_yaml(file.read_text(encoding="utf-8"), "checklists.yaml")
    blocks: list[Block] = []
    for name, items in checklists.items():
        lines = [
            (item["item"], item["topic"], present.get(item.get("answer", ""), "author"))
            for item in items
        ]
        table = pd.DataFrame(lines, columns=["item", "topic", "answered in"])
        n = int((table["answered in"] != "author").sum())
        note = (
            f"The report holds material for {n} of {len(lines)} items; those marked 'author' it "
            "cannot know. Topics are in our own words: follow the published checklist."
        )
        blocks.append(make_table_block(name, table, [note]))
    return Section("checklists", "Reporting checklists", blocks)


def show_provenance(source: ReportSource) -> Section:
    """Study file, environment, and the command that runs the study again."""
    folder = source.view.folder
    blocks: list[Block] = []
    files = [folder.study] if folder.study.is_file() else sorted(folder.studies.glob("*.yaml"))
    for file in files:
        blocks.append(Listing(f"Study file ({file.name})", file.read_text(encoding="utf-8")))
    commands = [f"python -m benchmark run {quote(str(file))} --out NEW_FOLDER" for file in files]
    if commands:
        where = "# in the folder that the paths of the datasets start from, with $BENCHMARK_DATA"
        blocks.append(Listing("Run it again", "\n".join([where, *commands])))
    environments = [value for value in source.rows["environment"] if isinstance(value, dict)]
    if environments:
        blocks.append(Listing("Environment", json.dumps(environments[-1], indent=2)))
    return Section("provenance", "Provenance", blocks)


RESULTS: tuple[Callable[[ReportSource], Section | None], ...] = (
    show_leaderboards,
    show_classes,
    show_plots,
    show_subgroups,
    show_sites,
    show_failures,
    show_tuning,
    show_completeness,
)


def list_sections(source: ReportSource, audit: bool = False) -> list[Section]:
    """Make all sections that the rows allow."""
    sections = [answer_question(source), describe_data(source)]
    if audit:
        sections.append(audit_data(source))
    sections += [section for show in RESULTS if (section := show(source)) is not None]
    sections.append(show_methods(source, sections))
    provenance = show_provenance(source)
    return [*sections, show_checklists([*sections, provenance]), provenance]
