"""Commands for trained pipelines: fit, predict and serve."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.common_options import DataFolder
from benchmark.errors import UserError
from benchmark.utils.console import console, error_console, print_json, print_line, print_text
from benchmark.utils.files import user_path
from benchmark.utils.text import format_count

if TYPE_CHECKING:
    from benchmark.pipelines.card import Card
    from benchmark.pipelines.pipeline import Pipeline


class Form(StrEnum):
    """Formats in which predictions are printed."""

    table = "table"
    json = "json"
    csv = "csv"


_Plugins = Annotated[
    list[str],
    typer.Option("--plugin", help="Python file with plug-ins of the pipeline; repeatable."),
]


def fit_command(
    dataset: Annotated[
        str, typer.Option(help="Dataset to train on, written as in a study, such as breastmnist.")
    ],
    model: Annotated[str, typer.Option(help="Model, such as 'rbf_svm(C=10)' or simple_cnn.")],
    save: Annotated[
        Path, typer.Option(metavar="FILE.pipeline", help="File to write.", parser=user_path)
    ],
    extractor: Annotated[
        str | None,
        typer.Option(
            help="Extractor, such as 'hog + pixels'; leave it out for a model that takes images."
        ),
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="Strategy against class imbalance, such as smote.")
    ] = "none",
    tuning: Annotated[
        str, typer.Option(help="Tuning of the parameters, such as 'random(n=25)'.")
    ] = "none",
    size: Annotated[
        int | None,
        typer.Option(help="Resize the images to this side, in pixels. Default: their own size."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Test on the first fold of a stratified cross-validation with this number of "
            "folds. Default: on the official test set, or else on a fifth of the images."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Metric to print; see `list metrics`. Default: the six of a leaderboard."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    plugin: _Plugins = [],  # noqa: B006  # typer copies it
    data: DataFolder = None,
) -> None:
    """Train one pipeline, evaluate it on the test set, and save it to a file (no pickle)."""
    from benchmark.cli.epochs import show_training_status
    from benchmark.pipelines import saving
    from benchmark.pipelines.pipeline import find_single_cell, fit_pipeline
    from benchmark.pipelines.rehearsal import N_COMPARED, rehearse_saving
    from benchmark.pipelines.sources import find_plugin_files
    from benchmark.study.axes import IMAGES
    from benchmark.study.load import make_study

    saving.check_save_path(save)
    if metric is not None:
        from benchmark.scoring.metric_lookup import check_stored_metric

        check_stored_metric(metric)
    extractors = [extractor] if extractor not in (None, IMAGES) else []
    axes = {
        "datasets": [dataset],
        "models": [model],
        "extractors": extractors,
        "strategies": [strategy],
        "tunings": [tuning],
    }
    split = None if folds is None else f"stratified_kfold(folds={folds})"
    keys = {"name": "fit", "plugins": plugin, "size": size, "split": split, "seeds": [seed]}
    chosen = make_study({**keys, **axes}, "fit")
    cell, loaded = find_single_cell(chosen, data)
    try:
        rehearse_saving(cell, loaded)
        with show_training_status(error_console):
            pipeline = fit_pipeline(cell, loaded)
        saving.save_pipeline(pipeline, save, loaded.images[:N_COMPARED])
    except KeyboardInterrupt:
        print_line("Interrupted: nothing was written.")
        raise typer.Exit(130) from None
    _print_pipeline_card(pipeline.card, metric)
    options = "".join(
        f" --plugin {quote(path)}" for path in find_plugin_files(pipeline.stored_components)
    )
    print_line(
        f"written to {save}; use it:  python -m benchmark predict {quote(str(save))} "
        f"IMAGE...{options}"
    )


def predict_command(
    pipeline: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Pipeline file, written by `fit`.", parser=user_path),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...", help="PNG, JPEG, TIFF, BMP or DICOM files.", parser=user_path
        ),
    ],
    form: Annotated[
        Form, typer.Option("--format", help="Print a table, JSON or CSV.")
    ] = Form.table,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--save-figure",
            metavar="FILE.png",
            help="Draw the images with their predicted classes into this file.",
            parser=user_path,
        ),
    ] = None,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Predict the classes of images: print each predicted class and the probabilities."""
    import numpy as np

    from benchmark.cli.rich_output import print_predictions
    from benchmark.pipelines import file, prediction_text
    from benchmark.pipelines.reading import read_image

    if figure:
        from benchmark.pipelines.figure import check_plot_path, save_prediction_plot

        check_plot_path(figure, [*images, pipeline])
        if form is Form.csv:
            raise UserError("--save-figure cannot be combined with --format csv")
    loaded = file.load_pipeline(pipeline, plugin)
    if form is Form.csv:
        _print_prediction_csv(images, loaded, pipeline.name)
        return
    queries = [read_image(path, loaded.card) for path in images]
    proba = loaded.predict_proba(np.stack([query.image for query in queries]))
    if form is Form.json:
        records = [
            prediction_text.prediction_record(loaded.card, query, p)
            for query, p in zip(queries, proba, strict=True)
        ]
        print_json(records)
    else:
        print_predictions(console, loaded.card, queries, proba)
    if figure:
        save_prediction_plot(figure, loaded.card, queries, proba)
        if form is Form.table:
            print_line(f"plot written to {figure}")


def _print_prediction_csv(images: list[Path], loaded: Pipeline, name: str) -> None:
    """Print one line per file; those that cannot be read are named at the end, too."""
    from benchmark.pipelines.prediction_csv import format_prediction_csv, predict_files

    predictions = predict_files(images, loaded, name)
    print_text(format_prediction_csv(predictions))
    if n := sum(bool(each.error) for each in predictions):
        files = format_count(len(predictions), "file")
        raise UserError(f"{n} of {files} cannot be read: see the column 'error'")


def serve_command(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...|DIR",
            help="Pipeline files written by `fit`, a folder of them, or a results folder.",
            parser=user_path,
        ),
    ],
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; the default accepts this machine only."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port to listen on. Default: the first free one from 7860."
        ),
    ] = None,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Serve a web page: predictions for images, and the report of results (needs extra 'serve')."""
    from benchmark.serving.page import serve_page
    from benchmark.serving.page_content import load_page_content

    with error_console.status("loading pipelines and results ..."):
        content = load_page_content(places, plugin)
    serve_page(content, host, port)


def _print_pipeline_card(card: Card, metric: str | None) -> None:
    """Print what was trained, on what, and its metrics on the test set."""
    from benchmark.pipelines.prediction_text import describe_metrics

    images = format_count(card.n_train, "image")
    print_line(
        f"{card.name}, trained on {images} of {card.dataset}, tested on {card.n_test} "
        f"({card.split})"
    )
    print_line(describe_metrics(card, metric))
    for note in card.notes:
        print_line(f"  {note}")
