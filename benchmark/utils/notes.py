"""Notes: what a reader must know about a row or a dataset."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

# text of a note of kind COPIES, after the number of test images
SHARED = "also in the training set, pixel for pixel"


class NoteKind(StrEnum):
    """What a note is about; tables show all kinds except ``DETAIL``, which is in the rows only."""

    # test images may have been trained on
    LEAK = "leak"
    # the same, since copies of them may have been
    LEAKED_COPIES = "leaked copies"
    # test images of this cell are also in its training set
    COPIES = "copies"
    # classes are missing from the test set or the training set, so that metrics are undefined
    CLASSES = "classes"
    # classes or groups may be the same, spelled differently
    SPELLING = "spelling"
    # class frequencies are corrected more than once
    CORRECTION = "correction"
    # how many groups there are, and what they were made of
    GROUPS = "groups"
    # there were too few training images to tune as asked for
    TUNING = "tuning"
    # the images were brought to another size
    SIZE = "size"
    # images were left out when the dataset was loaded
    LEFT_OUT = "left out"
    # anything else
    DETAIL = "detail"


class Note(str):
    """A text with the kind of what it is about.

    Parameters
    ----------
    text : str
    kind : NoteKind, default=NoteKind.DETAIL
    n_images : int or None
        Number of images that the note is about, if tables sum it over cells.

    Examples
    --------
    >>> note = Note("leak: 3 lesions are in both subsets", NoteKind.LEAK)
    >>> note, note.kind.value
    ('leak: 3 lesions are in both subsets', 'leak')
    """

    kind: NoteKind
    n_images: int | None

    def __new__(
        cls, text: str, kind: NoteKind = NoteKind.DETAIL, n_images: int | None = None
    ) -> Self:
        """Create the text and set its attributes."""
        note = super().__new__(cls, text)
        note.kind, note.n_images = kind, n_images
        return note

    @classmethod
    def from_text(cls, text: str) -> Note:
        """Return a note unchanged, and any other text as a note of kind ``DETAIL``."""
        return text if isinstance(text, Note) else cls(text)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Create a note from the result of ``to_json``."""
        return cls(stored["text"], NoteKind(stored["kind"]), stored["n_images"])

    def to_json(self) -> dict[str, Any]:
        """Return text, kind and number of images as JSON values."""
        return {"kind": self.kind.value, "text": str(self), "n_images": self.n_images}

    @property
    def is_leak(self) -> bool:
        """Whether the note says that test images may have been trained on."""
        return self.kind in (NoteKind.LEAK, NoteKind.LEAKED_COPIES)

    def with_text(self, text: str) -> Note:
        """Return a note with another text and the same attributes."""
        return Note(text, self.kind, self.n_images)


def leak_note(text: str, kind: NoteKind = NoteKind.LEAK) -> Note:
    """Return a note that test images may have been trained on."""
    return Note(f"leak: {text}", kind)
