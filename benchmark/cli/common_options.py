"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.utils.files import user_path

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the datasets. Default: $BENCHMARK_DATA, or else the platform's cache.",
        parser=user_path,
    ),
]
TableFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Print as md, csv, latex or json instead of a table for the terminal.",
    ),
]
Unit = Annotated[
    str,
    typer.Option(
        metavar="UNIT",
        help="image, or group: one prediction per patient, lesion or other group of images.",
    ),
]
Aggregate = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="With --unit group: mean of the probabilities (default), max (of the positive "
        "class), or vote.",
    ),
]
