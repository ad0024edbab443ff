"""Known sets by scikit-learn's `fetch_openml`, which keeps what it downloads in a cache folder."""

from pathlib import Path

import numpy as np

from dima.errors import DataError
from dima.typing import Array

__all__ = ["fetch"]

_NAMES = {"mnist": "mnist_784", "fashion-mnist": "Fashion-MNIST"}
_TRAIN = 60_000  # the first of the 70,000 rows, in the published order


def fetch(name: str, split: str, cache_dir: Path) -> tuple[Array, Array]:
    """Images (n, 28, 28) uint8 and labels (n,) of a known set.

    Raises:
        DataError: it can be neither found in the cache nor downloaded.
    """
    # scikit-learn takes half a second to import, and only a download needs this part.
    from sklearn.datasets import fetch_openml

    try:
        found = fetch_openml(
            _NAMES[name], version=1, as_frame=False, data_home=str(cache_dir), parser="liac-arff"
        )
    except (OSError, ValueError) as fault:
        fix = "Put its IDX files into a folder and set DIMA_DATA to that."
        raise DataError(f"images: {name} must be found or downloaded; got {fault}. {fix}") from None
    rows = slice(0, _TRAIN) if split == "train" else slice(_TRAIN, None)
    return found.data[rows].reshape(-1, 28, 28).astype(np.uint8), found.target[rows].astype(np.int64)
