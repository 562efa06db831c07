"""Entry point of ``python -m benchmark``."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from typing import NoReturn

from typer import TyperException

from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.utils.console import error_console
from benchmark.utils.text import one_line, shorten_text
from benchmark.utils.threads import GIVEN_UP

PROGRAM = "python -m benchmark"


def main() -> None:
    """Run the command line; an error that the user can fix is one line and exit code 2."""
    _silence_libraries()
    try:
        status = app(sys.argv[1:] or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except UserError as error:
        _exit_with_error(str(error))
    except OSError as error:
        # for example, a folder that this user may not read, or a name that is too long
        if error.filename is None:
            raise
        _exit_with_error(f"cannot use {shorten_text(str(error.filename), 300)}: {error.strerror}")
    except TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
        _exit_with_error(f"{error.format_message().rstrip('.')}; see {command} --help")
    else:
        _exit_process(status)


def _silence_libraries() -> None:
    """Keep warnings of libraries off the terminal; rows have them in their notes."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("benchmark").addHandler(_Printed(logging.WARNING))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


class _Printed(logging.Handler):
    """Print the warnings of the benchmark itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning as one line on standard error."""
        error_console.print(
            one_line(record.getMessage()),
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _exit_with_error(message: str) -> NoReturn:
    error_console.print(
        one_line(f"error: {message}"), style="red", markup=False, highlight=False, soft_wrap=True
    )
    _exit_process(2)


def _exit_process(status: int) -> NoReturn:
    """Exit, without cleaning up if a thread was abandoned.

    Compiled code that still runs in such a thread would abort the interpreter while it shuts down.
    """
    if any(thread.name == GIVEN_UP for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
