"""Exact inversion: from a nearly clean state back to the noise that a DDIM sampler would turn into it.

One DDIM step from a noisier level t down to s is x_s = a x_t + b D(x_t). Given x_s, the step is solved
for x_t by a fixed-point iteration in its noise form, which contracts at rate 1 - rho or better,

    x <- (alpha_t/alpha_s) x_s + (1 - rho) x - alpha_t (1 - rho) D(x),
    rho = (sigma_s/alpha_s) / (sigma_t/alpha_t)

with x_s held as the anchor. Each iteration is a row, so the inversion is a table like any other; the
explicit step of Song, Meng and Ermon 2021 (section 4.3) is the first guess.
"""

import itertools

import numpy as np

from dima.errors import SettingError
from dima.noise.table import SolverTable, anchored
from dima.typing import Float64

__all__ = ["inversion"]


def inversion(alpha: Float64, sigma: Float64, iterations: int = 8) -> SolverTable:
    """The table that walks up a sampler's levels.

    Args:
        alpha: (S + 1,) signal at the sampler's levels, noisiest first, as for the sampler itself.
        sigma: (S + 1,) noise there; a clean last level is left out, for no step from it can be undone.
        iterations: fixed-point iterations a step.

    Raises:
        SettingError: iterations is negative, or fewer than two levels carry noise.
    """
    if iterations < 0:
        raise SettingError(f"noise.inversion: iterations must be at least 0; got {iterations}.")
    rising = np.flatnonzero(sigma > 0)[::-1]
    if len(rising) < 2 or (alpha[rising] == 0).any():
        got, fix = f"{len(rising)} of {len(sigma)} with noise", "Start the grid at a level that has signal."
        raise SettingError(
            f"noise.inversion: levels must be two or more with noise and signal; got {got}. {fix}"
        )
    rows = []
    for s, t in itertools.pairwise(rising):
        grown = sigma[t] / sigma[s]
        rho = alpha[t] / alpha[s] / grown
        # The state before the explicit row becomes the anchor of the iterations that follow.
        explicit = [[0, 1, 0], [0, grown, alpha[t] - alpha[s] * grown]]
        iterate = [[1, 0, 0], [alpha[t] / alpha[s], 1 - rho, -alpha[t] * (1 - rho)]]
        rows += [(row, t, s) for row in [explicit, *[iterate] * iterations]]
    return anchored(f"inversion({iterations})", alpha, sigma, rising[0], rows)
