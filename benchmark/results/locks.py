"""Who works on what, among runners that share a results folder: a lock per piece of work, freed by the system on any death."""

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
    """Claims of one runner.

    Parameters
    ----------
    folder : Path
        Results folder; the locks are files in ``ResultsFolder.locks``, there only while they are
        held.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = ResultsFolder(folder)
        self._held: dict[str, BaseFileLock] = {}

    def claim(self, key: str, wait: bool = False) -> bool:
        """Take a piece of work; False when another runner is at it, unless this one is to wait for that."""
        self._folder.locks.mkdir(exist_ok=True)
        lock = FileLock(self._folder.locks / key)
        try:
            lock.acquire(blocking=wait)
        except Timeout:
            return False
        self._held[key] = lock
        return True

    def release(self, key: str) -> None:
        """Give a piece of work back, if it is held; whoever claims it later must look whether it is done.

        Each step may be done twice, as when Ctrl-C comes between two of them.
        """
        lock = self._held.get(key)
        if lock is None:
            return
        with suppress(PermissionError):  # Windows removes no open file
            Path(lock.lock_file).unlink(
                missing_ok=True
            )  # while it is held, so that nobody can hold a file that was removed
        lock.release()
        self._held.pop(key, None)

    @contextmanager
    def hold_claim(self, key: str) -> Iterator[None]:
        """Wait for a piece of work, and hold it meanwhile."""
        self.claim(key, wait=True)
        try:
            yield
        finally:
            self.release(key)

    def release_all(self) -> None:
        """Give everything back."""
        for key in list(self._held):
            self.release(key)

    def remove_leftovers(self) -> None:
        """Remove what killed workers and runners left: temporary files, and locks of work nobody is at."""
        folder = self._folder
        shared = ((place, "tables") for place in (folder.path, folder.studies, folder.plugins))
        for place, guard in (
            (folder.predictions_folder, None),
            (folder.features, None),
            (folder.images, "images"),
            *shared,
        ):
            for path in place.glob(".*.part"):
                if found := TEMPORARY.fullmatch(path.name):
                    self._remove_if_unclaimed(path, guard or found[1])
        for path in folder.locks.glob("*"):
            if CLAIM.fullmatch(path.name):
                self._remove_if_unclaimed(path, path.name)

    def _remove_if_unclaimed(self, path: Path, key: str) -> None:
        if self.claim(key):
            if path.parent != self._folder.locks:
                path.unlink(missing_ok=True)
            self.release(key)
