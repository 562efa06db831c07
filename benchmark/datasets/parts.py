"""Names that people give to the parts of an official split."""

from __future__ import annotations

import re
from types import MappingProxyType

from benchmark.text import nfc

_SYNONYMS = MappingProxyType(
    {
        **dict.fromkeys(("train", "training", "trn"), "train"),
        **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), "val"),
        **dict.fromkeys(("test", "testing", "tst"), "test"),
    }
)
_FILLER = re.compile(r"(images?|imgs?|datasets?|data|sets?|splits?|folder|samples)$")


def part_of(name: str) -> str | None:
    """Return the part that a folder or a cell names in any case: 'train', 'val' or 'test'; None for other names.

    Examples
    --------
    >>> part_of("Training"), part_of("valid"), part_of("Test_Set"), part_of("glioma")
    ('train', 'val', 'test', None)
    """
    word = re.sub(r"[\s_.-]+", "", nfc(name).casefold())
    return _SYNONYMS.get(word) or _SYNONYMS.get(_FILLER.sub("", word))
