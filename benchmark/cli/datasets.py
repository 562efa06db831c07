"""The command that describes a dataset before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmark.cli.common_options import DataFolder, TableFormat
from benchmark.utils.console import console, print_line, print_text


def describe_command(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="An entry of a study, such as breastmnist, folder:PATH or "
            '\'csv:cases.csv(attributes=("sex", "age"))\'.',
        ),
    ],
    size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels. Default: the dataset's own.")
    ] = None,
    data: DataFolder = None,
    form: TableFormat = None,
) -> None:
    """Describe the images of a dataset: patients, classes and attributes by subset, and leaks."""
    from benchmark.cli.rich_output import print_table
    from benchmark.datasets.base import data_folder, describe_dataset
    from benchmark.datasets.case_table import make_case_table
    from benchmark.evaluation.plan import load_dataset
    from benchmark.plugins.registry import resolve_spec
    from benchmark.reporting.text_tables import Document, find_writer
    from benchmark.study.axes import read_dataset

    spec = resolve_spec("dataset", read_dataset(dataset))
    writer = find_writer(form) if form else None
    loaded = load_dataset(spec, data_folder(data), size)
    table, notes = make_case_table(loaded), [str(note) for note in loaded.notes]
    if writer is not None:
        lines = [f"{describe_dataset(loaded)}.", *notes]
        print_text(writer(Document([("", table)], [("", table)], lines)))
        return
    print_line(describe_dataset(loaded))
    print_table(console, "", table)
    for note in notes:
        print_line(note)
