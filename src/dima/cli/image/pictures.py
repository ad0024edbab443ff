"""Pictures that verbs of images write."""

import math
from collections.abc import Mapping
from pathlib import Path

from dima.errors import DataError
from dima.figures import grid, png
from dima.files import replace_file
from dima.typing import Array, Float32

__all__ = ["save_grid", "save_rows"]


def save_grid(path: Path, images: Float32) -> None:
    """Write images (n, c, h, w) in [-1, 1] as one picture, as square a grid as they make.

    Raises:
        DataError: the disk refused.
    """
    columns = math.ceil(math.sqrt(len(images)))
    replace_file(path, png(grid.images(_shown(images), columns)), "picture", DataError)


def save_rows(path: Path, rows: Mapping[str, Float32]) -> None:
    """Write rows of images (n, c, h, w) in [-1, 1] under their labels as one picture, a column an image.

    Raises:
        DataError: the disk refused.
    """
    shown = {label: _shown(images) for label, images in rows.items()}
    replace_file(path, png(grid.rows(shown)), "picture", DataError)


def _shown(images: Float32) -> Array:
    # A grid draws ink on paper; images are light on dark.
    if images.shape[1] == 3:
        return (images.transpose(0, 2, 3, 1) + 1) / 2
    return -images[:, 0]
