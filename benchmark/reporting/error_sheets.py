"""Write the mistakes of a configuration as a CSV file and as contact sheets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from benchmark.datasets.base import Dataset
from benchmark.datasets.stored import open_dataset
from benchmark.errors import StorageError, UserError
from benchmark.reporting.errors import Mistakes
from benchmark.reporting.plots.contact_sheet import draw_contact_sheet
from benchmark.reporting.plots.plot import Plot, make_file_stem
from benchmark.reporting.plots.texts import fit_text
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.short_labels import shorten_dataset_name
from benchmark.utils.files import write_atomic
from benchmark.utils.text import escape_controls, format_count

CLASS_WIDTH = 0.6  # inches of the name of a class


def write_error_sheets(
    view: ResultsView, mistakes: Mistakes, out: Path, most: int
) -> Iterator[Path]:
    """Write all test images as CSV, and contact sheets of mistakes and of suspected labels.

    Parameters
    ----------
    view : ResultsView
    mistakes : Mistakes
    out : Path
        Folder to write to.
    most : int
        Number of images on a sheet.

    Yields
    ------
    Path
        Each file, after it is written.

    Raises
    ------
    UserError
        The images are no longer in the results folder.
    """
    path = out / f"{_make_stem(mistakes)}.csv"
    write_atomic(path, partial(_write_csv, mistakes.table))
    yield path
    for plot in draw_error_sheets(view, mistakes, most):
        yield plot.save(out)


def draw_error_sheets(view: ResultsView, mistakes: Mistakes, most: int) -> Iterator[Plot]:
    """Draw contact sheets of mistakes and of suspected labels, as far as there are any.

    Parameters and exceptions are those of ``write_error_sheets``.
    """
    sheets = (
        (
            "mistakes",
            f"mistakes of {mistakes.configuration}",
            mistakes.mistakes,
            "The most confident mistakes on the test images",
        ),
        (
            "suspected",
            "labels that may be wrong",
            mistakes.suspected,
            "Test images that every configuration gets wrong and whose label confident learning "
            "(Northcutt et al. 2021) suspects, the most confident first",
        ),
    )
    for name, title, lines, what in sheets:
        if len(lines):
            shown = lines.head(most)
            yield draw_contact_sheet(
                f"{_make_stem(mistakes)}-{name}",
                f"{mistakes.title}: {title}",
                f"{what}; {len(shown)} of {format_count(len(lines), 'image')} are shown. Above "
                f"each: its id; true class > predicted class of {mistakes.configuration}, with its "
                "probability; how many configurations are wrong; a class with a question mark is "
                "what confident learning suggests.",
                _open_images(view, mistakes).images[shown.index.to_numpy()],
                [_describe_line(line) for _, line in shown.iterrows()],
            )


def _make_stem(mistakes: Mistakes) -> str:
    name = shorten_dataset_name(mistakes.dataset)
    return make_file_stem(name, *mistakes.conditions, mistakes.configuration)


def _write_csv(table: pd.DataFrame, file: BinaryIO) -> None:
    table.to_csv(file, index=False, lineterminator="\n")


def _open_images(view: ResultsView, mistakes: Mistakes) -> Dataset:
    """Open the images that the workers used."""
    stored = view.read_record(mistakes.fingerprint).stored
    try:
        return open_dataset(view.folder.images / stored)
    except StorageError:
        raise UserError(
            f"the images of {mistakes.dataset} are no longer in {view.folder.images}: run its "
            "study again, completed cells are kept"
        ) from None


def _describe_line(line: pd.Series) -> str:
    true, predicted, suggested = (
        fit_text(str(line[name]), CLASS_WIDTH) for name in ("true", "predicted", "suggested")
    )
    classes = f"{true} > {predicted} {line['probability']:.2f}"
    wrong = f"wrong in {line['wrong']} of {line['configurations']}"
    wrong += f"; {suggested}?" if suggested else ""
    return "\n".join(map(escape_controls, (str(line["id"]), classes, wrong)))
