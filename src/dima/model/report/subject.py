"""What a report is about besides the model, and the pictures its sections share."""

from typing import Any, NamedTuple

import numpy as np

from dima.figures import grid, png
from dima.typing import Array, Float64

__all__ = ["AXES", "SHOWN", "Subject", "pictures", "plane"]

SHOWN = 12  # pictures in a row
AXES = ("latent 1", "latent 2")


class Subject(NamedTuple):
    """What a report is about besides the model.

    Attributes:
        title: of the page.
        held_out: (b, D) rows the model has not seen.
        labels: one for each of those rows, for the colours, or None.
        image_shape: (h, w) when a row is a picture, or None.
        train: (n, D) training rows, where the model keeps none, or None.
        seed: of samples and noise.
    """

    title: str
    held_out: Any
    labels: Array | None = None
    image_shape: tuple[int, int] | None = None
    train: Any = None
    seed: int = 0


def pictures(rows: dict[str, Array], shape: tuple[int, int]) -> bytes:
    """Labelled rows of pictures, one column a sample."""
    return png(grid.rows({name: np.reshape(row, (-1, *shape)) for name, row in rows.items()}))


def plane(Z: Array) -> Float64:
    """The first two axes (b, 2) of latents; a single one is laid on a line."""
    return np.column_stack([Z[:, 0], Z[:, 1] if Z.shape[1] > 1 else np.zeros(len(Z))])
