"""One spelling for names that look the same: Unicode writes an accented letter in two ways (NFC and NFD)."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def nfc(text: str) -> str:
    r"""Return a text in Unicode's composed form.

    Examples
    --------
    >>> nfc("e\u0301") == "\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text)


class PathFinder:
    """Find files whose names are spelled in another Unicode form on disk than in a table.

    Examples
    --------
    >>> PathFinder().find(Path("no/such/file.png")).as_posix()
    'no/such/file.png'
    """

    def __init__(self) -> None:
        self._listings: dict[str, dict[str, str]] = {}

    def find(self, path: Path) -> Path:
        """Return the existing path of the same name, or the path as it is where there is none."""
        if os.path.lexists(path) or str(path).isascii():
            return path
        here = Path(path.anchor)
        for step in path.parts[len(here.parts) :]:
            if not os.path.lexists(here / step):
                spelled = self._listing(here).get(nfc(step))
                if spelled is None:
                    return path
                here = here / spelled
            else:
                here = here / step
        return here

    def _listing(self, folder: Path) -> dict[str, str]:
        """List a folder once: names on disk by their composed form."""
        key = str(folder)
        if key not in self._listings:
            try:
                self._listings[key] = {nfc(path.name): path.name for path in sorted(folder.iterdir())}
            except (OSError, ValueError):
                self._listings[key] = {}
        return self._listings[key]
