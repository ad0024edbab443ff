"""Known sets through a cache folder: by Hugging Face `datasets` where it is installed, then by scikit-learn.

Both look into the folder first and keep there what they download.
"""

import importlib.util
from pathlib import Path

import numpy as np

from dima.errors import DataError
from dima.typing import Array

__all__ = ["fetch"]

_ON_HUB = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
_ON_OPENML = {"mnist": "mnist_784", "fashion-mnist": "Fashion-MNIST"}
_TRAIN = 60_000  # the first of OpenML's 70,000 rows, in the published order


def fetch(name: str, split: str, cache_dir: Path) -> tuple[Array, Array]:
    """Images (n, 28, 28) uint8 and labels (n,) of a known set.

    Raises:
        DataError: it can be neither found in the cache nor downloaded.
    """
    found = _by_datasets(name, split, cache_dir) if importlib.util.find_spec("datasets") else None
    return _by_openml(name, split, cache_dir) if found is None else found


def _by_datasets(name: str, split: str, cache_dir: Path) -> tuple[Array, Array] | None:
    """The same; None where the set is neither in the folder nor within reach."""
    # It takes a second to import, and only a cache folder needs it.
    from datasets import load_dataset  # type: ignore[import-not-found,unused-ignore]  # not required

    try:
        found = load_dataset(_ON_HUB[name], split=split, cache_dir=str(cache_dir))
    except (OSError, ValueError):
        return None
    images = np.stack([np.asarray(image, np.uint8) for image in found["image"]])
    return images, np.asarray(found["label"], np.int64)


def _by_openml(name: str, split: str, cache_dir: Path) -> tuple[Array, Array]:
    # scikit-learn takes half a second to import, and only a download needs this part.
    from sklearn.datasets import fetch_openml

    try:
        found = fetch_openml(
            _ON_OPENML[name], version=1, as_frame=False, data_home=str(cache_dir), parser="liac-arff"
        )
    except (OSError, ValueError) as fault:
        fix = "Put its IDX files into a folder and set DIMA_DATA to that."
        raise DataError(f"images: {name} must be found or downloaded; got {fault}. {fix}") from None
    rows = slice(0, _TRAIN) if split == "train" else slice(_TRAIN, None)
    return found.data[rows].reshape(-1, 28, 28).astype(np.uint8), found.target[rows].astype(np.int64)
