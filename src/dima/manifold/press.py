"""Leave-one-out error of ridge regression in closed form, and the bandwidth and ridge that make it least.

With whitened features Phi (n, r) and Phi'Phi = Q diag(g) Q', the prediction left out at row i is

    y_i - yhat_-i = (y_i - yhat_i) / (1 - h_i),   h_i = sum_j (Phi Q)_ij^2 / (g_j + ridge)

so one eigendecomposition serves every ridge. Source: Allen 1974 (PRESS); Golub, Heath and Wahba 1979.
"""

import dataclasses

import numpy as np

from dima.manifold.eigen import eigh
from dima.manifold.kernel import affinity, excited, whitening
from dima.metrics.distance import distance_matrix
from dima.threads import one_thread
from dima.typing import Array, Float64

__all__ = ["Choice", "Search", "choose", "leave_one_out", "left_out", "residuals", "typical_distance"]

_ROWS = 2500  # training rows the search looks at; the final fit uses all
_CENTRES = 512  # inducing points the search uses at the most
_OUTPUTS = 64  # leading output directions the search looks at, and random ones of the rest
_RIDGES = np.logspace(-8, 1, 10)
_FACTORS = 2.0 ** np.arange(-4, 7, 2)  # coarse grid of bandwidths around the median distance
_REFINED = 2.0 ** np.array([-1.0, 1.0])
_NEAR = 2.0 ** np.arange(-2, 3, 2)  # bandwidths tried where one near the best is known
_FEW_RIDGES = _RIDGES[::2]
_AS_GOOD, _OF_VARIANCE = 0.1, 1e-4  # of the least error, and of the variance: by so much more is as good
_JITTER = 1e-11
_SAME = 1e-13  # squared distance of standardised latents below which two are one, up to rounding


@dataclasses.dataclass(frozen=True)
class Choice:
    """The kernel bandwidth and ridge with the least leave-one-out error, or next to it and more ridge.

    Attributes:
        error: leave-one-out squared error over the variance of the targets.
        curve: rows (bandwidth, ridge, error) of everything that was tried.
    """

    bandwidth: float
    ridge: float
    error: float
    curve: Float64


def leave_one_out(Phi: Float64, Y: Float64, ridges: Array) -> Float64:
    """Leave-one-out squared error (len(ridges),) of centred targets `Y` (n, D) from features `Phi` (n, r)."""
    g, Q = excited(Phi.T @ Phi)
    rotated = Phi @ Q
    moment = rotated.T @ Y
    return np.asarray(
        [float((left_out(rotated, Y, moment, g + ridge) ** 2).sum(axis=1).mean()) for ridge in ridges]
    )


def left_out(rotated: Float64, Y: Float64, moment: Float64, damped: Float64) -> Float64:
    """Leave-one-out residuals (b, D) of rows in the eigenvectors of Phi'Phi.

    Args:
        rotated: features (b, r) times those eigenvectors.
        Y: centred targets (b, D).
        moment: features times targets (r, D), in the same eigenvectors, over all rows.
        damped: eigenvalues (r,) plus the ridge.
    """
    # h = 1 would mean that the row alone fixes its own prediction; the bound keeps that a large
    # error, not a division by zero.
    slack = np.maximum(1 - rotated**2 @ (1 / damped), 1e-10)
    return (Y - rotated @ (moment / damped[:, None])) / slack[:, None]


@dataclasses.dataclass(frozen=True)
class Search:
    """What is fixed beforehand (None: searched), and where the search starts.

    Attributes:
        scale: the bandwidth the grid is centred on.
        jitter: share of the largest eigenvalue below which inducing directions are dropped.
        seed: seed of the rows and centres that are looked at.
    """

    bandwidth: float | None
    ridge: float | None
    scale: float
    jitter: float
    seed: int


