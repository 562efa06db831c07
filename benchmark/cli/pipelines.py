"""Commands for trained pipelines: fit, predict, serve."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.utils.console import console, error_console, print_json, print_line
from benchmark.utils.files import user_path
from benchmark.utils.text import format_count

if TYPE_CHECKING:
    from benchmark.pipelines.card import Card


class Form(StrEnum):
    """Formats of a prediction."""

    table = "table"
    json = "json"


_Plugins = Annotated[
    list[str], typer.Option("--plugin", help="Python file with plug-ins that are used; repeatable.")
]


def fit_command(
    dataset: Annotated[str, typer.Option(help="Data set, as in a study.")],
    model: Annotated[str, typer.Option(help="Model, such as 'rbf_svm(C=10)' or simple_cnn.")],
    save: Annotated[
        Path, typer.Option(metavar="FILE.pipeline", help="File to write.", parser=user_path)
    ],
    extractor: Annotated[
        str | None,
        typer.Option(help="Extractor, such as 'hog + pixels'; none for a model that takes images."),
    ] = None,
    strategy: Annotated[str, typer.Option(help="What is done about class imbalance.")] = "none",
    size: Annotated[
        int | None, typer.Option(help="Side in pixels that the images are brought to.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    plugin: _Plugins = [],  # noqa: B006  # typer copies it
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Data folder; default $BENCHMARK_DATA, else the cache folder.",
            parser=user_path,
        ),
    ] = None,
) -> None:
    """Train one pipeline on the training set, measure it on the test set, and write it to a file without pickle."""
    from benchmark.cli.rich_output import show_training_status
    from benchmark.pipelines import saving
    from benchmark.pipelines.pipeline import find_single_cell, fit_pipeline
    from benchmark.pipelines.rehearsal import N_COMPARED, rehearse_saving
    from benchmark.pipelines.sources import find_plugin_files
    from benchmark.study.axes import IMAGES
    from benchmark.study.study import make_study

    saving.check_save_path(save)
    extractors = [extractor] if extractor not in (None, IMAGES) else []
    axes = {
        "datasets": [dataset],
        "models": [model],
        "extractors": extractors,
        "strategies": [strategy],
    }
    chosen = make_study(
        {"name": "fit", "plugins": plugin, "size": size, "seeds": [seed], **axes}, "fit"
    )
    cell, found = find_single_cell(chosen, data)
    try:
        rehearse_saving(cell, found)
        with show_training_status(error_console):
            pipeline = fit_pipeline(cell, found)
        saving.save_pipeline(pipeline, save, found.images[:N_COMPARED])
    except KeyboardInterrupt:
        print_line("Interrupted: nothing was written.")
        raise typer.Exit(130) from None
    _print_pipeline_card(pipeline.card)
    named = "".join(
        f" --plugin {quote(path)}" for path in find_plugin_files(pipeline.stored_components)
    )
    print_line(
        f"written to {save}; ask it:  python -m benchmark predict {quote(str(save))} "
        f"IMAGE...{named}"
    )


def predict_command(
    pipeline: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `fit` wrote.", parser=user_path)
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...", help="PNG, JPEG, TIFF, BMP or DICOM files.", parser=user_path
        ),
    ],
    form: Annotated[Form, typer.Option("--format", help="What to print.")] = Form.table,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--save-figure",
            metavar="FILE.png",
            help="Draw the images and what they are.",
            parser=user_path,
        ),
    ] = None,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Say what is on images: class and probabilities."""
    import numpy as np

    from benchmark.cli.rich_output import print_predictions
    from benchmark.pipelines import answers, file
    from benchmark.pipelines.reading import read_image

    if figure:
        from benchmark.pipelines.figure import check_plot_path, save_prediction_plot

        check_plot_path(figure, [*images, pipeline])
    loaded = file.load_pipeline(pipeline, plugin)
    asked = [read_image(path, loaded.card) for path in images]
    proba = loaded.predict_proba(np.stack([one.image for one in asked]))
    if form is Form.json:
        records = [
            answers.prediction_record(loaded.card, one, p)
            for one, p in zip(asked, proba, strict=True)
        ]
        print_json(records)
    else:
        print_predictions(console, loaded.card, asked, proba)
    if figure:
        save_prediction_plot(figure, loaded.card, asked, proba)
        if form is Form.table:
            print_line(f"drawn: {figure}")


def serve_command(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...|DIR",
            help="Pipelines that `fit` wrote; a folder of them, or of results.",
            parser=user_path,
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen at; the default is for this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Default: the first that is free from 7860."),
    ] = None,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Show a page on which a person drops an image and sees what every pipeline says of it; extra 'serve'."""
    from benchmark.serving.found import load_page_content
    from benchmark.serving.page import serve_page

    serve_page(load_page_content(places, plugin), host, port)


def _print_pipeline_card(card: Card) -> None:
    """Say what was trained, and how good it is."""
    from benchmark.pipelines.answers import describe_metrics

    print_line(
        f"{card.name}, trained on {format_count(card.n_train, 'image')} of {card.dataset}, tested on "
        f"{card.n_test} ({card.split})"
    )
    print_line(describe_metrics(card))
    for note in card.notes:
        print_line(f"  {note}")
