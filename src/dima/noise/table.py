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
from typing import Any

import numpy as np

from dima.errors import NumericsError
from dima.noise.schedule import log_ratio
from dima.typing import Array, Float64

__all__ = ["FEW", "SolverTable", "anchored", "first_order", "walk"]

FEW = 15  # steps below which the last rows of a multistep sampler fall back to lower order: they are long

_IDENTITY_TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True)
class SolverTable:
    """The rows of a sampler, which prove their own algebra on construction, or raise NumericsError.

    If D were exactly x_0, every row would carry a state of level (alpha, sigma) to one of the next
    level: the signal coefficients sum to alpha', and those of the noise square-sum to sigma'^2. A
    declared anchor is carried to its own next level in the same way.

    Attributes:
        name: the sampler.
        alpha: (S + 1,) signal at each level, noisiest first; row i is evaluated at level i.
        sigma: (S + 1,) noise at each level.
        M: (S, 2, 2 + depth) coefficients of [xa, x, D_i, D_{i-1}, ...] in xa' and x'.
        C: (S,) standard deviation of the fresh noise in x'.
        anchor: (S + 1,) signal and (S + 1,) noise of the anchor before each row; None where no row
            looks at it.
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
        signal_gap, noise_gap = self._gaps(1, (self.alpha, self.sigma), self.C)
        gaps = [signal_gap, noise_gap if self.keeps_variance else 0.0]
        gaps += [np.abs(self.M[:, 1, 0]).max()] if self.anchor is None else self._gaps(0, self.anchor, 0.0)
        if not np.max(gaps) <= _IDENTITY_TOLERANCE * max(1.0, self.sigma[0]):
            got = f"a gap of {np.max(gaps):.1e}. Correct its coefficients or its levels."
            rule = "rows that carry each level to the next"
            raise NumericsError(f"solver {self.name}: the table must be {rule}; got {got}")

    def _gaps(self, row: int, level: tuple[Float64, Float64], fresh: Float64 | float) -> list[float]:
        """By how much signal and noise of xa' (row 0) or x' (row 1) miss the level declared next."""
        held_alpha, held_sigma = self.anchor or (self.alpha, self.sigma)
        of_anchor, of_x = self.M[:, row, 0], self.M[:, row, 1]
        signal = of_anchor * held_alpha[:-1] + of_x * self.alpha[:-1] + self.M[:, row, 2:].sum(axis=1)
        noise = np.hypot(of_anchor * held_sigma[:-1] + of_x * self.sigma[:-1], fresh)
        return [float(np.abs(signal - level[0][1:]).max()), float(np.abs(noise - level[1][1:]).max())]

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
        return np.diff(snr)

    @property
    def start_std(self) -> float:
        """Standard deviation of the state before the first row, for data of unit variance."""
        return float(np.hypot(self.alpha[0], self.sigma[0]))


def first_order(name: str, alpha: Float64, sigma: Float64, kept: Float64, fresh: Float64) -> SolverTable:
    """The table of rows x' = kept x + b D + fresh z, whose b follows from the levels."""
    M = np.zeros((len(kept), 2, 3))
    M[:, 1, 1], M[:, 1, 2] = kept, alpha[1:] - alpha[:-1] * kept
    return SolverTable(name, alpha, sigma, M, fresh)


def anchored(
    name: str, alpha: Float64, sigma: Float64, start: int, rows: Sequence[tuple[Any, int, int]]
) -> SolverTable:
    """The table of noiseless rows (coefficients, level it leads to, level of the anchor it leaves).

    The state and its anchor are at level `start` before the first.
    """
    M, to, held = zip(*rows, strict=True)
    at, anchor = [start, *to], [start, *held]
    return SolverTable(
        name, alpha[at], sigma[at], np.array(M, np.float64), np.zeros(len(M)), (alpha[anchor], sigma[anchor])
    )


def walk(
    table: SolverTable, denoise: Callable[[Array, int], Array], x: Array, noise: Sequence[Array] | Array
) -> Array:
    """The state after the last row, walked in NumPy from `x`: the reference of the other walkers.

    `denoise` gives the clean estimate D of (x, row); `noise` is a standard normal draw like `x` for each row.

    Example:
        >>> alpha, sigma = np.array([0.0, 0.6, 1.0]), np.array([1.0, 0.8, 0.0])
        >>> table = first_order("ddim", alpha, sigma, sigma[1:] / sigma[:-1], np.zeros(2))
        >>> walk(table, lambda x, i: np.full(3, 2.0), np.ones(3), np.zeros((2, 3))).tolist()
        [2.0, 2.0, 2.0]
    """
    anchor, history = x, [np.zeros_like(x)] * table.depth
    for i in range(table.steps):
        history = [denoise(x, i), *history[:-1]]
        terms = [anchor, x, *history]
        anchor, moved = (sum(map(operator.mul, row, terms)) for row in table.M[i])
        x = moved + table.C[i] * noise[i]
    return x
