"""Grids: which levels of a path a sampler visits, from the noisiest down to the clean one."""

from collections.abc import Callable, Sequence

import numpy as np

from dima.errors import SettingError
from dima.noise.schedule import Path
from dima.typing import Array, Float64

__all__ = ["SPACINGS", "leading", "levels", "linspace", "steps_of", "trailing"]


def trailing(T: int, steps: int) -> Array:
    """Evenly spread from T, as a start below gets too much noise. Source: Lin et al. 2024, section 3.3."""
    return np.round(np.linspace(T, 0, steps + 1)).astype(int)


def leading(T: int, steps: int) -> Array:
    """Evenly spread, ending one step above the clean level; the noisiest levels are left out."""
    return np.append(1 + np.arange(steps)[::-1] * (T // steps), 0)


def linspace(T: int, steps: int) -> Array:
    """Evenly spread from T to one, then the clean level."""
    return np.append(1 + np.round(np.linspace(T - 1, 0, steps)).astype(int), 0)


SPACINGS: dict[str, Callable[[int, int], Array]] = {at.__name__: at for at in (leading, linspace, trailing)}


def steps_of(path: Path, steps: int | Sequence[int], spacing: str = "trailing") -> Array:
    """Indices t_0 > t_1 > ... > 0 of a path: a number of steps spread by name, or a rising list of them.

    Raises:
        SettingError: steps is not in 1..T, the spacing is unknown, or the list does not rise in 1..T.
    """
    T = path.T
    if isinstance(steps, int | np.integer):
        if not 1 <= steps <= T:
            fix = "Lower steps or fit with a larger T."
            raise SettingError(f"noise: steps must be in 1..T = {T}; got {steps}. {fix}")
        if spacing not in SPACINGS:
            known = sorted([*SPACINGS, "karras"])
            raise SettingError(f"noise: spacing must be one of {known}; got {spacing!r}.")
        return SPACINGS[spacing](T, int(steps))
    rising = np.asarray(steps)
    is_list = rising.ndim == 1 and rising.size and rising.dtype.kind in "iu"
    if not is_list or (np.diff([0, *rising, T + 1]) <= 0).any():
        rule = f"a rising list of whole numbers in 1..T = {T}"
        got, fix = f"{rising.size} entries", "Sort them, each once."
        raise SettingError(f"noise: the grid must be {rule}; got {got}. {fix}")
    return np.append(rising[::-1], 0)


def levels(path: Path, steps: int | Sequence[int], spacing: str = "trailing") -> tuple[Float64, Float64]:
    """Levels (alpha, sigma), each (S + 1,), from the noisiest to the clean one.

    `spacing="karras"` spreads the noise-to-signal ratio evenly in its seventh root, between the ratios of
    the path's ends, whatever the path; the others pick levels of the path by index.
    """
    if spacing == "karras" and isinstance(steps, int | np.integer):
        return _karras(path, int(steps))
    at = steps_of(path, steps, spacing)
    return path.alpha[at], path.sigma[at]


def _karras(path: Path, steps: int) -> tuple[Float64, Float64]:
    if steps < 1:
        raise SettingError(f"noise: steps must be at least 1; got {steps}. Raise steps.")
    rho, bound = 7.0, np.exp(-path.log_snr)
    ends = bound[-1] ** (1 / rho), bound[1] ** (1 / rho)
    ratio = np.append(np.linspace(*ends, steps) ** rho, 0.0)
    # The path's own share of signal at that ratio, so that the grid stays on the path.
    scale = np.hypot(path.alpha, path.sigma)[1:]
    size = np.interp(-np.log(np.maximum(ratio, bound[1])), path.log_snr[:0:-1], scale[::-1])
    alpha = size / np.hypot(1, ratio)
    return np.append(alpha[:-1], 1.0), np.append((alpha * ratio)[:-1], 0.0)
