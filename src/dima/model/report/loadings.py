"""How much each column moves along each latent coordinate."""

from typing import Any

import numpy as np

from dima.figures import grid, heat, png
from dima.figures.report import Section
from dima.model.report.subject import Subject
from dima.typing import Array

__all__ = ["loadings"]

_COLUMNS = 30  # that move the most
_LATENTS = 16
_ABOUT = (
    "How much a step of one spread along each latent coordinate moves {what}, with the sign of the mean "
    "movement. Over the training rows, as if each had been new."
)


def loadings(model: Any, subject: Subject) -> Section | None:
    """Loadings as a table of colours, or as pictures where rows are such; None of a model that has none."""
    if not hasattr(type(model), "loadings_"):
        return None
    found = model.loadings_
    values = found.values[:, :_LATENTS]
    latents = [f"latent {axis + 1}" for axis in range(values.shape[1])]
    if subject.image_shape is not None:
        pixels = values.T.reshape(-1, *subject.image_shape)
        picture = grid.images(pixels, 8, labels=[str(axis + 1) for axis in range(len(pixels))])
        return Section("Loadings", _ABOUT.format(what="each pixel: darker where it grows"), (png(picture),))
    most = _most(values)
    note = f" The {len(most)} of {len(values)} columns that move the most." if len(most) < len(values) else ""
    names = [found.names[column] for column in most]
    picture = heat.cells(values[most], names, latents)
    return Section("Loadings", _ABOUT.format(what="each column") + note, (png(picture),))


def _most(values: Array) -> Array:
    """Numbers of the columns that move the most along any coordinate, in their order."""
    return np.sort(np.argsort(-np.abs(values).max(axis=1), kind="stable")[:_COLUMNS])
