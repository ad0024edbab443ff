"""Leave-one-out error of ridge regression in closed form, and the bandwidth and ridge that make it least.

With whitened features Phi (n, r) and Phi'Phi = Q diag(g) Q', the prediction left out at row i is

    y_i - yhat_-i = (y_i - yhat_i) / (1 - h_i),   h_i = sum_j (Phi Q)_ij^2 / (g_j + ridge)

so one eigendecomposition serves every ridge. Source: Allen 1974 (PRESS); Golub, Heath and Wahba 1979.

A wide kernel with little ridge may be right at every row and swing far out where latents leave a gap: no row
left out tells of that. So beside the error stands the swing: midway between the latents of two neighbouring
rows, by how much more than their distance it decodes away from the middle of them; of eight neighbours the
one with the farthest latent is looked at, so it counts for an eighth.
"""

import dataclasses
from collections.abc import Iterator
from typing import Self

import numpy as np

from dima.manifold.eigen import eigh
from dima.manifold.kernel import affinity, excited, whitening
from dima.metrics.distance import distance_matrix
from dima.threads import side_by_side
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
_RIGHT = 2.0  # of the least error
_PAIRS, _BESIDE = 800, 8  # of neighbouring rows between which it is looked; of so many neighbours one
_SAME = 1e-13  # squared distance of standardised latents below which two are one, up to rounding


@dataclasses.dataclass(frozen=True)
class Choice:
    """The kernel bandwidth and ridge with the least leave-one-out error, or next to it and more ridge.

    Attributes:
        error: leave-one-out squared error over the variance of the targets.
        curve: rows (bandwidth, ridge, error, swing) of all that was tried; the last two choose.
    """

    bandwidth: float
    ridge: float
    error: float
    curve: Float64


def leave_one_out(Phi: Float64, Y: Float64, ridges: Array) -> Float64:
    """Leave-one-out squared error (len(ridges),) of centred targets `Y` (n, D) from features `Phi` (n, r)."""
    return _Solved.of(Phi, Y).errors(ridges)


@dataclasses.dataclass(frozen=True)
class _Solved:
    """Regression of centred targets `Y` (n, D) on features (n, r), for every ridge at once.

    Attributes:
        g: (s,) eigenvalues of Phi'Phi.
        Q: (r, s) its eigenvectors.
        rotated: (n, s) features in these.
        moment: (s, D) these times the targets.
    """

    Y: Float64
    g: Float64
    Q: Float64
    rotated: Float64
    moment: Float64

    @classmethod
    def of(cls, Phi: Float64, Y: Float64) -> Self:
        g, Q = excited(Phi.T @ Phi)
        rotated = Phi @ Q
        return cls(Y, g, Q, rotated, rotated.T @ Y)

    def left_out(self, ridge: float) -> Float64:
        """Residuals (n, D), each row left out."""
        return left_out(self.rotated, self.Y, self.moment, self.g + ridge)

    def errors(self, ridges: Array) -> Float64:
        """Mean squared norm (len(ridges),) of these."""
        return np.array([float((self.left_out(ridge) ** 2).sum(axis=1).mean()) for ridge in ridges])

    def decoded(self, Phi: Float64, ridges: Array) -> Iterator[Float64]:
        """Targets (b, D) that features (b, r) lead to, for each ridge."""
        rotated = Phi @ self.Q
        return (rotated @ (self.moment / (self.g + ridge)[:, None]) for ridge in ridges)


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
    midways = _Midways.of(Z_ix[rows], targets, rng)
    d2_pm = distance_matrix(midways.z_px, centres)

    def tried(width: float) -> Float64:
        W = whitening(affinity(d2_mm, width), search.jitter)
        solved = _Solved.of(affinity(d2_im, width) @ W, targets)
        swings = [midways.swing(found) for found in solved.decoded(affinity(d2_pm, width) @ W, ridges)]
        costs = np.column_stack([solved.errors(ridges), np.divide(swings, _BESIDE)]) / total
        return np.column_stack([np.full(len(ridges), width), ridges, costs])

    widths = list(search.scale * _FACTORS) if search.bandwidth is None else [search.bandwidth]
    with side_by_side(tried, widths) as found:
        curve = np.vstack(list(found))
    if search.bandwidth is None:
        best = curve[_cost(curve).argmin(), 0]
        with side_by_side(tried, list(best * _REFINED)) as found:
            curve = np.vstack([curve, *found])
    width, ridge, error, _ = curve[_steadiest(curve)]
    return Choice(float(width), float(ridge), float(error), curve)


@dataclasses.dataclass(frozen=True)
class _Midways:
    """Places midway between the latents of neighbouring rows.

    Attributes:
        z_px: (p, d) the places.
        Y_pD: (p, D) the middle of both rows.
        reach2_p: (p,) squared distance of both rows.
    """

    z_px: Float64
    Y_pD: Float64
    reach2_p: Float64

    @classmethod
    def of(cls, Z_ix: Float64, Y: Float64, rng: np.random.Generator) -> Self:
        some = rng.permutation(len(Y))[:_PAIRS]
        d2 = distance_matrix(Y[some], Y)
        near = np.argpartition(d2, min(_BESIDE, len(Y) - 1), axis=1)[:, : _BESIDE + 1]  # itself among them
        apart = np.square(Z_ix[some, None] - Z_ix[near]).sum(axis=2)
        other = near[np.arange(len(some)), apart.argmax(axis=1)]
        reach2_p = np.square(Y[some] - Y[other]).sum(axis=1)
        return cls((Z_ix[some] + Z_ix[other]) / 2, (Y[some] + Y[other]) / 2, reach2_p)

    def swing(self, decoded: Float64) -> float:
        """Mean squared distance of what is `decoded` (p, D) there to the middle, beyond the reach."""
        away2 = np.square(decoded - self.Y_pD).sum(axis=1)
        return float(np.maximum(away2 - self.reach2_p, 0).mean())


def _cost(curve: Float64) -> Float64:
    """The error, and the swing beyond the least of decoders that are right: so much is the data's own."""
    error, swing = curve[:, 2], curve[:, 3]
    own = swing[error <= _RIGHT * error.min()].min() + _OF_VARIANCE
    return np.asarray(error + np.maximum(swing - own, 0))


def _steadiest(curve: Float64) -> int:
    """The row of `Choice.curve` with the largest ridge of those about as good as the best.

    A decoder of little ridge swings far out where there are no training latents, and gains nothing elsewhere.
    """
    cost = _cost(curve)
    best = cost.argmin()
    good = np.flatnonzero(cost <= cost[best] + min(_AS_GOOD * curve[best, 2], _OF_VARIANCE))
    return int(good[np.lexsort((cost[good], -curve[good, 1]))[0]])


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
        solved = _Solved.of(affinity(d2_im, width) @ whitening(affinity(d2_mm, width), _JITTER), Y)
        errors = solved.errors(_FEW_RIDGES)
        found.append((errors.min(), factor, _FEW_RIDGES[errors.argmin()], solved))
    _, factor, ridge, solved = min(found, key=lambda each: each[0])
    return solved.left_out(ridge), factor


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
