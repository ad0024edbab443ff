"""Sums over training rows from which the kernel decoder's weights follow; rows are added to them at will.

    M = B (g + ridge)^-1 B' C' (R - mu),    B' C' C B = diag(g),    B' K_mm B = 1

`B` whitens the inducing kernel and rotates to the eigenvectors of the features' Gram matrix, so that one
matrix serves for both, and leverages cost no system of equations.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from dima.blocks import row_blocks, rows_within
from dima.manifold.eigen import eigh
from dima.typing import Array, Float64

__all__ = ["NormalEquations"]

_SAMPLE = 1000  # training rows kept, whose residuals give intervals their width
_SAMPLE_BYTES = 64 * 2**20  # they take at the most
_NUMBER = 8  # bytes
Features = Callable[[Float64], Float64]


@dataclasses.dataclass(frozen=True)
class NormalEquations:
    """Sums over training rows in the features `phi(z) = B' k(Z_m, z)`.

    Attributes:
        B_mr: (m, r) what makes features of affinities to the inducing points.
        g: (r,) sums of the squares of the features; those of two differing ones are zero.
        total: (r,) sums of the features.
        moment: (r, D) sums of features times targets less `reference_X`.
        reference_X: (D,) what targets are measured from; near their mean, so that no digits are lost.
        sum_X: (D,) sum of the targets less that.
        n_rows: training rows.
        sample_stx: (s, T, d) standardised latents of a sample of rows, T twins of each that weigh 1/T.
        sample_sX: (s, D) their targets less `reference_X`.
    """

    B_mr: Float64
    g: Float64
    total: Float64
    moment: Float64
    reference_X: Float64
    sum_X: Float64
    n_rows: int
    sample_stx: Float64
    sample_sX: Float64

    @classmethod
    def empty(cls, W: Float64, reference_X: Float64, d: int) -> "NormalEquations":
        """Of no rows, in features whitened by `W` (m, r)."""
        r, D = W.shape[1], len(reference_X)
        own = (np.zeros(r), np.zeros(r), np.zeros((r, D)), reference_X, np.zeros(D), 0)
        return cls(W, *own, np.empty((0, 1, d)), np.empty((0, D)))

    def plus(
        self, affinities: Features, Z: Sequence[Float64], R_iX: Array, block: int, seed: int
    ) -> "NormalEquations":
        """The same with more rows.

        Args:
            affinities: what takes standardised latents (b, d) to affinities (b, m).
            Z: twins (n, d) of the rows' standardised latents, each with its share of their weight.
            R_iX: their targets (n, D).
            block: rows held at a time.
            seed: of the rows that are kept as a sample.
        """
        gram, total, moment = np.diag(self.g), self.total.copy(), self.moment.copy()
        sum_X = self.sum_X.copy()
        for rows in row_blocks(len(R_iX), block):
            centred = R_iX[rows] - self.reference_X
            sum_X += centred.sum(axis=0)
            twins = [affinities(Z_ix[rows]) @ self.B_mr for Z_ix in Z]
            gram += sum(Phi.T @ Phi for Phi in twins) / len(Z)
            mean = np.add.reduce(twins) / len(Z)  # sums of both in one product with the targets
            total += mean.sum(axis=0)
            moment += mean.T @ centred
        g, Q = eigh(gram)
        return NormalEquations(
            self.B_mr @ Q,
            np.maximum(g, 0.0),
            Q.T @ total,
            Q.T @ moment,
            self.reference_X,
            sum_X,
            self.n_rows + len(R_iX),
            *self._sampled(np.stack(Z, axis=1), R_iX, seed),
        )

    @property
    def mean_X(self) -> Float64:
        """(D,) mean of the targets."""
        return self.reference_X + self.sum_X / self.n_rows

    def damped(self, ridge: float) -> Float64:
        """(r,) the squares plus the ridge; infinite where no row excites a feature, whose weight is zero."""
        excited = self.g > np.finfo(float).eps * len(self.g) * self.g.max()
        return np.where(excited, self.g + ridge, np.inf)

    def weights(self, ridge: float, mu_X: Float64) -> Float64:
        """(r, D) weights of the features for targets less `mu_X`."""
        centred = self.moment - np.outer(self.total, mu_X - self.reference_X)
        return centred / self.damped(ridge)[:, None]

    def _sampled(self, Z_itx: Float64, R_iX: Array, seed: int) -> tuple[Float64, Float64]:
        """Latents and targets of a sample of all rows, in which old and new have their shares."""
        n, most = self.n_rows + len(R_iX), min(_SAMPLE, rows_within(_NUMBER * R_iX.shape[1], _SAMPLE_BYTES))
        of_old = min(len(self.sample_sX), round(min(most, n) * self.n_rows / n))
        of_new = min(len(R_iX), most - of_old)
        rng = np.random.default_rng([seed, self.n_rows])
        old = np.sort(rng.permutation(len(self.sample_sX))[:of_old])
        new = np.sort(rng.permutation(len(R_iX))[:of_new])
        twins = max(self.sample_stx.shape[1], Z_itx.shape[1])
        latents = [_with_twins(self.sample_stx[old], twins), _with_twins(Z_itx[new], twins)]
        return np.concatenate(latents), np.concatenate([self.sample_sX[old], R_iX[new] - self.reference_X])


def _with_twins(Z_stx: Float64, twins: int) -> Float64:
    """A row alone is a row and its like, of half the weight each."""
    return Z_stx if Z_stx.shape[1] == twins else np.repeat(Z_stx, twins, axis=1)
