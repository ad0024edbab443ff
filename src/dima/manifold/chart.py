"""A chart: d linear combinations of diffusion modes that keep lengths, as nearly as such can.

    Gamma(psi_i, psi_j)(x) = grad psi_i . grad psi_j = d sum_y P_xy dpsi_i dpsi_j / sum_y P_xy |y - x|^2
    L minimises mean_x |L' Gamma(x) L - I|^2,    coordinates psi L, principal axes first

with dpsi = psi(y) - psi(x): P's carre-du-champ, over what it is for coordinates of the tangent plane, so that
neither a cut kernel nor uneven rows count.

Source of the operator: Bakry, Gentil and Ledoux 2014, chapter 1.
"""

from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize

from dima.blocks import row_blocks, rows_within
from dima.manifold.neighbors import Neighbors
from dima.threads import one_thread
from dima.typing import Array, Float64, Int32

__all__ = ["isometric", "squared_gradients"]

_STEPS = 100  # of L-BFGS in each search
_CLOSE = 1e-4  # relative gain of a step from which a search ends: further ones change no held-out error
_TINY = float(np.finfo(np.float32).tiny)


def squared_gradients(modes_ux: Float64, rows: Array, near: Neighbors, log_w: Float64, d: int) -> Float64:
    """Gamma (b, r, r) of the module's formula, per unit of the neighbours' squared distances.

    Args:
        modes_ux: (u, r) values of the modes.
        rows: (b,) numbers of the rows at which gradients are wanted.
        near: (b, k) neighbours of these.
        log_w: (b, k) log-weights of these neighbours; the row itself may be among them.
        d: dimension of the sheet.
    """
    n_modes, slim_ux = modes_ux.shape[1], modes_ux.astype(np.float32)
    gamma = np.empty((len(rows), n_modes, n_modes))
    for block in row_blocks(len(rows), rows_within(12 * near.ids.shape[1] * n_modes)):
        at, ids, d2 = rows[block, None], near.ids[block], near.d2[block]
        log_others = np.where(ids == at, -np.inf, log_w[block])
        weights = np.exp(log_others - log_others.max(axis=1, keepdims=True))
        steps = slim_ux[ids] - slim_ux[at]
        weights /= weights.sum(axis=1, keepdims=True)
        squared = (weights * d2).sum(axis=1).clip(_TINY)
        steps *= np.sqrt(weights).astype(np.float32)[:, :, None]
        gamma[block] = (d / squared)[:, None, None] * (steps.transpose(0, 2, 1) @ steps)
    return gamma


def isometric(gamma: Float64, start: Int32) -> Float64:
    """L (r, d) of the module's formula, in as many columns as `start` names modes to begin with, rising.

    The modes are let in by and by, slowest first: the sum has many minima that fold the sheet, and none where
    there are few modes. Of two ways in, the lower end is taken.
    """
    lengths = np.sqrt(np.einsum("bii->i", gamma) / len(gamma)).clip(_TINY)  # of the modes' gradients
    scaled = gamma / np.multiply.outer(lengths, lengths)
    with one_thread():
        ends = [_searched(scaled, start, first) for first in _first_searches(start, len(lengths))]
    _, L = min(ends, key=lambda end: end[0])
    axes, spread, _ = np.linalg.svd(L / lengths[:, None], full_matrices=False)
    return axes * spread


def _first_searches(start: Int32, n_modes: int) -> Iterator[Array]:
    """Modes of a first search: all up to the last of `start`; or these and their neighbours in the spectrum.

    Two directions may share an eigenvalue, and their modes be mixed: then the second way sets them right.
    """
    yield np.arange(start.max() + 1)
    beside = (start[1:, None] + np.array([-1, 0, 1])).ravel()
    yield np.unique(np.append(start, beside[(beside > start[0]) & (beside < n_modes)]))


def _wider(among: Array, n_modes: int) -> Iterator[Array]:
    """Modes of one search after the other, the last among all."""
    yield among
    while len(among) < n_modes:
        among = np.arange(min(n_modes, 2 * (int(among.max()) + 1)))
        yield among


def _searched(gamma: Float64, start: Int32, first: Array) -> tuple[float, Float64]:
    """The least sum found, and its L (r, d), by searches among `first` and ever more modes."""
    L = np.zeros((gamma.shape[1], len(start)))
    # Each as long as is best for it alone: from far off, a step may end at 0, where no slope leads away.
    L[start, np.arange(len(start))] = np.mean(gamma[:, start, start] ** 2, axis=0) ** -0.5
    for among in _wider(first, len(L)):
        inner = np.ascontiguousarray(gamma[:, among[:, None], among])
        found = minimize(
            _unevenness,
            L[among].ravel(),
            (inner, len(start)),
            "L-BFGS-B",
            jac=True,
            options={"maxiter": _STEPS, "ftol": _CLOSE},
        )
        L[among] = found.x.reshape(-1, len(start))
    return float(found.fun), L


def _unevenness(flat: Float64, gamma: Float64, d: int) -> tuple[float, Float64]:
    """Mean |L' Gamma L - I|^2 over the rows, and its gradient."""
    L = flat.reshape(-1, d)
    slopes = (gamma.reshape(-1, len(L)) @ L).reshape(len(gamma), len(L), d)
    off = L.T @ slopes - np.eye(d)
    # One product over rows and columns at once; an einsum of the same goes without BLAS.
    gradient = slopes.transpose(1, 0, 2).reshape(len(L), -1) @ off.reshape(-1, d) * (4 / len(gamma))
    return float((off**2).sum() / len(gamma)), gradient.ravel()
