"""Commands that look at a dataset before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.common_options import DataFolder, TableFormat
from benchmark.errors import UserError
from benchmark.utils.console import console, print_line, print_text
from benchmark.utils.files import user_path
from benchmark.utils.text import format_count

if TYPE_CHECKING:
    from benchmark.datasets.base import Dataset

_Dataset = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="An entry of a study, such as breastmnist, folder:PATH or "
        '\'csv:cases.csv(attributes=("sex", "age"))\'.',
    ),
]
_Size = Annotated[
    int | None, typer.Option(help="Side of the images in pixels. Default: the dataset's own.")
]


def describe_command(
    dataset: _Dataset, size: _Size = None, data: DataFolder = None, form: TableFormat = None
) -> None:
    """Describe the images of a dataset: patients, classes and attributes by subset, and leaks."""
    from benchmark.cli.rich_output import print_table
    from benchmark.datasets.base import describe_dataset
    from benchmark.datasets.case_table import make_case_table
    from benchmark.reporting.text_tables import Document, find_writer

    writer = find_writer(form) if form else None
    loaded = _load(dataset, size, data)
    table, notes = make_case_table(loaded), [str(note) for note in loaded.notes]
    if writer is not None:
        lines = [f"{describe_dataset(loaded)}.", *notes]
        print_text(writer(Document([("", table)], [("", table)], lines)))
        return
    print_line(describe_dataset(loaded))
    print_table(console, "", table)
    for note in notes:
        print_line(note)


def audit_command(
    dataset: _Dataset,
    size: _Size = None,
    data: DataFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.html",
            help="Write a page with the images to judge the findings by.",
            parser=user_path,
        ),
    ] = None,
    write_groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write a group for every image, so that similar images are kept together: use it "
            "as group_file=FILE.csv of the dataset.",
            parser=user_path,
        ),
    ] = None,
    write_drops: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write the copies to leave out, all but one of each, and all whose labels differ: "
            "use it as drop_file=FILE.csv of the dataset.",
            parser=user_path,
        ),
    ] = None,
) -> None:
    """Look for copies, contradicting labels, blank images and shortcuts; nothing is changed."""
    from benchmark.audit import audit_dataset
    from benchmark.cli.rich_output import print_table
    from benchmark.datasets.base import describe_dataset
    from benchmark.datasets.case_lists import (
        DROP_COLUMNS,
        GROUP_COLUMNS,
        check_list_path,
        write_drop_list,
        write_group_list,
    )
    from benchmark.reporting.report import build_audit_page, check_page_path
    from benchmark.reporting.report.audit_section import tabulate_findings, tabulate_probes
    from benchmark.utils.files import write_text

    if out:
        check_page_path(out)
    if write_groups:
        check_list_path(write_groups, GROUP_COLUMNS)
    if write_drops:
        check_list_path(write_drops, DROP_COLUMNS)
    if write_groups and write_groups == write_drops:
        raise UserError(f"--write-groups and --write-drops both name {write_drops}")
    loaded = _load(dataset, size, data)
    audit = audit_dataset(loaded)
    print_line(describe_dataset(loaded))
    if audit.probes:
        print_table(console, "AUC from one fact alone", tabulate_probes(audit))
    for _, (kind, leak, text) in tabulate_findings(audit).iterrows():
        print_line(f"{'LEAK: ' if leak else ''}{kind}: {text}")
    if not audit.findings:
        print_line("nothing found")
    for line in audit.not_examined:
        print_line(f"not examined: {line}")
    if write_groups:
        write_group_list(write_groups, loaded.image_ids, audit.suggest_groups())
        print_line(str(write_groups))
    if write_drops:
        drops = audit.suggest_drops()
        write_drop_list(write_drops, loaded.image_ids[drops])
        print_line(f"{write_drops}: {format_count(len(drops), 'image')} to leave out")
    if out:
        write_text(out, build_audit_page(audit))
        print_line(str(out))


def _load(entry: str, size: int | None, data: Path | None) -> Dataset:
    from benchmark.datasets.base import data_folder
    from benchmark.evaluation.plan import load_dataset
    from benchmark.plugins.registry import resolve_spec
    from benchmark.study.axes import read_dataset
    from benchmark.study.load import make_study

    if size is not None:  # with the check and the message of a study
        make_study({"name": "given", "datasets": ["given"], "size": size}, "size")
    spec = resolve_spec("dataset", read_dataset(entry))
    return load_dataset(spec, data_folder(data), size)
