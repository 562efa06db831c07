"""Registry of the feature extractors; each has a module of its own.

The registry holds ``module:attribute`` strings, so that reading it imports nothing.
"""

from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

REGISTRY = MappingProxyType(
    {
        "image_statistics": "features.image_statistics:ImageStatistics",
        "border_pixels": "features.border_pixels:BorderPixels",
        "random_embedding": "features.random_embedding:RandomEmbedding",
        "pixels": "features.pixels:Pixels",
        "color_histogram": "features.color_histogram:ColorHistogram",
        "shape_histogram": "features.shape_histogram:ShapeHistogram",
        "laplacian_pyramid": "features.laplacian_pyramid:LaplacianPyramid",
        "hog": "features.hog:HOG",
        "lbp": "features.lbp:LBP",
        "glcm": "features.glcm:GLCM",
        "gabor": "features.gabor:Gabor",
        "gist": "features.gist:GIST",
        "sift_bovw": "features.sift_bovw:SIFTBoVW",
        "kmeans_patches": "features.kmeans_patches:KMeansPatches",
        "autoencoder": "features.autoencoder:Autoencoder",
        "cnn_embedding": "features.cnn_embedding:CNNEmbedding",
        "pretrained": "features.pretrained:Pretrained",
        "pca": "features.pca:PCA",
        "covariates": "features.covariates:Covariates",
    }
)
_PUBLIC = {target.partition(":")[2]: target for target in REGISTRY.values()}
__all__ = sorted(_PUBLIC)  # resolved by __getattr__


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return resolve_name(_PUBLIC[name])
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
