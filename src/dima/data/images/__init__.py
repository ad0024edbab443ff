"""Sets of images as float32 (n, c, h, w) in [-1, 1]: known sets by name, folders of pictures, arrays.

`load("mnist")` looks in $DIMA_DATA, then, where a cache folder is given, asks Hugging Face `datasets`, where
it is installed, and scikit-learn's `fetch_openml` to use or to fill it. Nothing is fetched unless a cache
folder is given. "fashion-mnist-1000" comes with dima.
"""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from dima import settings
from dima.data.images import idx, own, published
from dima.data.images.pixels import scaled
from dima.errors import DataError, SettingError
from dima.typing import Array, Float32

__all__ = ["Images", "load", "load_given"]

_OFFLINE = "fashion-mnist-1000"


@dataclasses.dataclass(frozen=True)
class Images:
    """A set of images.

    Attributes:
        images: (n, c, h, w) float32 in [-1, 1], c = 1 grey or 3 red, green, blue.
        labels: (n,) int64, or None.
        classes: names of the labels 0, 1 ...; None where they are numbers.
        rows: (n,) where each stands among the files or rows of a set of your own; None for a known set.
    """

    images: Float32
    labels: Array | None = None
    classes: tuple[str, ...] | None = None
    rows: Array | None = None

    def names(self) -> Array | None:
        """Labels by the names of their classes where those have some; None without labels."""
        if self.classes is None or self.labels is None:
            return self.labels
        return np.array(self.classes)[self.labels]

    def first(self, n: int) -> "Images":
        """The first `n` of them."""
        return self.take(slice(n))

    def take(self, which: Array | slice) -> "Images":
        """Those at some places."""
        labels, rows = (None if of is None else of[which] for of in (self.labels, self.rows))
        return Images(self.images[which], labels, self.classes, rows)


def load(
    name: str | Path,
    split: str = "train",
    only_digit: Annotated[int, Meta(ge=0, le=9, description="label of the images to keep")] | None = None,
    cache_dir: str | Path | None = None,
) -> Images:
    """Load a set of images.

    Args:
        name: "mnist", "fashion-mnist", "fashion-mnist-1000" (comes with dima: 800 and 200 images), a folder
            of .png and .jpg pictures of one size, flat or one folder a class, an .npy file of images, or
            an .npz file of `images` and perhaps `labels`.
        split: "train" or "test". Of a set of your own a fifth is held out at random, always the same,
            unless its folder has the folders train and test; both parts come in random order.
        only_digit: keep the images of this label, 0 to 9.
        cache_dir: where downloads are kept; None fetches nothing.

    Raises:
        DataError: the set is nowhere to be found, damaged, not images of one size, or too small to
            hold some out.
        SettingError: split or only_digit is not one of those above, or there are no labels.

    Example:
        >>> found = load("fashion-mnist-1000", "test", only_digit=3)
        >>> found.images.shape[1:], set(found.labels.tolist())
        ((1, 28, 28), {3})
    """
    if split not in own.PARTS:
        raise SettingError(f"images: split must be one of {', '.join(own.PARTS)}; got {split!r}.")
    only_digit = settings.check("images", load, {"only_digit": only_digit})["only_digit"]
    found = _find(name, split, cache_dir)
    if only_digit is None:
        return found
    if found.labels is None:
        fix = "Name a folder of folders by label, or an .npz with labels."
        raise SettingError(f"images: only_digit must be left out without labels; got {only_digit}. {fix}")
    kept = found.labels == only_digit
    if not kept.any():
        raise DataError(f"images: {name} must hold images of label {only_digit}; got none.")
    return found.take(kept)


def load_given(name: str | Path, cache_dir: str | Path | None = None) -> Images:
    """Images to be worked on: all of a set of your own in its order, or the test images of a known set.

    A folder with the folders train and test is taken like a known set. Errors are those of `load`.
    """
    path = Path(name)
    if not _is_own(name) or own.has_parts(path):
        return load(name, "test", cache_dir=cache_dir)
    return Images(*own.read(path, "test"))


def _find(name: str | Path, split: str, cache_dir: str | Path | None) -> Images:
    if name == _OFFLINE:
        pixels, labels = idx.offline()
        # A fifth for testing; the file is in random order.
        rows = slice(0, 800) if split == "train" else slice(800, None)
        return Images(scaled(_OFFLINE, pixels[rows]), labels[rows], idx.FASHION)
    if name in idx.SETS:
        return _known(str(name), split, cache_dir)
    if _is_own(name):
        path = Path(name)
        found = own.read(path, split)
        chosen = own.part(path, split, len(found[0]), found[1])
        return Images(*found, np.arange(len(found[0]))).take(chosen)
    fix = f"Name a folder, an .npy or .npz file, or one of {', '.join([*idx.SETS, _OFFLINE])}."
    raise DataError(f"images: {name} must be a set of images; got nothing there. {fix}")


def _is_own(name: str | Path) -> bool:
    path, is_known = Path(name), name == _OFFLINE or name in idx.SETS
    return not is_known and (path.is_dir() or (path.suffix.lower() in own.ARRAYS and path.is_file()))


def _known(name: str, split: str, cache_dir: str | Path | None) -> Images:
    home = os.environ.get("DIMA_DATA")
    found = idx.find(name, split, Path(home)) if home else None
    if found is None and cache_dir is not None:
        found = published.fetch(name, split, Path(cache_dir))
    if found is None:
        where = f"none in DIMA_DATA={home}" if home else "DIMA_DATA not set"
        fix = (
            f"Put {idx.names(name, split)[0]} there, gzipped or not, or give a cache folder to download into."
        )
        raise DataError(f"images: {name} must be found on this machine; got {where}. {fix}")
    return Images(scaled(name, found[0]), found[1], idx.FASHION if name == "fashion-mnist" else None)
