"""Data sets: a file per source; this is their registry.

A data set's loader is a function ``load(name, data, size, **parameters) -> Dataset``: its name in
the study, the data folder, the side the images are to have (None: the loader's choice), and
whatever parameters it declares. A name that ends with a colon is followed by a path.
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
    }
)
