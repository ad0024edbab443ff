"""Every sampler as a table: one affine row per step, built once in float64, walked anywhere.

State: an anchor xa, the current x, and the last clean estimates D_i, D_{i-1}, ... A step evaluates
D at x and applies

    [xa'; x'] = M_i [xa; x; D_i; D_{i-1}; ...] + [0; C_i] z

A table knows only consecutive levels of its grid, so any grid is right by construction.
Source of the unification: Song, Meng and Ermon 2021 (DDIM), equations 12 and 16.
"""

import dataclasses
import operator
from collections.abc import Callable, Sequence

import numpy as np

from dima.errors import NumericsError, sentence
from dima.noise.schedule import log_ratio
from dima.typing import Array, Float64

__all__ = ["SolverTable", "walk"]

_IDENTITY_TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True)
class SolverTable:
    """The rows of a sampler, which prove their own algebra on construction.

    If D were exactly x_0, every row would carry a state of level (alpha, sigma) to one of the next
    level: the signal coefficients sum to alpha', and those of the noise square-sum to sigma'^2.

    Attributes:
        name: the sampler.
        alpha: (S + 1,) signal at each level, noisiest first; row i is evaluated at level i.
        sigma: (S + 1,) noise at each level.
        M: (S, 2, 2 + depth) coefficients of [xa, x, D_i, D_{i-1}, ...] in xa' and x'.
        C: (S,) standard deviation of the fresh noise in x'.
        anchor: (S + 1,) signal and (S + 1,) noise of the anchor before each row; those of x where None.
        keeps_variance: False for a sampler that spreads more than its path, by its definition.
    """

    name: str
    alpha: Float64
    sigma: Float64
    M: Float64
    C: Float64
    anchor: tuple[Float64, Float64] | None = None
    keeps_variance: bool = True

    def __post_init__(self) -> None:
        held_alpha, held_sigma = self.anchor or (self.alpha, self.sigma)
        signal = self.M[:, 1, 0] * held_alpha[:-1] + self.M[:, 1, 1] * self.alpha[:-1]
        kept = self.M[:, 1, 0] * held_sigma[:-1] + self.M[:, 1, 1] * self.sigma[:-1]
        signal_gap = np.abs(signal + self.M[:, 1, 2:].sum(axis=1) - self.alpha[1:])
        noise_gap = np.abs(np.hypot(kept, self.C) - self.sigma[1:])
        gap = np.maximum(signal_gap, noise_gap if self.keeps_variance else 0.0).max()
        if not gap <= _IDENTITY_TOLERANCE * max(1.0, self.sigma[0]):
            rule = "rows that carry each level to the next"
            got = f"a gap of {gap:.1e}"
            raise NumericsError(sentence(f"solver {self.name}", "the table", rule, got))

    @property
    def steps(self) -> int:
        """Number of rows, each one evaluation of the denoiser."""
        return len(self.C)

    @property
    def depth(self) -> int:
        """Number of clean estimates a row looks at."""
        return int(self.M.shape[2]) - 2

    @property
    def log_snr(self) -> Float64:
        """(S,) lambda = log(alpha / sigma) of the level each row is evaluated at."""
        return log_ratio(self.alpha[:-1], self.sigma[:-1])

    @property
    def elbo_weight(self) -> Float64:
        """(S,) weight of E|x_0 - D|^2 / 2 in the evidence bound: the gain in SNR of each row.

        The sum over a chain's ancestral rows, with the prior's divergence and the reconstruction of the
        last level, bounds -log p(x_0). Source: Kingma et al. 2021 (VDM), equation 13.
        """
        with np.errstate(divide="ignore"):
            snr = (self.alpha / self.sigma) ** 2
        gained: Float64 = np.diff(snr)
        return gained

    @property
    def start_std(self) -> float:
        """Standard deviation of the state before the first row, for data of unit variance."""
        return float(np.hypot(self.alpha[0], self.sigma[0]))


def walk(
    table: SolverTable,
    denoise: Callable[[Array, int], Array],
    x: Array,
    noise: Sequence[Array] | Array,
) -> Array:
    """Walk the table in NumPy: the reference of the other walkers.

    Args:
        table: the sampler.
        denoise: (x, row) -> clean estimate D.
        x: state before the first row.
        noise: standard normal draws, one of the shape of `x` for each row.
    """
    anchor, history = x, [np.zeros_like(x)] * table.depth
    for i in range(table.steps):
        history = [denoise(x, i), *history[:-1]]
        terms = [anchor, x, *history]
        anchor, moved = (sum(map(operator.mul, row, terms)) for row in table.M[i])
        x = moved + table.C[i] * noise[i]
    return x
