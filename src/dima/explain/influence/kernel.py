"""Attribution for the kernel decoder, exact: what its error would be, had it not seen an example.

The decoder is ridge regression of whitened features phi with G = Phi'Phi + ridge 1. Leaving example i out
takes phi_i phi_i' from G, which changes its inverse by a product known in closed form, and the mean of the
targets by a known share:

    G_-i^-1 = G^-1 + G^-1 phi_i phi_i' G^-1 / (1 - h_i),    h_i = phi_i' G^-1 phi_i

so all n refits cost about as much as one. With second latents of the same rows, two such products go at
once. Inducing points, kernel, ridge and the latents themselves stay as they are.
Sources: Sherman and Morrison 1950; Woodbury 1950; in regression Cook 1977.
"""

import dataclasses
from typing import Any

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError, NumericsError
from dima.manifold.gplm import GPLM
from dima.manifold.gplm_fit import GPLMFit
from dima.manifold.kernel import affinity, excited, whitening
from dima.metrics.distance import distance_matrix
from dima.scaling import drawn_in
from dima.typing import Array, ArrayLike, Float64

__all__ = ["kernel_influence"]

_OWNER = "kernel_influence"
_SAME = 1e-5  # of the spread: beyond it the decoder was fitted to other rows
_SLACK = 1e-9  # of 1 - h: below it an example alone fixes its own prediction


def kernel_influence(
    decoder: GPLM,
    R_ix: ArrayLike,
    y: ArrayLike,
    R_ax: ArrayLike,
    y_ax: ArrayLike,
    in_sample_ix: ArrayLike | None = None,
) -> Float64:
    """Increase (q, n) of the squared decoding error of queries if the decoder had not seen an example.

    Exact for the decoder that uses all inducing points; `pred_k` is not looked at. Errors are squared
    distances |decoded - y|^2, the sum over the D axes. The sum of columns is a first-order estimate for a
    group.

    Args:
        decoder: a fitted decoder.
        R_ix: (n, d) latents it was fitted to.
        y: (n, D) or (n,) data it was fitted to.
        R_ax: (q, d) latents of the queries.
        y_ax: (q, D) or (q,) their data.
        in_sample_ix: (n, d) second latents, if it was fitted to those too.

    Raises:
        NotFittedError: before `fit`.
        ShapeError: the sizes do not fit together.
        DataError: not finite, or not the rows the decoder was fitted to.
        NumericsError: an example alone fixes its prediction, so that the refit is not determined.

    Example:
        >>> Z = np.linspace(0, 1, 20)[:, None]
        >>> decoder = GPLM(5, sigma2=1e-2).fit(Z, np.sin(6 * Z))
        >>> found = kernel_influence(decoder, Z, np.sin(6 * Z), [[0.5]], [[np.sin(3.0)]])
        >>> found.shape
        (1, 20)
    """
    fit: GPLMFit = check.fitted(decoder)
    latents = [check.points(decoder, R_ix, reset=False, min_rows=2)]
    if in_sample_ix is not None:
        latents.append(check.array(_OWNER, "in_sample_ix", in_sample_ix, latents[0].shape))
    targets = _columns("y", y, len(latents[0]), fit)
    queries = check.points(decoder, R_ax, reset=False)
    ridge = _Ridge.of(fit, [fit.scale.apply(twin) for twin in latents], targets)
    features = ridge.features(drawn_in(fit.scale.apply(queries)))
    missed = features @ ridge.weights - (_columns("y_ax", y_ax, len(queries), fit) - fit.mu_X)
    increase = np.empty((len(features), len(targets)))
    bytes_per_row = 8 * len(latents) * (4 * len(features) + 4 * len(fit.z_mx) + 4 * targets.shape[1])
    for rows in row_blocks(len(targets), rows_within(bytes_per_row)):
        increase[:, rows] = _increase(ridge, features, missed, rows)
    return increase


