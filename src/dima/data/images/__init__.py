"""Sets of images as float32 (n, c, h, w) in [-1, 1]: known sets by name, folders of pictures, arrays.

`load("mnist")` looks in $DIMA_DATA, then, where a cache folder is given, asks scikit-learn's `fetch_openml`
to use or to fill it. Nothing is fetched unless a cache folder is given. "fashion-mnist-1000" comes with dima.
"""

import dataclasses
import os
import zipfile
from pathlib import Path

import numpy as np

from dima import check
from dima.data.images import idx, openml, pictures
from dima.data.images.pixels import scaled
from dima.errors import DataError, DimaError, SettingError
from dima.typing import Array, Float32

__all__ = ["Images", "load"]

_OFFLINE = "fashion-mnist-1000"
_SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class Images:
    """A set of images.

    Attributes:
        images: (n, c, h, w) float32 in [-1, 1], c = 1 grey or 3 red, green, blue.
        labels: (n,) int64, or None.
        classes: names of the labels 0, 1 ...; None where they are numbers.
    """

    images: Float32
    labels: Array | None = None
    classes: tuple[str, ...] | None = None

    def names(self) -> Array | None:
        """Labels by the names of their classes where those have some; None without labels."""
        if self.classes is None or self.labels is None:
            return self.labels
        return np.array(self.classes)[self.labels]

    def first(self, n: int) -> "Images":
        """The first `n` of them."""
        return Images(self.images[:n], None if self.labels is None else self.labels[:n], self.classes)


def load(
    name: str | Path,
    split: str = "train",
    only_digit: int | None = None,
    cache_dir: str | Path | None = None,
) -> Images:
    """Load a set of images.

    Args:
        name: "mnist", "fashion-mnist", "fashion-mnist-1000" (comes with dima: 800 and 200 images), a folder
            of .png and .jpg pictures of one size, flat or one folder a class, an .npy file of images, or
            an .npz file of `images` and perhaps `labels`.
        split: "train" or "test", of a known set.
        only_digit: keep the images of this label, 0 to 9.
        cache_dir: where downloads are kept; None fetches nothing.

    Raises:
        DataError: the set is nowhere to be found, damaged, or not images of one size.
        SettingError: split or only_digit is not one of those above, or there are no labels.

    Example:
        >>> found = load("fashion-mnist-1000", "test", only_digit=3)
        >>> found.images.shape[1:], set(found.labels.tolist())
        ((1, 28, 28), {3})
    """
    if split not in _SPLITS:
        raise SettingError(f"images: split must be one of {', '.join(_SPLITS)}; got {split!r}.")
    if only_digit is not None and (not isinstance(only_digit, int) or not 0 <= only_digit <= 9):
        raise SettingError(f"images: only_digit must be a whole number from 0 to 9; got {only_digit!r}.")
    found = _find(name, split, cache_dir)
    if only_digit is None:
        return found
    if found.labels is None:
        raise SettingError(f"images: only_digit must be left out without labels; got {only_digit}.")
    kept = found.labels == only_digit
    if not kept.any():
        raise DataError(f"images: {name} must hold images of label {only_digit}; got none.")
    return Images(found.images[kept], found.labels[kept], found.classes)


def _find(name: str | Path, split: str, cache_dir: str | Path | None) -> Images:
    if name == _OFFLINE:
        pixels, labels = idx.offline()
        # A fifth for testing; the file is in random order.
        rows = slice(0, 800) if split == "train" else slice(800, None)
        return Images(scaled(_OFFLINE, pixels[rows]), labels[rows], idx.FASHION)
    if name in idx.SETS:
        return _known(str(name), split, cache_dir)
    path = Path(name)
    if path.is_dir():
        found, kinds, classes = pictures.read_folder(path)
        return Images(scaled(str(path), found), kinds, classes)
    if path.suffix.lower() in (".npy", ".npz") and path.is_file():
        return _arrays(path)
    fix = f"Name a folder, an .npy or .npz file, or one of {', '.join([*idx.SETS, _OFFLINE])}."
    raise DataError(f"images: {name} must be a set of images; got nothing there. {fix}")


def _known(name: str, split: str, cache_dir: str | Path | None) -> Images:
    home = os.environ.get("DIMA_DATA")
    found = idx.find(name, split, Path(home)) if home else None
    if found is None and cache_dir is not None:
        found = openml.fetch(name, split, Path(cache_dir))
    if found is None:
        where = f"none in DIMA_DATA={home}" if home else "DIMA_DATA not set"
        fix = (
            f"Put {idx.names(name, split)[0]} there, gzipped or not, or give a cache folder to download into."
        )
        raise DataError(f"images: {name} must be found on this machine; got {where}. {fix}")
    return Images(scaled(name, found[0]), found[1], idx.FASHION if name == "fashion-mnist" else None)


def _arrays(path: Path) -> Images:
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return Images(scaled(str(path), stored))
        with stored:
            arrays = {key: stored[key] for key in stored.files if key in ("images", "labels")}
    except DimaError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as fault:
        message = f"images: {path} must be a readable array file; got a damaged one ({fault})."
        raise DataError(f"{message} Save it again.") from None
    if "images" not in arrays:
        raise DataError(
            f"images: {path} must hold an array called images; got none. Save it under that name."
        )
    images = scaled(str(path), arrays["images"])
    if "labels" not in arrays:
        return Images(images)
    labels = check.array("images", f"labels of {path}", arrays["labels"], (len(images),)).astype(np.int64)
    return Images(images, labels)
