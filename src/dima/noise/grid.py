"""Grids: which levels of a path a sampler visits, from the noisiest down to the clean one."""

from collections.abc import Callable, Sequence

import numpy as np

from dima.errors import SettingError
from dima.noise.schedule import Path
from dima.typing import Array, Float64

__all__ = ["SPACINGS", "leading", "levels", "linspace", "steps_of", "trailing"]


def trailing(T: int, steps: int) -> Array:
    """Evenly spread, starting at T: a start below would be handed more noise than it is told.

    Source: Lin et al. 2024, section 3.3.
    """
    return np.round(np.linspace(T, 0, steps + 1)).astype(int)


def leading(T: int, steps: int) -> Array:
    """Evenly spread, ending one step above the clean level; the noisiest levels are left out."""
    return np.append(1 + np.arange(steps)[::-1] * (T // steps), 0)


def linspace(T: int, steps: int) -> Array:
    """Evenly spread from T to one, then the clean level."""
    return np.append(1 + np.round(np.linspace(T - 1, 0, steps)).astype(int), 0)


SPACINGS: dict[str, Callable[[int, int], Array]] = {
    "leading": leading,
    "linspace": linspace,
    "trailing": trailing,
}


def steps_of(path: Path, steps: int | Sequence[int], spacing: str = "trailing") -> Array:
    """Indices t_0 > t_1 > ... > 0 of a path: a number of steps spread by name, or a rising list of them.

    Raises:
        SettingError: steps is not in 1..T, the spacing is unknown, or the list does not rise in 1..T.
    """
    if not isinstance(steps, int | np.integer):
        return _listed(path.T, steps)
    if not 1 <= steps <= path.T:
        raise SettingError(
            f"noise: steps must be in 1..T = {path.T}; got {steps}. Lower steps or fit with a larger T."
        )
    if spacing not in SPACINGS:
        raise SettingError(f"noise: spacing must be one of {sorted([*SPACINGS, 'karras'])}; got {spacing!r}.")
    return SPACINGS[spacing](path.T, int(steps))


def levels(path: Path, steps: int | Sequence[int], spacing: str = "trailing") -> tuple[Float64, Float64]:
    """Levels (alpha, sigma), each (S + 1,), from the noisiest to the clean one.

    `spacing="karras"` spreads the noise-to-signal ratio evenly in its seventh root, between the ratios of
    the path's ends, whatever the path; the others pick levels of the path by index.
    """
    if spacing == "karras" and isinstance(steps, int | np.integer):
        return _karras(path, int(steps))
    at = steps_of(path, steps, spacing)
    return path.alpha[at], path.sigma[at]


def _listed(T: int, steps: Sequence[int]) -> Array:
    rising = np.asarray(steps)
    is_rising = rising.ndim == 1 and len(rising) and rising.dtype.kind in "iu" and (np.diff(rising) > 0).all()
    if not is_rising or rising[0] < 1 or rising[-1] > T:
        raise SettingError(
            f"noise: the grid must be a rising list of whole numbers in 1..T = {T}; "
            f"got {rising.size} entries."
        )
    return np.append(rising[::-1], 0)


def _karras(path: Path, steps: int) -> tuple[Float64, Float64]:
    if steps < 1:
        raise SettingError(f"noise: steps must be at least 1; got {steps}.")
    rho, bound = 7.0, np.exp(-path.log_snr)
    ends = bound[-1] ** (1 / rho), bound[1] ** (1 / rho)
    ratio = np.append(np.linspace(*ends, steps) ** rho, 0.0)
    # The path's own share of signal at that ratio, so that the grid stays on the path.
    scale = np.hypot(path.alpha, path.sigma)[1:]
    size = np.interp(-np.log(np.maximum(ratio, bound[1])), path.log_snr[:0:-1], scale[::-1])
    alpha = size / np.hypot(1, ratio)
    return np.append(alpha[:-1], 1.0), np.append((alpha * ratio)[:-1], 0.0)
