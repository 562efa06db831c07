"""Names that people give to the parts of an official split."""

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
_ROUGH = MappingProxyType(
    dict.fromkeys(("trainval", "labeled", "labelled", "entrenamiento", "entraînement", "entrainement", "treino"), "train")
    | dict.fromkeys(("cv", "crossval", "crossvalidation", "validación", "validacion", "validação", "validacao"), "val")
    | dict.fromkeys(
        (
            "eval", "evaluate", "evaluation", "holdout", "external", "unseen", "unlabeled", "unlabelled",
            "pred", "predict", "prediction", "predictions", "inference", "submission", "prueba", "pruebas", "teste",
        ),
        "test",
    )
)  # fmt: skip
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_FILLER = re.compile(r"(images?|imgs?|datasets?|data|sets?|splits?|folder|samples)$")


def parse_subset_name(name: str) -> str | None:
    """Return the part that a folder or a cell names in any case: 'train', 'val' or 'test'; None for other names.

    Examples
    --------
    >>> part_of("Training"), part_of("valid"), part_of("Test_Set"), part_of("glioma")
    ('train', 'val', 'test', None)
    """
    word = re.sub(r"[\s_.-]+", "", normalize_unicode(name).casefold())
    return _SYNONYMS.get(word) or _SYNONYMS.get(_FILLER.sub("", word))


def guess_subset_name(name: str) -> str | None:
    """Return the part that a name may mean, for refusals only: numbers and words beside it do not count.

    Examples
    --------
    >>> rough_part("seg_train"), rough_part("Test1"), rough_part("trainA"), rough_part("unlabelled")
    ('train', 'test', 'train', 'test')
    >>> rough_part("glioma"), rough_part("constraint")
    (None, None)
    """
    words = _NO_LETTERS.split(_CAPITAL.sub(" ", normalize_unicode(name)))
    candidates = ("".join(words), *words)
    return next(
        (
            part
            for word in candidates
            if (part := parse_subset_name(word) or _ROUGH.get(word.casefold()))
        ),
        None,
    )
