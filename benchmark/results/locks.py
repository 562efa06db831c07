"""Locks by which runners that share a results folder divide the work among themselves.

There is one lock per piece of work. The operating system releases it when its process dies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from benchmark.results.folder import ResultsFolder
from benchmark.utils.files import TEMPORARY

CLAIM = re.compile(r"[0-9a-f]{20}|tables|images")


class Claims:
    """Pieces of work that one runner has claimed.

    Parameters
    ----------
    folder : Path
        Results folder. The locks are files in ``ResultsFolder.locks``, which exist only while they
        are held.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = ResultsFolder(folder)
        self._held: dict[str, BaseFileLock] = {}

    def claim(self, key: str, wait: bool = False) -> bool:
        """Claim a piece of work.

        Parameters
        ----------
        key : str
            Content key of a cell or a feature matrix, or 'tables' or 'images'.
        wait : bool
            Whether to wait while another runner has claimed it.

        Returns
        -------
        bool
            False if another runner has claimed it.
        """
        self._folder.locks.mkdir(exist_ok=True)
        lock = FileLock(self._folder.locks / key)
        try:
            lock.acquire(blocking=wait)
        except Timeout:
            return False
        self._held[key] = lock
        return True

    def release(self, key: str) -> None:
        """Release a piece of work if it is claimed; who claims it next must check if it is done.

        Every step can be repeated, as is necessary when Ctrl-C interrupts this method.
        """
        lock = self._held.get(key)
        if lock is None:
            return
        # remove the file before the lock is released, so that nobody can lock a removed file
        with suppress(PermissionError):  # Windows does not remove open files
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        self._held.pop(key, None)

    @contextmanager
    def hold_claim(self, key: str) -> Iterator[None]:
        """Claim a piece of work for the duration of a block, after waiting for it if necessary."""
        self.claim(key, wait=True)
        try:
            yield
        finally:
            self.release(key)

    def release_all(self) -> None:
        """Release all claims."""
        for key in list(self._held):
            self.release(key)

    def remove_leftovers(self) -> None:
        """Remove temporary files and unclaimed locks that killed workers and runners have left."""
        folder = self._folder
        guards = {  # None: the file is guarded by the claim on its own key
            folder.predictions_folder: None,
            folder.features: None,
            folder.images: "images",
            folder.path: "tables",
            folder.studies: "tables",
            folder.plugins: "tables",
        }
        for subfolder, guard in guards.items():
            for path in subfolder.glob(".*.part"):
                if match := TEMPORARY.fullmatch(path.name):
                    self._remove_if_unclaimed(path, guard or match[1])
        for path in folder.locks.glob("*"):
            if CLAIM.fullmatch(path.name):
                self._remove_if_unclaimed(path, path.name)

    def _remove_if_unclaimed(self, path: Path, key: str) -> None:
        if self.claim(key):
            if path.parent != self._folder.locks:
                path.unlink(missing_ok=True)
            self.release(key)
