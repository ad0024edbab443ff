"""Which of the diffusion modes, and in what combination, make the d coordinates: one registry.

The slowest modes of a long sheet are harmonics cos(j pi x / a) of one direction: functions of the first
of them, which tell a decoder nothing new. A choice looks at more modes than it needs.

A way to choose is a function (modes (u, r), d, seed) -> the numbers (d,) of the modes that are taken,
rising; r is d or more, slowest modes first, and d may be none.
"""

from collections.abc import Callable

import numpy as np

from dima.metrics.distance import distance_matrix
from dima.typing import Array, Float64, Int32

__all__ = ["COORDINATES", "first", "independent", "modes_wanted", "unexplained"]

_MORE = 30  # modes looked at beyond the d that are wanted
_ROWS = 1000  # rows a choice looks at
_TIMES, _BESIDE = 3, 8  # neighbours of a local fit: so many for each of its coefficients, and so many more
_NEW = 0.5  # of the largest unexplained share, from which a mode counts as a new direction
_RIDGE = 1e-9  # of a local fit's mean square: solvable where neighbours coincide, and too little to bend it


def modes_wanted(name: str, d: int) -> int:
    """How many modes the choice `name` of `d` coordinates looks at, where the graph has as many."""
    return d if name == "first" else d + _MORE


def first(_modes_ux: Float64, d: int, _seed: int) -> Int32:
    """The `d` slowest modes."""
    return np.arange(d, dtype=np.int32)


def independent(modes_ux: Float64, d: int, seed: int) -> Int32:
    """The `d` slowest modes that are no functions of those chosen before them.

    Each is the first that local linear fits to the chosen ones leave half as much of as of any other.

    Source: Dsilva, Talmon, Coifman and Kevrekidis 2018, section 3, with fits to the chosen modes alone:
    what was passed over is a function of these, and in few dimensions few rows have near neighbours.
    """
    rows = _sample(len(modes_ux), seed)
    modes, chosen = modes_ux[rows], np.arange(min(d, 1))
    while len(chosen) < d:
        rest = np.setdiff1d(np.arange(modes.shape[1]), chosen)
        left = unexplained(modes[:, chosen], modes[:, rest])
        chosen = np.append(chosen, rest[np.argmax(left >= _NEW * left.max())])
    return np.sort(chosen).astype(np.int32)


def unexplained(given_ix: Float64, asked_ix: Float64) -> Float64:
    """Share (r,) of each column of `asked_ix` (n, r) that is no function of `given_ix` (n, d).

    The root mean square of leave-one-out residuals of local linear fits, over that of the column: about
    0 for smooth functions, about 1 for what has nothing to do with the given.

    Source: Dsilva et al. 2018, equations 12 and 13; the bandwidth is local here, the distance to a
    neighbour, so that fast harmonics are told as functions too.
    """
    n, terms = len(given_ix), given_ix.shape[1] + 1
    weights = _weights(given_ix, min(n - 1, _TIMES * terms + _BESIDE))
    design = np.hstack([np.ones((n, 1)), given_ix])
    moments = (weights @ (design[:, :, None] * design[:, None]).reshape(n, -1)).reshape(n, terms, terms)
    moments += _RIDGE * np.trace(moments, axis1=1, axis2=2)[:, None, None] * np.eye(terms)
    # At its own place a fit is one average of the others: design_i' moments_i^-1 sum_j w_ij design_j asked_j.
    lever = np.linalg.solve(moments, design[:, :, None])[:, :, 0]
    left = asked_ix - (weights * (lever @ design.T)) @ asked_ix
    spread = ((asked_ix - asked_ix.mean(axis=0)) ** 2).mean(axis=0)
    return np.sqrt((left**2).mean(axis=0) / np.where(spread > 0, spread, 1.0))


def _weights(given_ix: Float64, k: int) -> Float64:
    """Gaussian weights (n, n) of rows for each other, none for themselves, as wide as the k-th is far."""
    d2 = distance_matrix(given_ix, given_ix)
    np.fill_diagonal(d2, np.inf)
    ordered = np.partition(d2, (0, k - 1), axis=1)
    width = np.maximum(ordered[:, k - 1 : k] - ordered[:, :1], np.finfo(np.float64).tiny)
    return np.exp(-(d2 - ordered[:, :1]) / width)


def _sample(n: int, seed: int) -> Array:
    return np.sort(np.random.default_rng(seed).permutation(n)[:_ROWS])


COORDINATES: dict[str, Callable[[Float64, int, int], Int32]] = {"first": first, "independent": independent}
