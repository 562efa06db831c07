"""Names that people give to the subsets of an official split: training, validation and test."""

from __future__ import annotations

import re
from types import MappingProxyType

from benchmark.utils.text import normalize_unicode

_SYNONYMS = MappingProxyType(
    {
        **dict.fromkeys(("train", "training", "trn"), "train"),
        **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), "val"),
        **dict.fromkeys(("test", "testing", "tst"), "test"),
    }
)
_GUESSES = MappingProxyType(
    dict.fromkeys(
        (
            "trainval", "labeled", "labelled",
            "entrenamiento", "entraînement", "entrainement", "treino",
        ),
        "train",
    )
    | dict.fromkeys(
        (
            "cv", "crossval", "crossvalidation",
            "validación", "validacion", "validação", "validacao",
        ),
        "val",
    )
    | dict.fromkeys(
        (
            "eval", "evaluate", "evaluation", "holdout", "external", "unseen",
            "unlabeled", "unlabelled", "pred", "predict", "prediction", "predictions",
            "inference", "submission", "prueba", "pruebas", "teste",
        ),
        "test",
    )
)  # fmt: skip
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_FILLER = re.compile(r"(images?|imgs?|datasets?|data|sets?|splits?|folder|samples)$")


def parse_subset_name(name: str) -> str | None:
    """Parse a folder name or CSV cell as the name of a subset, in any case.

    Returns
    -------
    'train', 'val', 'test' or None
        None if the name is not that of a subset.

    See Also
    --------
    guess_subset_name : Recognizes more names, for error messages.

    Examples
    --------
    >>> [parse_subset_name(name) for name in ("Training", "valid", "Test_Set", "glioma")]
    ['train', 'val', 'test', None]
    """
    word = re.sub(r"[\s_.-]+", "", normalize_unicode(name).casefold())
    return _SYNONYMS.get(word) or _SYNONYMS.get(_FILLER.sub("", word))


def guess_subset_name(name: str) -> str | None:
    """Guess which subset a name may mean, ignoring numbers and other words in it.

    The guess is used only to refuse a folder, never to split a dataset.

    Returns
    -------
    'train', 'val', 'test' or None

    Examples
    --------
    >>> [guess_subset_name(name) for name in ("seg_train", "Test1", "trainA", "unlabelled")]
    ['train', 'test', 'train', 'test']
    >>> [guess_subset_name(name) for name in ("glioma", "constraint")]
    [None, None]
    """
    words = _NO_LETTERS.split(_CAPITAL.sub(" ", normalize_unicode(name)))
    candidates = ("".join(words), *words)
    return next(
        (
            subset
            for word in candidates
            if (subset := parse_subset_name(word) or _GUESSES.get(word.casefold()))
        ),
        None,
    )
