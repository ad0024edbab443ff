"""Who the closed-form denoiser of the training set answers with: attribution without a network.

The best denoiser of n training examples gives a noisy state x = alpha x_0 + sigma noise the mean of those
examples under the posterior over which of them it came from,

    D(x) = sum_i w_i x_i,    w = softmax_i( -|x - alpha x_i|^2 / (2 sigma^2) )

and the share w_i is what example i is responsible for. A trained network smooths this denoiser; the shares
are measured against retrainings like every other score.
Source: Karras, Aittala, Aila and Laine 2022, arXiv 2206.00364, eq. 57 (there with alpha = 1).
"""

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError
from dima.metrics.distance import distance_matrix
from dima.typing import Array, ArrayLike, Float64

__all__ = ["noised_responsibilities", "responsibilities"]


def responsibilities(states: ArrayLike, reference: ArrayLike, alpha: ArrayLike, sigma: ArrayLike) -> Float64:
    """Shares (q, n) of the training examples in the denoised states of q trajectories, mean over the levels.

    Each row is a distribution: from 0 to 1, summing to 1. At high noise all examples share alike, at low
    noise the nearest takes all. The reference may be a `np.memmap`; it is read in blocks of rows, once for
    each level.

    Args:
        states: (l, q, D) the noisy state of each trajectory at each of l levels.
        reference: (n, D) training examples, clean, in the units of the states.
        alpha: (l,) share of signal of the levels, not negative.
        sigma: (l,) noise of the levels, above 0.

    Raises:
        ShapeError: the sizes do not fit together.
        DataError: not finite.
        SettingError: an alpha is negative, or a sigma is not positive.

    Example:
        >>> one = responsibilities([[[0.2]]], [[-1.0], [1.0]], alpha=[1.0], sigma=[1.0])
        >>> one.round(3)  # softmax of -0.72 and -0.32
        array([[0.401, 0.599]])
    """
    owner = "responsibilities"
    noisy = check.array(owner, "states", states, ("l", "q", "D"))
    signal, noise = _levels(owner, alpha, sigma, len(noisy))
    known = _known(owner, reference, noisy.shape[2])
    total = np.zeros((noisy.shape[1], len(known)))
    for x, a, s in zip(noisy, signal, noise, strict=True):
        total += _shares(owner, x, known, a, s)
    return total / len(noisy)


def noised_responsibilities(
    X: ArrayLike, reference: ArrayLike, alpha: ArrayLike, sigma: ArrayLike, draws: int = 1, seed: int = 0
) -> Float64:
    """`responsibilities` (q, n) of clean queries that are noised to each level, mean over levels and draws.

    All queries meet the same noise.

    Args:
        X: (q, D) clean queries.
        reference: (n, D) training examples.
        alpha: (l,) share of signal of the levels, not negative.
        sigma: (l,) noise of the levels, above 0.
        draws: of the noise at each level.
        seed: of the noise.

    Raises:
        ShapeError, DataError, SettingError: as `responsibilities`, or draws is not positive.

    Example:
        >>> X = np.eye(3)
        >>> noised_responsibilities(X, X, alpha=[1.0], sigma=[0.01]).round(3).diagonal()
        array([1., 1., 1.])
    """
    owner = "noised_responsibilities"
    asked = check.array(owner, "X", X, ("q", "D"))
    signal, noise = _levels(owner, alpha, sigma, None)
    if draws < 1:
        raise SettingError(f"{owner}: draws must be at least 1; got {draws}. Raise it.")
    total: Float64 = np.zeros(())
    drawn = np.random.default_rng(seed).standard_normal((len(signal), draws, asked.shape[1]))
    a, s = signal[:, None, None], noise[:, None, None]
    for i in range(draws):
        total = total + responsibilities(a * asked + s * drawn[:, i, None], reference, signal, noise)
    return total / draws


def _levels(owner: str, alpha: ArrayLike, sigma: ArrayLike, count: int | None) -> tuple[Float64, Float64]:
    signal = check.array(owner, "alpha", alpha, ("l" if count is None else count,)).astype(np.float64)
    noise = check.array(owner, "sigma", sigma, signal.shape).astype(np.float64)
    if (signal < 0).any():
        raise SettingError(f"{owner}: alpha must be at least 0; got {signal.min():g}. Pass shares of signal.")
    if (noise <= 0).any():
        raise SettingError(f"{owner}: sigma must be above 0; got {noise.min():g}. Leave clean levels out.")
    return signal, noise


def _known(owner: str, reference: ArrayLike, width: int) -> Array:
    """The reference with no element touched yet."""
    known = np.asanyarray(reference)
    check.form(owner, "reference", known.shape, known.dtype, ("n", width))
    return known


def _shares(owner: str, x: Array, known: Array, alpha: float, sigma: float) -> Float64:
    """Shares (q, n) at one level."""
    d2 = np.empty((len(x), len(known)))
    for rows in row_blocks(len(known), rows_within(32 * (x.shape[1] + 2))):
        part = check.array(owner, f"reference[{rows.start}:{rows.stop}]", known[rows]).astype(np.float64)
        # Distances keep their digits about a centre the two share; any will do.
        centre = part.mean(axis=0)
        d2[:, rows] = distance_matrix(x - alpha * centre, alpha * (part - centre))
    d2 -= d2.min(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # infinitely far has no share
        shares = np.exp(d2 / (-2 * sigma) / sigma, out=d2)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
