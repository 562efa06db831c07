"""The epochs of networks, as text on the terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from benchmark.engine.worker_process import EPOCH_LOGGER, MessageForwarder
from benchmark.utils.text import escape_controls


@contextmanager
def report_epochs(report: Callable[[str], object]) -> Iterator[None]:
    """Call a function with a line of text after every epoch of a network's training."""
    handler, level = MessageForwarder(report), EPOCH_LOGGER.level
    EPOCH_LOGGER.addHandler(handler)
    EPOCH_LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        EPOCH_LOGGER.removeHandler(handler)
        EPOCH_LOGGER.setLevel(level)


@contextmanager
def show_training_status(console: Console) -> Iterator[None]:
    """Show a spinner while one model is trained, with the epochs of a network."""
    with (
        console.status("training") as status,
        report_epochs(lambda text: status.update(f"training: {escape(escape_controls(text))}")),
    ):
        yield
