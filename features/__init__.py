"""Feature extractors, one a file; this is their menu.

The menu holds ``module:attribute`` strings so that reading it imports nothing.
"""

from types import MappingProxyType

REGISTRY = MappingProxyType(
    {
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
        "pca": "features.pca:PCA",
    }
)
