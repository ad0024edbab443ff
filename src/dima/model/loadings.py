"""Loadings: how much each column of the data moves along each latent coordinate.

    size_Xx = sqrt(mean_i J_iXx^2),    J = derivative of what is decoded by standardised latents

For a linear decoder J is its matrix everywhere, and so are the loadings, as those of PCA are. On a curved
sheet J turns from row to row: the root mean square says how much a column moves, the sign of the mean
derivative which way, and `steadiness` how far that sign can be trusted.
"""

import dataclasses

import numpy as np

from dima.data.columns import Columns
from dima.manifold.jacobian import slope_blocks
from dima.model.latent_fit import LatentModelFit
from dima.typing import Array, Float64

__all__ = ["Loadings", "loadings", "slopes"]

_ROWS = 2000  # training rows the average is taken over; more would move it by a hundredth of a spread


@dataclasses.dataclass(frozen=True)
class Loadings:
    """How much each column moves along each latent coordinate.

    Attributes:
        names: of the W numbers: columns, "column=word" for each word of one of words.
        values: (W, d) root mean square of the derivative, in units of the numbers for a step of one spread
            of the latent coordinate, with the sign of the mean derivative.
        steadiness: (W, d) size of the mean derivative over that root mean square: 1 where a column moves
            alike everywhere, 0 where it moves one way as much as the other and the sign says nothing.
    """

    names: list[str]
    values: Float64
    steadiness: Float64


def loadings(fit: LatentModelFit) -> Loadings:
    """Loadings of a model over its training rows, 2,000 at the most, as if each had been new."""
    autoencoder = fit.autoencoder
    codes = autoencoder.training_codes(autoencoder.training_rows())[1]
    seen = np.random.default_rng(fit.settings["seed"]).permutation(len(codes))[:_ROWS]
    Z, width = fit.scale.apply(codes[seen]), len(fit.mean_X)
    total, squares = np.zeros((width, Z.shape[1])), np.zeros((width, Z.shape[1]))
    for _, block in slope_blocks(lambda rows: slopes(fit, rows), Z, width):
        total += block.sum(axis=0)
        squares += np.square(block).sum(axis=0)
    mean, size = total / len(Z), (squares / len(Z)) ** 0.5
    steadiness = np.abs(mean) / np.maximum(size, np.finfo(float).tiny)
    return Loadings(_names(fit.rows.columns), np.copysign(size, mean), steadiness)


def slopes(fit: LatentModelFit, Z: Array) -> Float64:
    """Derivatives (b, W, d) of decoded numbers by standardised latents `Z` (b, d)."""
    moved: Float64 = fit.autoencoder.jacobian(fit.scale.restore(Z)) * fit.scale.unit
    return moved


def _names(columns: Columns) -> list[str]:
    """Of the W numbers that a row becomes."""
    found: list[str] = []
    for axis, name in enumerate(columns.shown_names):
        words = columns.words.get(axis)
        found += [name] if words is None else [f"{name}={word}" for word in words]
    return found
