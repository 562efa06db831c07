"""A results folder: what lies where in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from benchmark.errors import UserError
from benchmark.scoring.predictions import Predictions
from benchmark.utils.hashing import digest_of_file


class ResultsFolder:
    """Paths in the folder that a study is run into, and the predictions in it.

    Parameters
    ----------
    path : str or Path
        It need not exist.

    Examples
    --------
    >>> ResultsFolder("results/digits").predictions("1448679397501105aeb9").as_posix()
    'results/digits/predictions/1448679397501105aeb9.npz'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def database(self) -> Path:
        """Rows, and the cells that are planned."""
        return self.path / "results.sqlite"

    @property
    def predictions_folder(self) -> Path:
        """Folder of the predictions."""
        return self.path / "predictions"

    @property
    def features(self) -> Path:
        """Cache of matrices of features."""
        return self.path / "features"

    @property
    def images(self) -> Path:
        """Data sets, as the workers open them."""
        return self.path / "images"

    @property
    def locks(self) -> Path:
        """Locks of work that is being done."""
        return self.path / "claims"

    @property
    def plugins(self) -> Path:
        """Sources of the plug-ins that were run."""
        return self.path / "plugins"

    @property
    def studies(self) -> Path:
        """Every study that has written into the folder."""
        return self.path / "studies"

    @property
    def plots(self) -> Path:
        """Plots."""
        return self.path / "plots"

    @property
    def study(self) -> Path:
        """The study that was run last."""
        return self.path / "study.yaml"

    @property
    def environment(self) -> Path:
        """Where it was run last."""
        return self.path / "environment.json"

    def leaderboard_path(self, suffix: str) -> Path:
        """Leaderboards in one format."""
        return self.path / f"leaderboard.{suffix}"

    def predictions_path(self, key: str) -> Path:
        """Predictions of one cell."""
        return self.predictions_folder / f"{key}.npz"

    def has_predictions(self, key: str, digest: str | None) -> bool:
        """Whether the predictions of a cell are those that were written.

        Without a digest, as in rows of earlier versions: whether they are a whole file.
        """
        path = self.predictions_path(key)
        try:
            return zipfile.is_zipfile(path) if digest is None else digest_of_file(path) == digest
        except OSError:
            return False

    def read_predictions(self, key: str, digest: str | None = None) -> Predictions:
        """Read the predictions of one cell.

        Parameters
        ----------
        key : str
        digest : str or None
            Of the file, as its row has it; None in rows of earlier versions.

        Raises
        ------
        UserError
            The file is missing, corrupted or truncated, or was changed since its cell has ended.
        """
        path, again = self.predictions_path(key), "run its study again with --force"
        try:
            predictions = Predictions.load(path)
        except FileNotFoundError:
            raise UserError(f"{path} is missing: {again}") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is corrupted or truncated ({error}): {again}") from None
        if digest is not None and digest_of_file(path) != digest:
            raise UserError(f"{path} was changed after its cell had ended: {again}")
        return predictions
