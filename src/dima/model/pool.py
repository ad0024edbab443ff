"""What rows with known columns are drawn from: two mixtures of Gaussians for each class of rows."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from dima.model.mixture_prior import MixtureFit
from dima.typing import Array, Float64

__all__ = ["Pool", "draw", "gains", "widened"]

_WIDTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6)  # t


class Pool(NamedTuple):
    """Two mixtures over the numbers of rows of a class, and the share of the second."""

    drawn: MixtureFit
    fitted: MixtureFit
    share: float

    def given(self, numbers: Float64, axes: Array) -> "Pool":
        """Both where `axes` (q,) have the values `numbers` (q,)."""
        return Pool(self.drawn.given(numbers, axes), self.fitted.given(numbers, axes), self.share)

    def log_density(self, numbers: Float64, axes: Array, blur: Float64) -> float:
        """Of the values `numbers` (q,) of `axes` (q,), blurred."""
        if not len(axes):
            return 0.0
        parts = (
            one.of_axes(axes).log_densities(numbers[None], blur[axes]) for one in (self.drawn, self.fitted)
        )
        drawn, fitted = (float(logsumexp(logs)) for logs in parts)
        return float(logsumexp([drawn, fitted], b=[1 - self.share, self.share]))


def gains(mixture: MixtureFit, rows: Float64, axes: Array, blur: Float64) -> Float64:
    """Log-density (b,) of the other numbers of blurred rows (b, W), given those of `axes`."""
    whole = logsumexp(mixture.log_densities(rows, blur), axis=1)
    if not len(axes):
        return whole
    return whole - logsumexp(mixture.of_axes(axes).log_densities(rows[:, axes], blur[axes]), axis=1)


def draw(
    shares: Float64, pools: list[Pool], class_ix: Array, rng: np.random.Generator
) -> tuple[Float64, float]:
    """Numbers (n, u) of classes (n,) from both mixtures, and of how many draws of the model they are made."""
    numbers: Array | None = None
    n_fitted, squares = 0, 0.0
    for index, (share, pool) in enumerate(zip(shares, pools, strict=True)):
        if not share:
            continue
        of_it = class_ix == index
        n = int(of_it.sum())
        fitted = rng.binomial(n, pool.share)
        own = np.concatenate([pool.drawn.draw(n - fitted, rng), pool.fitted.draw(fitted, rng)])
        numbers = np.empty((len(class_ix), own.shape[1])) if numbers is None else numbers
        numbers[of_it] = rng.permutation(own)
        n_fitted, squares = n_fitted + fitted, squares + share**2 * float((pool.drawn.weights**2).sum())
    assert numbers is not None  # shares sum to one
    return numbers, n_fitted + min(len(class_ix) - n_fitted, 1 / squares)


def widened(
    autoencoder: Any, rows: Float64, class_ix: Array, decoded: Array, drawn_ix: Array
) -> list[list[MixtureFit]]:
    """Decoded draws (m, W) of each class with the scatter of rows (n, W) around them, at every width."""
    means = np.stack([rows[class_ix == index].mean(axis=0) for index in range(class_ix.max() + 1)])
    scatter, spread = (
        np.cov(of, rowvar=False).reshape(rows.shape[1], -1)
        for of in (autoencoder.left_out(rows), rows - means[class_ix])
    )

    def at_widths(own: Array) -> list[MixtureFit]:
        shares = np.full(len(own), 1 / len(own))
        return [MixtureFit({}, shares, own, (scatter + width**2 * spread)[None]) for width in _WIDTHS]

    return [at_widths(decoded[drawn_ix == index]) for index in range(len(means))]
