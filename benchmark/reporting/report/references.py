"""The papers behind the components of a study, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from types import MappingProxyType

# the library and the checklists of every report
ALWAYS = ("pedregosa2011", "collins2024", "tejani2024")
# words of a report that refer to a paper -> its key
METHODS = MappingProxyType(
    {
        "Wilson": "wilson1927",
        "Nadeau": "nadeau2003",
        "Hsu": "hsu1981",
        "Holm": "holm1979",
        "Zou": "zou2008",
        "DeLong": "delong1988",
        "confident learning": "northcutt2021",
        "decision curves": "vickers2006",
        "net benefit": "vickers2006",
    }
)
# name of a component -> keys of its papers; () where it has none
PAPERS = MappingProxyType(
    {
        "image_statistics": (),
        "border_pixels": (),
        "random_embedding": (),
        "pixels": (),
        "covariates": (),
        "color_histogram": ("swain1991",),
        "shape_histogram": ("jain1996",),
        "laplacian_pyramid": ("burt1983",),
        "hog": ("dalal2005",),
        "lbp": ("ojala2002",),
        "glcm": ("haralick1973",),
        "gabor": ("manjunath1996",),
        "gist": ("oliva2001",),
        "sift_bovw": ("csurka2004", "lowe2004"),
        "kmeans_patches": ("coates2011",),
        "autoencoder": ("hinton2006", "paszke2019"),
        "cnn_embedding": ("donahue2014", "paszke2019"),
        "pretrained": ("tan2019", "paszke2019"),
        "pca": ("pearson1901",),
        "majority": (),
        "logistic_regression": (),
        "chunked_logistic_regression": (),
        "nearest_centroid": (),
        "gaussian_nb": (),
        "one_vs_rest": (),
        "linear_svm": ("cortes1995", "platt1999"),
        "rbf_svm": ("cortes1995", "platt1999"),
        "nystroem_svm": ("cortes1995", "williams2001"),
        "knn": ("cover1967",),
        "multinomial_nb": ("mccallum1998",),
        "random_forest": ("breiman2001",),
        "gradient_boosting": ("friedman2001",),
        "lightgbm": ("ke2017",),
        "balanced_random_forest": ("chen2004", "lemaitre2017"),
        "easy_ensemble": ("liu2009", "lemaitre2017"),
        "rus_boost": ("seiffert2010", "lemaitre2017"),
        "balanced_bagging": ("hido2009", "lemaitre2017"),
        "simple_cnn": ("paszke2019",),
        "fast_resnet": ("he2016", "paszke2019"),
        "resnet18": ("he2016", "paszke2019"),
        "resnet50": ("he2016", "paszke2019"),
        "none": (),
        "random_over": ("lemaitre2017",),
        "random_under": ("lemaitre2017",),
        "cluster_centroids": ("lemaitre2017",),
        "smote": ("chawla2002", "lemaitre2017"),
        "borderline_smote": ("han2005", "lemaitre2017"),
        "svm_smote": ("nguyen2011", "lemaitre2017"),
        "kmeans_smote": ("douzas2018", "lemaitre2017"),
        "adasyn": ("he2008", "lemaitre2017"),
        "near_miss": ("mani2003", "lemaitre2017"),
        "tomek_links": ("tomek1976", "lemaitre2017"),
        "edited_nearest_neighbours": ("wilson1972", "lemaitre2017"),
        "one_sided_selection": ("kubat1997", "lemaitre2017"),
        "neighbourhood_cleaning": ("laurikkala2001", "lemaitre2017"),
        "instance_hardness_threshold": ("smith2014", "lemaitre2017"),
        "smote_enn": ("batista2004", "lemaitre2017"),
        "smote_tomek": ("batista2004", "lemaitre2017"),
        "class_weight": (),
        "prior_threshold": ("buda2018",),
        "tuned_threshold": (),
        "operating_point": (),
        "prior_correction": ("elkan2001",),
        "temperature": ("guo2017",),
        "isotonic": ("zadrozny2002",),
        "random": ("bergstra2012",),
        "halving": ("jamieson2016",),
        "grid": (),
        "optuna": ("akiba2019",),
    }
)


@cache
def read_entries() -> dict[str, str]:
    """Read the BibTeX entries by their keys, in the order of the file."""
    file = resources.files("benchmark.reporting.report") / "references.bib"
    text = file.read_text(encoding="utf-8")
    entries = (entry.strip() for entry in re.split(r"\n(?=@)", text))
    return {re.split(r"[{,]", entry)[1]: entry for entry in entries}


def cite(components: Iterable[str], texts: Iterable[str] = ()) -> str:
    """Return the BibTeX entries of the papers behind components, and of those named in texts.

    Parameters
    ----------
    components : iterable of str
        Names; those of plug-ins are ignored.
    texts : iterable of str
        Paragraphs of a report.

    Examples
    --------
    >>> cite(["hog"]).split(",")[0]
    '@inproceedings{dalal2005'
    """
    prose = " ".join(texts).lower()
    named = {key for words, key in METHODS.items() if words.lower() in prose}
    keys = {key for name in components for key in PAPERS.get(name, ())} | {*ALWAYS} | named
    return "\n\n".join(entry for key, entry in read_entries().items() if key in keys)
