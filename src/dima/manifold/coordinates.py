"""Which of the diffusion modes, and in what combination, make the d coordinates: one registry.

The slowest modes of a long sheet are harmonics cos(j pi x / a) of one direction: functions of the first
of them, which tell a decoder nothing new. A choice looks at more modes than it needs.

A way to choose is a function (`Modes`, d) -> `Choice`. Coordinates stay linear in the modes, so that what
gives a new row its modes gives it its coordinates.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from dima.manifold import chart
from dima.manifold.neighbors import Neighbors
from dima.metrics.distance import distance_matrix
from dima.typing import Array, Float64, Int32

__all__ = ["COORDINATES", "Choice", "Modes", "dimension", "modes_wanted", "unexplained"]

_MORE = 38  # modes looked at beyond the d that are wanted
_ROWS = 1000  # rows a choice looks at
_TIMES, _BESIDE = 3, 8  # neighbours of a local fit: so many for each of its coefficients, and so many more
_NEW = 0.5  # of the largest unexplained share, from which a mode counts as a new direction
_SLOW_ONES = 10  # modes after which the share must be so large as below
_NEW_FAST = 0.9  # local fits leave up to .89 of fast harmonics, and at least .97 of the width of a strip
_SLOW = 0.8  # eigenvalue of the fastest mode in a chart: a phase of 0.7 over the kernel's width
_AS_SLOW = 0.8  # of the slowest mode's eigenvalue, from which a mode may be a new direction
_ONE_BY_ONE = 8  # modes chosen so; then as many at a time as there are: few of those are functions of others
_RIDGE = 1e-9  # of a local fit's mean square: solvable where neighbours coincide, and too little to bend it
_NARROWEST = 1e-200  # squared distance over which others can be divided: of rows many of which are equal


@dataclasses.dataclass(frozen=True)
class Modes:
    """What there is to choose from.

    Attributes:
        psi_ux: (u, r) values of the modes, slowest first; r is at least the d that are wanted.
        eigenvalues: (r,) of these, falling.
        near: (u, k) neighbours of each distinct row.
        log_weight_u: (u,) log of what each distinct row weighs before distance counts.
        rate: sharpness / bandwidth of the kernel.
        seed: of the rows that are looked at.
        inner_d2: (u, k) the neighbours' squared distances in the kernel, over the widths of both ends.
    """

    psi_ux: Float64
    eigenvalues: Float64
    near: Neighbors
    log_weight_u: Float64
    rate: float
    seed: int
    inner_d2: Array

    def sample(self) -> Array:
        """Numbers of the rows a choice looks at, rising."""
        return np.sort(np.random.default_rng(self.seed).permutation(len(self.psi_ux))[:_ROWS])


@dataclasses.dataclass(frozen=True)
class Choice:
    """Coordinates: some of the modes, or a combination of them.

    Attributes:
        modes_x: (r,) numbers of the modes that are used, rising.
        mixing_xx: (r, d) what each of these adds to each coordinate, per unit of the neighbours' distances;
            None where each mode is a coordinate of its own.
    """

    modes_x: Int32
    mixing_xx: Float64 | None = None


def modes_wanted(name: str, d: int) -> int:
    """How many modes the choice `name` of `d` coordinates looks at, where the graph has as many."""
    return d if name == "first" else d + _MORE


def dimension(modes: Modes, most: int) -> int:
    """How many of the slow modes, at `most` so many, are new directions: no functions of the new ones before.

    Source: Dsilva, Talmon, Coifman and Kevrekidis 2018.
    """
    psi, new = modes.psi_ux[modes.sample()], list[int]()
    for number in np.flatnonzero(modes.eigenvalues >= _AS_SLOW * modes.eigenvalues[:1]).tolist():
        if len(new) < most and _is_new(psi, new, number):
            new.append(number)
    return len(new)


def _is_new(psi_ix: Float64, chosen: list[int], number: int) -> bool:
    """Whether local linear fits to the `chosen` modes leave much of a mode."""
    if not chosen:
        return True
    left = unexplained(psi_ix[:, chosen], psi_ix[:, [number]])[0]
    return bool(left >= (_NEW if number < _SLOW_ONES else _NEW_FAST))


def _auto(modes: Modes, d: int) -> Choice:
    """The `d` slowest modes if each is a new direction, a chart otherwise."""
    slowest = dataclasses.replace(modes, psi_ux=modes.psi_ux[:, :d], eigenvalues=modes.eigenvalues[:d])
    return (_first if dimension(slowest, d) == d else _chart)(modes, d)


def _first(_modes: Modes, d: int) -> Choice:
    """The `d` slowest modes."""
    return Choice(np.arange(d, dtype=np.int32))


def _independent(modes: Modes, d: int) -> Choice:
    """The `d` slowest modes that are no functions of those chosen before them.

    Each is the first that local linear fits to the chosen ones leave half as much of as of any other. Beside
    eight or more, as many are taken at once.

    Source: Dsilva, Talmon, Coifman and Kevrekidis 2018, with fits to the chosen modes alone:
    what was passed over is a function of these, and in few dimensions few rows have near neighbours.
    """
    psi, chosen = modes.psi_ux[modes.sample()], np.arange(min(d, 1))
    while len(chosen) < d:
        rest = np.setdiff1d(np.arange(psi.shape[1]), chosen)
        left = unexplained(psi[:, chosen], psi[:, rest])
        most = min(d - len(chosen), len(chosen) if len(chosen) >= _ONE_BY_ONE else 1)
        chosen = np.append(chosen, rest[left >= _NEW * left.max()][:most])
    return Choice(np.sort(chosen).astype(np.int32))


def _chart(modes: Modes, d: int) -> Choice:
    """Modes so combined that lengths along the sheet are kept; the longest direction first.

    All that turn little from a row to its neighbours are used: of others, steps are no gradients.
    """
    start = _independent(modes, d).modes_x
    if d == 0:
        return Choice(start)
    rows, n_modes = modes.sample(), max(int((modes.eigenvalues >= _SLOW).sum()), int(start.max()) + 1)
    near = Neighbors(modes.near.ids[rows], modes.near.d2[rows])
    log_w = modes.log_weight_u[near.ids] - modes.rate * modes.inner_d2[rows].astype(np.float64)
    gamma = chart.squared_gradients(modes.psi_ux[:, :n_modes], rows, near, log_w, d)
    return Choice(np.arange(n_modes, dtype=np.int32), chart.isometric(gamma, start))


def unexplained(given_ix: Float64, asked_ix: Float64) -> Float64:
    """Share (r,) of each column of `asked_ix` (n, r) that is no function of `given_ix` (n, d).

    The root mean square of leave-one-out residuals of local linear fits, over that of the column: about
    0 for smooth functions, about 1 for what has nothing to do with the given.

    Source: Dsilva et al. 2018; the bandwidth is local here, the distance to a
    neighbour, so that fast harmonics are told as functions too.
    """
    n, terms = len(given_ix), given_ix.shape[1] + 1
    weights = _weights(given_ix, min(n - 1, _TIMES * terms + _BESIDE))
    design = np.hstack([np.ones((n, 1)), given_ix])
    row, column = np.tril_indices(terms)
    moments = np.empty((n, terms, terms))
    moments[:, row, column] = moments[:, column, row] = weights @ (design[:, row] * design[:, column])
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
    nearest, kth = d2.min(axis=1, keepdims=True), np.partition(d2, k - 1, axis=1)[:, k - 1 : k]
    d2 -= nearest
    d2 /= -np.maximum(kth - nearest, _NARROWEST)
    return np.exp(d2, out=d2)


COORDINATES: dict[str, Callable[[Modes, int], Choice]] = {
    "first": _first,
    "independent": _independent,
    "chart": _chart,
    "auto": _auto,
}
