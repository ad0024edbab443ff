"""What every `sample` and `refine` takes, declared once, and the solver table it asks for."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dima import check
from dima.errors import SettingError
from dima.noise import grid
from dima.noise import solver as solvers
from dima.noise.first_order import Churn, Eta
from dima.noise.repaint import Repeats
from dima.noise.schedule import Path
from dima.settings import OneOf
from dima.typing import ArrayLike, Float64

__all__ = [
    "AddNoise",
    "Churn",
    "Clip",
    "Count",
    "Eta",
    "Guidance",
    "Level",
    "Repeats",
    "Seed",
    "Solver",
    "Spacing",
    "Start",
    "Steps",
    "noise_of",
    "refining_table",
    "table",
]

_MOST_STEPS = 50  # beyond which a deterministic solver gains little
_ANCESTRAL = ("ddpm", "ddpm_large")  # which need the whole chain
_INT32 = 2**31  # what JAX's counters and keys take

Count = Annotated[int, Meta(ge=0, lt=_INT32, description="how many to draw")]
Seed = Annotated[int, Meta(ge=0, lt=_INT32, description="equal seeds draw equal numbers")]
Solver = Annotated[str, OneOf(*solvers.SOLVERS), Meta(description="sampler, by name")]
Steps = Annotated[
    int, Meta(ge=1, description="grid steps, at most T; if not given T for ddpm, at most 50 for others")
]
Spacing = Annotated[
    str, OneOf(*grid.SPACINGS, "karras"), Meta(description="how the steps are spread over the levels")
]
Guidance = Annotated[
    float,
    Meta(ge=0, description="weight against estimates without the condition, or of a Gaussian; 1 is without"),
]
Clip = Annotated[
    str, OneOf("range", "dynamic"), Meta(description="how clean estimates are kept in the range of the data")
]
Level = Annotated[int, Meta(ge=0, lt=_INT32, description="level to start from, 0 to T - 1")]
Start = Level | Annotated[str, OneOf("auto"), Meta(description="matched to the noise")]
AddNoise = Annotated[bool, Meta(description="noise up to that level first")]


def table(  # noqa: PLR0913 one for each setting of a solver
    path: Path,
    *,
    solver: Solver = "ddim",
    steps: Steps | None = None,
    spacing: Spacing = "trailing",
    eta: Eta | None = None,
    churn: Churn | None = None,
    repeats: Repeats | None = None,
) -> solvers.SolverTable:
    """The table that walks a path from noise to data; SettingError as by `grid.levels` and `solver.build`."""
    most = path.T if solver in _ANCESTRAL else min(_MOST_STEPS, path.T)
    levels = grid.levels(path, most if steps is None else steps, spacing)
    return solvers.build(solver, *levels, eta=eta, churn=churn, repeats=repeats)


def refining_table(path: Path, t_start: int, solver: str, steps: int | None = None) -> solvers.SolverTable:
    """The table of the last `t_start` steps of a path, taken in `steps`; SettingError if not in 1..T - 1."""
    if not 0 < t_start < path.T:
        fix = f"At 0 there is no noise to take away, at T = {path.T} nothing of the points is left."
        raise SettingError(f"noise: t_start must be in 1..{path.T - 1}; got {t_start}. {fix}")
    below = Path(path.alpha[: t_start + 1], path.sigma[: t_start + 1])
    return solvers.build(solver, *grid.levels(below, t_start if steps is None else steps))


def noise_of(owner: str, t_start: int | str, noise: ArrayLike | None, d: int) -> Float64 | None:
    """Standard deviations (d,) of the noise that `t_start="auto"` is matched to; None for a level.

    Raises:
        SettingError: noise is given with a level, missing without one, or negative.
    """
    if (t_start == "auto") != (noise is not None):
        rule, got = (
            ("given with t_start='auto'", "none") if noise is None else ("left out with a level", "some")
        )
        raise SettingError(
            f"{owner}: noise must be {rule}; got {got}. It is the spread of the points' error."
        )
    if noise is None:
        return None
    spread = np.repeat(noise, d) if np.ndim(noise) == 0 else noise
    spread = check.array(owner, "noise", spread, (d,)).astype(np.float64)
    if spread.min() < 0:
        raise SettingError(
            f"{owner}: noise must be at least 0; got {spread.min():g}. Pass standard deviations."
        )
    return spread
