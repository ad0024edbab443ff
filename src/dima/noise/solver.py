"""Every solver by name, and the one door that builds its table on a grid."""

from collections.abc import Callable

import numpy as np

from dima.errors import SettingError, sentence
from dima.noise.first_order import churned, ddim, ddpm, ddpm_large
from dima.noise.heun import heun
from dima.noise.multistep import dpmpp_1, dpmpp_2m, dpmpp_3m, dpmpp_3m_published, sde_dpmpp_2m
from dima.noise.schedule import log_ratio
from dima.noise.table import SolverTable, walk
from dima.noise.unipc import unipc_2, unipc_3
from dima.typing import Array

__all__ = ["SOLVERS", "SolverTable", "build", "ddim", "ddpm", "walk"]

SOLVERS: dict[str, Callable[..., SolverTable]] = {
    "ddim": ddim,
    "ddpm": ddpm,
    "ddpm_large": ddpm_large,
    "churned": churned,
    "dpmpp_1": dpmpp_1,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_3m": dpmpp_3m,
    "dpmpp_3m_published": dpmpp_3m_published,
    "sde_dpmpp_2m": sde_dpmpp_2m,
    "heun": heun,
    "unipc_2": unipc_2,
    "unipc_3": unipc_3,
}

_WITH_ETA = ("ddim", "ddpm")


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
    if eta is not None and solver not in _WITH_ETA:
        rule, fix = f"left out with {solver!r}", f"It is a setting of {' and '.join(_WITH_ETA)}."
        raise SettingError(sentence("noise", "eta", rule, eta, fix))
    settings = {} if eta is None else {"eta": eta}
    return SOLVERS[solver](np.asarray(alpha, np.float64), np.asarray(sigma, np.float64), **settings)
