"""What the reader of a row, or of a data set, must know."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

SHARED = (
    "also in the training set, pixel for pixel"  # what a note of copies says of so many test images
)


class NoteKind(StrEnum):
    """What a note is about; tables show all but ``DETAIL``, which is in the rows alone."""

    LEAK = "leak"  # what is tested may have been trained on
    COPIES = "copies"  # test images of this very cell that are in its training set
    CLASSES = (
        "classes"  # absent from the test set or the training set, so that values are undefined
    )
    SPELLING = "spelling"  # classes or groups that may be one
    CORRECTION = "correction"  # class frequencies are corrected more than once
    DETAIL = "detail"


class Note(str):
    """A text for people that knows its kind.

    Parameters
    ----------
    text : str
    kind : NoteKind
    n_images : int or None
        How many images it is about, where tables sum it up over cells.

    Examples
    --------
    >>> note = Note("leak: 3 lesions are in both parts", NoteKind.LEAK)
    >>> note, note.kind.value
    ('leak: 3 lesions are in both parts', 'leak')
    """

    kind: NoteKind
    n_images: int | None

    def __new__(
        cls, text: str, kind: NoteKind = NoteKind.DETAIL, n_images: int | None = None
    ) -> Self:
        """Make a text with its kind."""
        note = super().__new__(cls, text)
        note.kind, note.n_images = kind, n_images
        return note

    @classmethod
    def from_text(cls, text: str) -> Note:
        """Return a text as a note: one that is none yet is a detail."""
        return text if isinstance(text, Note) else cls(text)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave."""
        return cls(stored["text"], NoteKind(stored["kind"]), stored["n_images"])

    def to_json(self) -> dict[str, Any]:
        """Text, kind and count, as JSON can hold them."""
        return {"kind": self.kind.value, "text": str(self), "n_images": self.n_images}

    def with_text(self, text: str) -> Note:
        """Note of the same kind with another text."""
        return Note(text, self.kind, self.n_images)


def leak_note(text: str) -> Note:
    """Note that what is tested may have been trained on."""
    return Note(f"leak: {text}", NoteKind.LEAK)
