"""The command that evaluates a saved pipeline on another dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.common_options import DataFolder, TableFormat
from benchmark.utils.console import console, print_line, print_text
from benchmark.utils.files import user_path

if TYPE_CHECKING:
    import pandas as pd


def evaluate_command(
    pipeline: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Pipeline file, written by `fit`.", parser=user_path),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            help="Dataset of another hospital, with the same classes, such as csv:hospital_b.csv."
        ),
    ],
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="METRICS",
            help="Metrics to show: clinical, calibration, or names separated by commas. Default: "
            "the six of a leaderboard.",
        ),
    ] = None,
    data: DataFolder = None,
    form: TableFormat = None,
    plugin: Annotated[
        list[str],
        typer.Option(help="Plug-in file that the pipeline uses; repeatable."),
    ] = [],  # noqa: B006  # typer copies it
) -> None:
    """Evaluate a saved pipeline on the images of another hospital, beside its own test set."""
    from benchmark.cli.rich_output import print_table
    from benchmark.datasets.base import data_folder
    from benchmark.evaluation.plan import load_dataset
    from benchmark.pipelines.external import evaluate_externally
    from benchmark.pipelines.file import load_pipeline
    from benchmark.plugins.registry import resolve_spec
    from benchmark.reporting.leaderboard import MULTILABEL_METRICS, TABLE_METRICS
    from benchmark.reporting.metric_sets import parse_metrics
    from benchmark.reporting.text_tables import Document, find_writer
    from benchmark.study.axes import read_dataset

    writer = find_writer(form) if form else None
    loaded = load_pipeline(pipeline, plugin)
    card = loaded.card
    names = parse_metrics(metrics) if metrics else ()
    names = names or (MULTILABEL_METRICS if card.multilabel else TABLE_METRICS)
    spec = resolve_spec("dataset", read_dataset(dataset))
    external = load_dataset(spec, data_folder(data), card.image_shape[0])
    validation = evaluate_externally(loaded, external, names)
    text = _format_table(validation.table)
    title = f"{card.name}, trained on {card.trained_on}, evaluated on {external.name}"
    caption = (
        "internal: on the test set of the training data; external: on all images here, with 95% "
        "confidence intervals; loss: the difference, positive if the pipeline is worse here."
    )
    refused = validation.table[validation.table["interval"].str.startswith("none: ")]
    for reason, rows in refused.groupby("interval", sort=False)["metric"]:
        caption += f" No interval of {', '.join(rows)}: {reason.removeprefix('none: ')}."
    if validation.table["internal"].isna().any():
        caption += " '-': the pipeline file does not have this metric of its own test set."
    lines = [caption, *validation.notes]
    if writer is not None:
        print_text(writer(Document([("", validation.table)], [("", text)], [title, *lines])))
        return
    print_line(title)
    print_table(console, "", text)
    for line in lines:
        print_line(line)


def _format_table(table: pd.DataFrame) -> pd.DataFrame:
    from benchmark.reporting.table_intervals import format_difference, format_mean

    bounds = zip(table["external"], table["lower"], table["upper"], strict=True)
    return table[["metric"]].assign(
        internal=[format_mean(value) for value in table["internal"]],
        external=[format_mean(*values) for values in bounds],
        loss=[format_difference(value) for value in table["loss"]],
    )
