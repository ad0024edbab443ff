"""Pictures that verbs of images write."""

import math
from pathlib import Path

from dima.errors import DataError
from dima.figures import grid, png
from dima.files import replace_file
from dima.typing import Float32

__all__ = ["save_grid"]


def save_grid(path: Path, images: Float32) -> None:
    """Write images (n, c, h, w) in [-1, 1] as one picture, as square a grid as they make.

    Raises:
        DataError: the disk refused.
    """
    # A grid draws ink on paper; images are light on dark.
    shown = (images.transpose(0, 2, 3, 1) + 1) / 2 if images.shape[1] == 3 else -images[:, 0]
    columns = math.ceil(math.sqrt(len(images)))
    replace_file(path, png(grid.images(shown, columns)), "picture", DataError)
