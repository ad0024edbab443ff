"""Sets of images of your own: a folder of pictures, or an array file; and which of them are for testing."""

from pathlib import Path

import numpy as np

from dima import check
from dima.data import npy
from dima.data.images import pictures
from dima.data.images.pixels import scaled
from dima.data.split import train_test
from dima.errors import DataError
from dima.files import one_sentence
from dima.typing import Array, Float32

__all__ = ["ARRAYS", "PARTS", "Own", "has_parts", "part", "read"]

ARRAYS = (".npy", ".npz")
PARTS = ("train", "test")
_FEWEST, _SHARE = 5, 0.2  # images that can be split, and the share that is held out
_SEED = 0  # of every split: train and test share no image, whichever is loaded when

# Images (n, c, h, w), their labels if there are any, and the names of these if they have some.
Own = tuple[Float32, Array | None, tuple[str, ...] | None]


def read(path: Path, split: str) -> Own:
    """All images at a path, in the order of files or rows; of a folder with both parts, those of `split`.

    Raises:
        DataError: they cannot be read.
    """
    if not path.is_dir():
        return (*_arrays(path), None)
    if not has_parts(path):
        found, labels, classes = pictures.read_folder(path)
        return scaled(str(path), found), labels, classes
    names = sorted({name for one in PARTS for name in pictures.class_names(path / one)})
    found, labels, classes = pictures.read_folder(path / split, names)
    return scaled(str(path / split), found), labels, classes


def part(path: Path, split: str, n: int, labels: Array | None) -> Array:
    """Rows of the `n` images of `read` that belong to a split, in random order.

    The first rows of a split are no class alone, however the images are sorted. A fifth is for testing, of
    each class, unless the folder says itself which are.

    Raises:
        DataError: there are too few to hold any out.
    """
    is_split = has_parts(path)
    if not is_split and n < _FEWEST and split == "test":
        rule, fix = f"hold at least {_FEWEST} images to keep some for testing", "Add some."
        raise DataError(f"images: {path} must {rule}; got {n}. {fix}")
    if is_split or n < _FEWEST:
        return np.random.default_rng(_SEED).permutation(n)
    train, test = train_test(n, _SHARE, _SEED, labels)
    if not len(test):  # as many classes as images: none can be both learnt and tested
        train, test = train_test(n, _SHARE, _SEED)
    return test if split == "test" else train


def has_parts(path: Path) -> bool:
    """Whether a folder holds train and test images apart."""
    return all((path / name).is_dir() for name in PARTS)


def _arrays(path: Path) -> tuple[Float32, Array | None]:
    if path.suffix.lower() == ".npy":
        with one_sentence(path, "images", DataError, "a readable array file"):
            return scaled(str(path), npy.mapped("images", path)), None
    arrays = npy.unpacked("images", path, ("images", "labels"))
    if "images" not in arrays:
        raise DataError(
            f"images: {path} must hold an array called images; got none. Save it under that name."
        )
    images = scaled(str(path), arrays["images"])
    if "labels" not in arrays:
        return images, None
    return images, check.labels("images", f"labels of {path}", arrays["labels"], len(images))