def choose(Z_ix: Float64, R_iX: Array, mu_X: Float64, Z_mx: Float64, search: Search) -> Choice:
    """Choose bandwidth and ridge of the decoder of latents `Z_ix` (n, d) into targets `R_iX - mu_X` (n, D).

    The latents are self-excluded, so that they carry the error of new rows.
    """
    rng = np.random.default_rng(search.seed)
    rows = np.sort(rng.permutation(len(Z_ix))[:_ROWS])
    centres = Z_mx[np.sort(rng.permutation(len(Z_mx))[:_CENTRES])]
    targets = _condensed(R_iX[rows] - mu_X, rng)
    d2_mm, d2_im = distance_matrix(centres, centres), distance_matrix(Z_ix[rows], centres)
    ridges = _RIDGES if search.ridge is None else np.array([search.ridge])
    total = max(float((targets**2).sum() / len(rows)), np.finfo(float).tiny)

    def tried(width: float) -> Float64:
        Phi = affinity(d2_im, width) @ whitening(affinity(d2_mm, width), search.jitter)
        errors = leave_one_out(Phi, targets, ridges) / total
        return np.column_stack([np.full(len(ridges), width), ridges, errors])

    widths = search.scale * _FACTORS if search.bandwidth is None else [search.bandwidth]
    with one_thread():
        curve = np.vstack([tried(width) for width in widths])
        if search.bandwidth is None:
            best = curve[curve[:, 2].argmin(), 0]
            curve = np.vstack([curve, *[tried(best * factor) for factor in _REFINED]])
    width, ridge, error = curve[_steadiest(curve)]
    return Choice(float(width), float(ridge), float(error), curve)


def _steadiest(curve: Float64) -> int:
    """The row of (bandwidth, ridge, error) with the largest ridge of those about as good as the best.

    A decoder of little ridge swings far out where there are no training latents, and gains nothing elsewhere.
    """
    least = curve[:, 2].min()
    good = np.flatnonzero(curve[:, 2] <= min(least * (1 + _AS_GOOD), least + _OF_VARIANCE))
    return int(good[np.lexsort((curve[good, 2], -curve[good, 1]))[0]])


def residuals(Z_ix: Float64, Y: Float64, Z_mx: Float64, near: float | None = None) -> tuple[Float64, float]:
    """Leave-one-out residuals (n, D) of a decoder that is quickly found, and its bandwidth.

    Args:
        Z_ix: standardised latents (n, d).
        Y: centred targets (n, D).
        Z_mx: inducing points (m, d).
        near: a bandwidth near which to look. Bandwidths are in units of the typical squared distance.
    """
    d2_mm, d2_im = distance_matrix(Z_mx, Z_mx), distance_matrix(Z_ix, Z_mx)
    unit, found = typical_distance(d2_im), []
    for factor in _FACTORS if near is None else np.clip(near * _NEAR, _FACTORS[0], _FACTORS[-1]):
        width = unit * factor
        Phi = affinity(d2_im, width) @ whitening(affinity(d2_mm, width), _JITTER)
        errors = leave_one_out(Phi, Y, _FEW_RIDGES)
        found.append((errors.min(), factor, _FEW_RIDGES[errors.argmin()], Phi))
    _, factor, ridge, Phi = min(found, key=lambda each: each[0])
    g, Q = excited(Phi.T @ Phi)
    rotated = Phi @ Q
    return left_out(rotated, Y, rotated.T @ Y, g + ridge), factor


def typical_distance(d2: Float64) -> float:
    """Median of the squared distances, of those that are no rounding noise."""
    apart = d2[d2 > _SAME]
    return float(np.median(apart)) if len(apart) else 1.0


def _condensed(Y: Float64, rng: np.random.Generator) -> Float64:
    """Few columns whose leave-one-out error is that of all of `Y` (n, D), which depends on Y Y' alone.

    The leading directions stand as they are. What they leave is sketched by random projections, whose
    squared error is that of the rest on average (Johnson and Lindenstrauss 1984): noise counts too.
    """
    if Y.shape[1] <= 2 * _OUTPUTS:
        return Y
    gram = Y @ Y.T if Y.shape[1] > len(Y) else Y.T @ Y
    values, vectors = eigh(gram)
    leading = vectors[:, -_OUTPUTS:]
    if Y.shape[1] > len(Y):
        scores = leading * np.sqrt(np.maximum(values[-_OUTPUTS:], 0))
        rest = Y - leading @ (leading.T @ Y)
    else:
        scores = Y @ leading
        rest = Y - scores @ leading.T
    sketch = rest @ rng.standard_normal((Y.shape[1], _OUTPUTS)) / np.sqrt(_OUTPUTS)
    return np.hstack([scores, sketch])
