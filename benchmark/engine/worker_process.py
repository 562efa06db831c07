"""The main function of a worker process, which runs in the child."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmark.utils.files import forbid_writing

# networks log every epoch here; a worker forwards the messages to its parent, which logs them again
EPOCH_LOGGER = logging.getLogger("models.training")


class MessageForwarder(logging.Handler):
    """Pass the text of every message that is logged at level INFO or above to a function.

    Parameters
    ----------
    function : callable (str) -> object
    """

    def __init__(self, function: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self._function = function

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the text of a record on."""
        self._function(record.getMessage())


def serve_tasks(connection: Connection) -> None:
    """Receive tasks, run them and send their results, until the parent closes the connection.

    Parameters
    ----------
    connection : Connection
        "ready" is sent once, when all imports are done. A task is received as (number, function,
        args). Answers are sent as (process ID, number, (has failed, result or exception)), and
        messages on the progress of a task as (process ID, number, text).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()  # a process group of its own, which can be killed as a whole
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.dup2(2, 1)  # keep what plug-ins print out of the output of the command
    from benchmark.utils.threads import limit_loaded_libraries, limit_process_threads

    limit_process_threads()
    import benchmark.engine.tasks  # noqa: F401  # so that imports do not count into task times

    pid, current = os.getpid(), [0]
    _disable_forked_copies(connection)
    EPOCH_LOGGER.setLevel(logging.INFO)
    EPOCH_LOGGER.addHandler(
        MessageForwarder(lambda text: connection.send((os.getpid(), current[0], text)))
    )
    connection.send("ready")
    environment, home, depth = dict(os.environ), Path.cwd(), sys.getrecursionlimit()
    while True:
        try:
            current[0], function, args = connection.recv()
        except EOFError:
            return
        if os.environ != environment:  # an earlier plug-in has changed it
            os.environ.clear()
            os.environ.update(environment)
        os.chdir(home)
        limit_loaded_libraries()
        answer = _capture_result(function, args)
        if os.getpid() != pid:
            os._exit(1)  # this is a copy of the worker that a plug-in has forked
        sys.setrecursionlimit(depth)
        connection.send((pid, current[0], answer))


def _disable_forked_copies(connection: Connection) -> None:
    """Keep copies of this process that a plug-in forks from answering, and from writing files."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forbid_writing)
        os.register_at_fork(after_in_child=connection.close)


def _capture_result(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    """Call a function; return whether it raised, and its result or exception."""
    try:
        return False, function(*args)
    except BaseException as error:
        error.add_note(f"in a worker:\n{traceback.format_exc()[-10_000:]}")
        return True, error if isinstance(error, Exception) else RuntimeError(
            f"{type(error).__name__}: {error}"
        )


def _exit_with_parent() -> None:
    """Exit when the parent ends, however it ends: a killed runner must leave no worker behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