@dataclasses.dataclass(frozen=True)
class _Ridge:
    """The regression in coordinates of the features in which G is the identity.

    Attributes:
        z_mx: (m, d) standardised inducing points.
        bandwidth: in the units of standardised latents.
        basis: (m, s), from affinities to the inducing points to those coordinates.
        weights: (s, D).
        total: (s,) sum of the training rows' features, mean over the twins.
        twins: (n, d) standardised latents of the training rows, one or two sets.
        centred: (n, D) training targets less their mean.
        moving: share of an example's deviation by which the mean moves without it; 0 if none is taken.
    """

    z_mx: Float64
    bandwidth: float
    basis: Float64
    weights: Float64
    total: Float64
    twins: list[Float64]
    centred: Float64
    moving: float

    @classmethod
    def of(cls, fit: GPLMFit, twins: list[Float64], targets: Array) -> "_Ridge":
        """The regression that the decoder solved, from the rows it was fitted to."""
        used: dict[str, Any] = fit.settings
        W = whitening(affinity(distance_matrix(fit.z_mx, fit.z_mx), fit.bandwidth), used["jitter"])
        centred = targets - fit.mu_X
        moving = 1 / (len(centred) - 1) if used["center_X"] else 0.0
        whole = cls(fit.z_mx, fit.bandwidth, W, np.zeros(0), np.zeros(0), twins, centred, moving)
        gram, moment, total = np.zeros(()), np.zeros(()), np.zeros(())
        for rows in row_blocks(len(centred), used["fit_block"]):
            Phi = [whole.features(twin[rows]) / len(twins) ** 0.5 for twin in twins]
            gram = gram + sum(one.T @ one for one in Phi)
            mean = sum(Phi) / len(twins) ** 0.5
            moment, total = moment + mean.T @ centred[rows], total + mean.sum(axis=0)
        g, Q = excited(gram)
        turned = Q / np.sqrt(g + fit.press.ridge)
        solved = dataclasses.replace(
            whole, basis=W @ turned, weights=turned.T @ moment, total=turned.T @ total
        )
        solved.refuse_others(fit.M_mX)
        return solved

    def features(self, z_ax: Float64) -> Float64:
        """Features (b, s) of standardised latents."""
        return affinity(distance_matrix(z_ax, self.z_mx), self.bandwidth) @ self.basis

    def refuse_others(self, M_mX: Float64) -> None:
        """Compare with the decoder's weights, by what they decode."""
        C_mm = affinity(distance_matrix(self.z_mx, self.z_mx), self.bandwidth)
        decoded = C_mm @ M_mX
        apart = np.abs(C_mm @ (self.basis @ self.weights) - decoded).max()
        if apart > _SAME * max(np.abs(decoded).max(), np.abs(self.centred).max()):
            rule, fix = "those the decoder was fitted to", "Pass the same latents and data."
            raise DataError(f"{_OWNER}: R_ix and y must be {rule}; got others. {fix}")


def _columns(name: str, targets: ArrayLike, n: int, fit: GPLMFit) -> Float64:
    """Targets as (n, D) float64."""
    shape: check.Shape = (n,) if fit.flat else (n, len(fit.mu_X))
    return check.array(_OWNER, name, targets, shape).reshape(n, -1).astype(np.float64)


def _increase(ridge: _Ridge, features: Float64, missed: Float64, rows: slice) -> Float64:
    """Increase (q, b) of the squared error without each of some rows.

    Features (q, s) and errors (q, D) are the queries'. The change of a prediction is a sum of T + 1 known
    vectors of the row, its deviation from the mean and its T own predictions, so that only their inner
    products are needed.
    """
    twins = np.stack([ridge.features(twin[rows]) for twin in ridge.twins]) / len(ridge.twins) ** 0.5
    mean = twins.sum(axis=0) / len(twins) ** 0.5
    # Without the row the moment loses its own part, and gains what the moving mean gives to the others.
    lost = ridge.moving * (ridge.total - mean) - mean
    freed = _freed(np.einsum("tbs,ubs->btu", twins, twins), rows)
    pull = np.einsum("qs,tbs,btu->uqb", features, twins, freed, optimize=True)
    own = features @ lost.T + (pull * np.einsum("ubs,bs->ub", twins, lost)[:, None]).sum(axis=0)
    factors = np.concatenate([(own - ridge.moving)[None], pull])
    vectors = np.concatenate([ridge.centred[rows][None], twins @ ridge.weights])
    inner = np.einsum("vbD,wbD->vwb", vectors, vectors, optimize=True)
    linear = (factors * (missed @ vectors.transpose(0, 2, 1))).sum(axis=0)
    return 2 * linear + np.einsum("vqb,wqb,vwb->qb", factors, factors, inner, optimize=True)


def _freed(leverage: Float64, rows: slice) -> Array:
    """(1 - H)^-1 of the leverages H (b, T, T) of rows."""
    slack = np.eye(leverage.shape[1]) - leverage
    least = np.linalg.eigvalsh(slack)[:, 0]
    if least.min() < _SLACK:
        got, fix = f"row {rows.start + int(least.argmin())} that does", "Fit with a larger sigma2."
        raise NumericsError(f"{_OWNER}: no row must fix its prediction alone; got {got}. {fix}")
    return np.linalg.inv(slack)
