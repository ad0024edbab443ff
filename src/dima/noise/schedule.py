"""Noise schedules: how much signal and noise is left after each of T noising steps.

    x_t = alpha_t x_0 + sigma_t noise,  t = 0 (clean) ... T (noisiest),  lambda = log(alpha / sigma)

A schedule is a function `T -> betas (T,)`, the variance each step of the chain adds; alpha_t is the
root of the cumulated product of 1 - beta.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from dima.errors import SettingError, sentence
from dima.typing import Array, Float64

__all__ = ["SCHEDULES", "Path", "cosine", "from_betas", "linear", "log_ratio", "path", "trailing"]

_LINEAR_STEPS = 1000  # the published chain length
_LOG_SNR_BOUND = 20.0  # of lambda: beyond it float32 cannot tell the levels apart


@dataclasses.dataclass(frozen=True)
class Path:
    """Levels of a noising process, from clean to noisiest.

    Attributes:
        alpha: (T + 1,) share of signal, 1 at t = 0.
        sigma: (T + 1,) standard deviation of the noise, 0 at t = 0.
    """

    alpha: Float64
    sigma: Float64

    @property
    def T(self) -> int:
        """Number of noising steps."""
        return len(self.alpha) - 1

    @property
    def log_snr(self) -> Float64:
        """(T + 1,) lambda = log(alpha / sigma), falling, kept within +-20."""
        return log_ratio(self.alpha, self.sigma)


def linear(T: int) -> Float64:
    """The published chain, 1000 betas 1e-4 .. 2e-2, thinned to T: every T ends at alpha^2 = 4e-5.

    Source: Ho, Jain and Abbeel 2020, section 4.
    """
    log_signal = np.cumsum(np.log1p(-np.linspace(1e-4, 2e-2, _LINEAR_STEPS)))
    at = np.linspace(0, _LINEAR_STEPS, T + 1)
    # Between published steps the chain runs evenly; at T = 1000 these are the published betas.
    kept = np.interp(at, np.arange(_LINEAR_STEPS + 1), np.concatenate([[0.0], log_signal]))
    betas: Float64 = -np.expm1(np.diff(kept))
    return betas


def cosine(T: int) -> Float64:
    """Betas of the squared-cosine signal. Source: Nichol and Dhariwal 2021, equation 17."""
    offset = 0.008
    signal = np.cos((np.arange(T + 1) / T + offset) / (1 + offset) * np.pi / 2) ** 2
    betas: Float64 = 1 - signal[1:] / signal[:-1]
    return betas


SCHEDULES: dict[str, Callable[[int], Float64]] = {"cosine": cosine, "linear": linear}


def path(schedule: str, T: int, beta_max: float = 0.999, floor: float = 0.0) -> Path:
    """The variance-preserving path of a named schedule.

    Args:
        schedule: a name in `SCHEDULES`.
        T: number of noising steps.
        beta_max: cap on each beta; the published cosine schedule needs one below 1.
        floor: least share of signal variance alpha^2 kept at the end.

    Raises:
        SettingError: the schedule is unknown, or T is not positive.
    """
    if schedule not in SCHEDULES:
        rule = f"one of {sorted(SCHEDULES)}"
        raise SettingError(sentence("noise", "schedule", rule, repr(schedule)))
    if T < 1:
        raise SettingError(sentence("noise", "T", "at least 1", T, "Raise T."))
    return from_betas(np.minimum(SCHEDULES[schedule](T), beta_max), floor)


def from_betas(betas: Array, floor: float = 0.0) -> Path:
    """The path of a chain that adds variance `betas` (T,), each in (0, 1)."""
    alpha_bars = np.concatenate([[1.0], np.cumprod(1.0 - np.asarray(betas, np.float64))])
    # Shrunk towards the floor, not cut at it: levels below would become equal, and no sampler can
    # step between equal levels.
    alpha_bars = floor + (1.0 - floor) * alpha_bars
    return Path(np.sqrt(alpha_bars), np.sqrt(1.0 - alpha_bars))


def trailing(T: int, steps: int) -> Array:
    """Indices T = t_0 > ... > t_steps = 0, evenly spread and starting at the noisiest level.

    Starting below T would hand the sampler more noise than the level it is told; see Lin et al.
    2024, section 3.3.

    Raises:
        SettingError: steps is not in 1..T.
    """
    if not 1 <= steps <= T:
        fix = "Lower steps or fit with a larger T."
        raise SettingError(sentence("noise", "steps", f"in 1..T = {T}", steps, fix))
    return np.round(np.linspace(T, 0, steps + 1)).astype(int)


def log_ratio(alpha: Array, sigma: Array) -> Float64:
    """The level lambda = log(alpha / sigma), kept within +-20 where one of the two is zero."""
    with np.errstate(divide="ignore"):
        ratio: Float64 = np.log(alpha) - np.log(sigma)
    return np.clip(ratio, -_LOG_SNR_BOUND, _LOG_SNR_BOUND)
