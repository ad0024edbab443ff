"""IDX files of MNIST and Fashion-MNIST, gzipped or not, each held against its SHA-256.

The format: two zero bytes, 8 for unsigned bytes, the number of axes, their sizes as big-endian 32-bit
numbers, then the bytes. Source: Y. LeCun, C. Cortes and C. Burges, the MNIST page.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from dima.errors import DataError
from dima.typing import Array

__all__ = ["FASHION", "SETS", "find", "names", "offline", "read"]

FASHION = (
    *("T-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
# set -> split -> SHA-256 of the uncompressed images and labels
SETS: dict[str, dict[str, tuple[str, str]]] = {
    "mnist": {
        "train": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "test": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
    "fashion-mnist": {
        "train": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "test": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
}
_PREFIX = {"train": "train", "test": "t10k"}
_OFFLINE = (
    "255074121b29669f9a75d07fe9f953485d4e0609c5e405edba6e1b4708d0f248",
    "a91fee19350f4487dbaf5a4e3dd850e49d690195f4346a8d84d491992270f7df",
)
_MOST_BYTES = 64 * 2**20  # the largest of these files unpacks to 47 MB


def names(name: str, split: str) -> tuple[str, str]:
    """Paths of the images and the labels below the folder of all sets."""
    prefix = f"{name}/{_PREFIX[split]}"
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def find(name: str, split: str, home: Path) -> tuple[Array, Array] | None:
    """Images (n, 28, 28) uint8 and labels (n,) of a known set; None where its files are not below `home`.

    Raises:
        DataError: a file is damaged.
    """
    found = [_existing(home, path) for path in names(name, split)]
    if None in found:
        return None
    images, labels = (
        read(path, digest) for path, digest in zip(found, SETS[name][split], strict=True) if path
    )
    return images, labels.astype(np.int64)


def offline() -> tuple[Array, Array]:
    """The thousand images that come with dima, (1000, 28, 28) uint8, and their labels."""
    folder = Path(__file__).with_name("fashion_mnist_1000")
    images = read(folder / "images-idx3-ubyte.gz", _OFFLINE[0])
    return images, read(folder / "labels-idx1-ubyte.gz", _OFFLINE[1]).astype(np.int64)


def read(path: Path, sha256: str) -> Array:
    """The bytes of an IDX file, in its shape.

    Raises:
        DataError: it cannot be read, is no IDX file of bytes, or not the file of that digest.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as fault:
        message = f"images: {path} must be a readable file; got {fault}. Download it again."
        raise DataError(message) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        fix = "Download it again."
        raise DataError(f"images: {path} must have the SHA-256 of the published file; got another. {fix}")
    n_axes = data[3]
    shape = np.frombuffer(data, ">u4", n_axes, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def _existing(home: Path, path: str) -> Path | None:
    """The file below `home`, or right in it, gzipped or not."""
    places = [home / path, home / Path(path).name]
    both = [place.with_name(place.name + end) for place in places for end in ("", ".gz")]
    return next((place for place in both if place.is_file()), None)
