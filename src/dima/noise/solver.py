"""Every solver by name, and the one door that builds its table on a grid."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dima import settings
from dima.errors import SettingError
from dima.noise.first_order import churned, ddim, ddpm, ddpm_large
from dima.noise.heun import heun
from dima.noise.multistep import dpmpp_1, dpmpp_2m, dpmpp_3m, sde_dpmpp_2m
from dima.noise.repaint import repaint
from dima.noise.schedule import log_ratio
from dima.noise.table import SolverTable, walk
from dima.noise.unipc import unipc_2, unipc_3
from dima.typing import ArrayLike

__all__ = ["SOLVERS", "SolverTable", "build", "walk"]

_ALL: list[Callable[..., SolverTable]] = [
    *[ddim, ddpm, ddpm_large, churned, repaint],
    *[dpmpp_1, dpmpp_2m, dpmpp_3m, sde_dpmpp_2m],
    *[heun, unipc_2, unipc_3],
]
SOLVERS = {solver.__name__: solver for solver in _ALL}


def build(solver: str, alpha: ArrayLike, sigma: ArrayLike, **given_settings: Any) -> SolverTable:
    """The table of a solver by its name in `SOLVERS`, with settings that it declares itself.

    The grid's levels alpha (S + 1,) and sigma (S + 1,) stand noisiest first; a setting that is None is left
    at its default.

    Raises:
        SettingError: the solver is unknown, a setting is out of its range or one that this solver does
            not have, or the levels do not fall in noise.

    Example:
        >>> table = build("ddim", [0.0, 0.6, 1.0], [1.0, 0.8, 0.0], eta=0.5)
        >>> table.name, table.steps
        ('ddim(eta=0.5)', 2)
    """
    checked = settings.own("noise", "solver", SOLVERS, solver, given_settings)
    alpha, sigma = np.asarray(alpha, np.float64), np.asarray(sigma, np.float64)
    levels = log_ratio(alpha, sigma)
    if len(levels) < 2 or not (np.diff(levels) > 0).all():
        fix = "Give them from noisiest to cleanest, none twice."
        raise SettingError(f"noise: the grid must be falling in noise; got {len(levels)} levels. {fix}")
    return SOLVERS[solver](alpha, sigma, **checked)
