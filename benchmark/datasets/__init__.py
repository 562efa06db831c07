"""Registry of datasets; each source has a module of its own.

A loader is a function ``load(name, data, size, **parameters) -> Dataset``. ``name`` is the name in
the study, ``data`` the data folder, ``size`` the side of the images in pixels (None: the loader
chooses), and ``parameters`` are those that the loader declares. In a study, a name that ends with a
colon is followed by a path.
"""

from types import MappingProxyType

MEDMNIST_2D = (
    "pathmnist",
    "chestmnist",
    "dermamnist",
    "octmnist",
    "pneumoniamnist",
    "retinamnist",
    "breastmnist",
    "bloodmnist",
    "tissuemnist",
    "organamnist",
    "organcmnist",
    "organsmnist",
)

REGISTRY = MappingProxyType(
    {
        "digits": "benchmark.datasets.bundled:load_digits",
        "faces": "benchmark.datasets.bundled:load_faces",
        **dict.fromkeys(
            ("cifar10", "cifar100", "mnist", "fashion_mnist"),
            "benchmark.datasets.torchvision_sets:load_torchvision",
        ),
        **dict.fromkeys(MEDMNIST_2D, "benchmark.datasets.medmnist_sets:load_medmnist"),
        "folder:": "benchmark.datasets.folder:load_folder",
        "csv:": "benchmark.datasets.csv_file:load_csv",
        "arrays:": "benchmark.datasets.arrays:load_arrays",
    }
)
