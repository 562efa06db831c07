"""Paths and files of a results folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

from benchmark.errors import UserError
from benchmark.scoring.predictions import Predictions
from benchmark.utils.hashing import digest_of_file


class ResultsFolder:
    """Paths in a results folder, and access to its predictions.

    Parameters
    ----------
    path : str or Path
        It need not exist.

    Examples
    --------
    >>> ResultsFolder("results/digits").predictions_path("1448679397501105aeb9").as_posix()
    'results/digits/predictions/1448679397501105aeb9.npz'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def database(self) -> Path:
        """SQLite database of the rows and the planned cells."""
        return self.path / "results.sqlite"

    @property
    def predictions_folder(self) -> Path:
        """Folder of the predictions, one file per cell."""
        return self.path / "predictions"

    @property
    def features(self) -> Path:
        """Cache of feature matrices."""
        return self.path / "features"

    def tuning_journal(self, key: str) -> Path:
        """Path of what has been computed to tune a cell that has not ended."""
        return self.path / "tuning" / f"{key}.jsonl"

    @property
    def images(self) -> Path:
        """Datasets in the form that workers open."""
        return self.path / "images"

    @property
    def dataset_records(self) -> Path:
        """Folder of the names, classes and attributes of images, two files per dataset."""
        return self.path / "datasets"

    def dataset_record(self, fingerprint: str) -> Path:
        """Path of what is kept of a dataset, without its suffixes .csv and .json."""
        return self.dataset_records / fingerprint

    @property
    def locks(self) -> Path:
        """Locks of the work that runners have claimed."""
        return self.path / "claims"

    @property
    def plugins(self) -> Path:
        """Sources of the plug-ins that have been run."""
        return self.path / "plugins"

    @property
    def studies(self) -> Path:
        """Every study that has written into the folder."""
        return self.path / "studies"

    @property
    def plots(self) -> Path:
        """Folder of the plots."""
        return self.path / "plots"

    @property
    def study(self) -> Path:
        """The study of the last run."""
        return self.path / "study.yaml"

    @property
    def environment(self) -> Path:
        """The environment of the last run."""
        return self.path / "environment.json"

    def leaderboard_path(self, suffix: str) -> Path:
        """Path of the leaderboards in one format."""
        return self.path / f"leaderboard.{suffix}"

    def predictions_path(self, key: str) -> Path:
        """Path of the predictions of one cell."""
        return self.predictions_folder / f"{key}.npz"

    def has_predictions(self, key: str, digest: str | None) -> bool:
        """Whether the predictions of a cell are still as they were written.

        Parameters
        ----------
        key : str
        digest : str or None
            Digest of the file, from its row. If it is None, as in rows of earlier versions, only
            the completeness of the file is checked.
        """
        path = self.predictions_path(key)
        try:
            return zipfile.is_zipfile(path) if digest is None else digest_of_file(path) == digest
        except OSError:
            return False

    def read_predictions(
        self, key: str, digest: str | None = None, external: bool = False
    ) -> Predictions:
        """Read the predictions of one cell.

        Parameters
        ----------
        key : str
        digest : str or None
            Digest of the file, from its row; None in rows of earlier versions.
        external : bool
            Whether to read those of the external images, and not those of the test set.

        Returns
        -------
        Predictions

        Raises
        ------
        UserError
            The file is missing, corrupted or truncated, or was changed after its cell had ended.
        """
        path, again = self.predictions_path(key), "run its study again with --force"
        try:
            predictions = Predictions.load(path, external)
        except FileNotFoundError:
            raise UserError(f"{path} is missing: {again}") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is corrupted or truncated ({error}): {again}") from None
        if digest is not None and digest_of_file(path) != digest:
            raise UserError(f"{path} was changed after its cell had ended: {again}")
        return predictions
