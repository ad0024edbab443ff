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

from dima.errors import NumericsError, SettingError, sentence
from dima.noise.schedule import log_ratio
from dima.typing import Array, Float64

__all__ = ["SOLVERS", "SolverTable", "build", "ddim", "ddpm", "walk"]

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
    """

    name: str
    alpha: Float64
    sigma: Float64
    M: Float64
    C: Float64

    def __post_init__(self) -> None:
        signal = self.M[:, 1, :2].sum(axis=1) * self.alpha[:-1] + self.M[:, 1, 2:].sum(axis=1)
        noise = np.hypot(self.M[:, 1, :2].sum(axis=1) * self.sigma[:-1], self.C)
        gap = np.maximum(np.abs(signal - self.alpha[1:]), np.abs(noise - self.sigma[1:])).max()
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
    def start_std(self) -> float:
        """Standard deviation of the state before the first row, for data of unit variance."""
        return float(np.hypot(self.alpha[0], self.sigma[0]))


def ddim(alpha: Float64, sigma: Float64, eta: float = 0.0) -> SolverTable:
    """DDIM with `eta` 0 (deterministic) to 1 (ancestral).

    Source: Song, Meng and Ermon 2021, equation 12.

    Args:
        alpha: (S + 1,) signal at the grid's levels, noisiest first.
        sigma: (S + 1,) noise at the grid's levels.
        eta: share of the ancestral noise.
    """
    a0, a1, s0, s1 = alpha[:-1], alpha[1:], sigma[:-1], sigma[1:]
    fresh = eta * (s1 / s0) * np.sqrt(np.maximum(s0**2 - (a0 / a1) ** 2 * s1**2, 0))
    kept = np.sqrt(np.maximum(s1**2 - fresh**2, 0)) / s0
    M = np.zeros((len(a0), 2, 3))
    M[:, :, 1], M[:, :, 2] = kept[:, None], (a1 - a0 * kept)[:, None]
    return SolverTable(f"ddim(eta={eta:g})", alpha, sigma, M, fresh)


def ddpm(alpha: Float64, sigma: Float64, eta: float = 1.0) -> SolverTable:
    """Ancestral sampling with the posterior variance, which is DDIM at eta 1.

    Source: Ho, Jain and Abbeel 2020, equation 7.
    """
    return dataclasses.replace(ddim(alpha, sigma, eta), name="ddpm")


SOLVERS: dict[str, Callable[..., SolverTable]] = {"ddim": ddim, "ddpm": ddpm}


def build(solver: str, alpha: Array, sigma: Array, eta: float | None = None) -> SolverTable:
    """Build the table of a named solver on a grid of levels, noisiest first.

    Raises:
        SettingError: the solver is unknown, eta is outside [0, 1] or the levels do not fall.
    """
    if solver not in SOLVERS:
        raise SettingError(sentence("noise", "solver", f"one of {sorted(SOLVERS)}", repr(solver)))
    if eta is not None and not 0 <= eta <= 1:
        raise SettingError(sentence("noise", "eta", "in [0, 1]", eta))
    levels = log_ratio(alpha, sigma)
    if len(levels) < 2 or not (np.diff(levels) > 0).all():
        got, fix = f"{len(levels)} levels", "Give them from noisiest to cleanest, none twice."
        raise SettingError(sentence("noise", "the grid", "falling in noise", got, fix))
    settings = {} if eta is None else {"eta": eta}
    return SOLVERS[solver](np.asarray(alpha, np.float64), np.asarray(sigma, np.float64), **settings)


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
