"""Noise schedules: how much signal and noise is left after each of T noising steps.

    x_t = alpha_t x_0 + sigma_t noise,  t = 0 (clean) ... T (noisiest),  lambda = log(alpha / sigma)

A schedule is a function `(T, Range) -> Path`. Those of a Markov chain cumulate the betas, the variance
each step adds: alpha_t^2 is the product of 1 - beta. Others state their levels outright.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from dima.errors import SettingError, sentence
from dima.typing import Array, Float64

__all__ = [
    "SCHEDULES",
    "Path",
    "Range",
    "cosine",
    "flow",
    "from_betas",
    "karras",
    "linear",
    "log_ratio",
    "offset_cosine",
    "path",
    "sigmoid",
    "sigmoid_geodiff",
    "zero_terminal_snr",
]

_PUBLISHED_STEPS = 1000
_ROUNDING = 1e-9
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


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers a schedule may be tuned by; each schedule reads those that concern it.

    Attributes:
        beta_start: first beta of the linear chain of 1000 steps.
        beta_end: last beta of that chain.
        beta_max: cap on each beta.
        floor: share of signal variance that alpha^2 falls towards.
        sigma_min: least noise of the Karras schedule, for data of unit variance.
        sigma_max: most noise of the Karras schedule.
    """

    beta_start: float = 1e-4
    beta_end: float = 2e-2
    beta_max: float = 0.999
    floor: float = 0.0
    sigma_min: float = 0.002
    sigma_max: float = 80.0


def linear(T: int, given: Range) -> Path:
    """The published chain of 1000 betas, thinned to T, so that every T ends at the same level.

    Source: Ho, Jain and Abbeel 2020, section 4.
    """
    return _thinned(np.linspace(given.beta_start, given.beta_end, _PUBLISHED_STEPS), T, given)


def cosine(T: int, given: Range) -> Path:
    """Squared-cosine signal. Source: Nichol and Dhariwal 2021, equation 17."""
    offset = 0.008
    signal = np.cos((np.arange(T + 1) / T + offset) / (1 + offset) * np.pi / 2) ** 2
    return _capped(1 - signal[1:] / signal[:-1], given)


def offset_cosine(T: int, _given: Range) -> Path:
    """Signal rate from 0.95 down to 0.02 along a circle. Source: the Keras DDIM example (Beres 2022)."""
    angle = np.linspace(np.arccos(0.95), np.arccos(0.02), T)
    return _clean_first(np.cos(angle), np.sin(angle))


def sigmoid(T: int, given: Range) -> Path:
    """Sigmoid signal, from -3 to 3. Source: Jabri, Fleet and Chen 2022, algorithm 1."""
    start, end = _logistic(-3.0), _logistic(3.0)
    signal = (end - _logistic(np.linspace(-3.0, 3.0, T + 1))) / (end - start)
    return _capped(1 - signal[1:] / signal[:-1], given)


def sigmoid_geodiff(T: int, given: Range) -> Path:
    """Sigmoid betas, from -6 to 6, thinned to T. Source: Xu et al. 2022 (GeoDiff), appendix."""
    betas = _logistic(np.linspace(-6.0, 6.0, _PUBLISHED_STEPS))
    return _thinned(betas * (given.beta_end - given.beta_start) + given.beta_start, T, given)


def karras(T: int, given: Range) -> Path:
    """Pure added noise, evenly spread in sigma^(1/7). Source: Karras et al. 2022, equation 5."""
    rho = 7.0
    ends = given.sigma_min ** (1 / rho), given.sigma_max ** (1 / rho)
    return _clean_first(np.ones(T), np.linspace(*ends, T) ** rho)


def flow(T: int, _given: Range) -> Path:
    """Straight lines from data to noise. Source: Liu, Gong and Liu 2023 (rectified flow)."""
    t = np.linspace(0, 1, T + 1)
    return Path(1 - t, t)


SCHEDULES: dict[str, Callable[[int, Range], Path]] = {
    "cosine": cosine,
    "flow": flow,
    "karras": karras,
    "linear": linear,
    "offset_cosine": offset_cosine,
    "sigmoid": sigmoid,
    "sigmoid_geodiff": sigmoid_geodiff,
}


def path(schedule: str, T: int, given: Range | None = None) -> Path:
    """The path of a named schedule.

    Raises:
        SettingError: the schedule is unknown, T is not positive, or a range is upside down.
    """
    given = given or Range()
    if schedule not in SCHEDULES:
        raise SettingError(sentence("noise", "schedule", f"one of {sorted(SCHEDULES)}", repr(schedule)))
    if T < 1:
        raise SettingError(sentence("noise", "T", "at least 1", T, "Raise T."))
    if not 0 < given.beta_start <= given.beta_end < 1:
        got = f"{given.beta_start:g} and {given.beta_end:g}"
        raise SettingError(sentence("noise", "beta_start and beta_end", "rising within (0, 1)", got))
    if not 0 <= given.floor < 1:
        raise SettingError(sentence("noise", "floor", "in [0, 1)", given.floor))
    if not 0 < given.sigma_min < given.sigma_max:
        got = f"{given.sigma_min:g} and {given.sigma_max:g}"
        raise SettingError(sentence("noise", "sigma_min and sigma_max", "positive and rising", got))
    return SCHEDULES[schedule](T, given)


def from_betas(betas: Array, floor: float = 0.0) -> Path:
    """The path of a chain that adds variance `betas` (T,), each in (0, 1).

    Raises:
        SettingError: a beta is outside (0, 1).
    """
    betas = np.asarray(betas, np.float64)
    if not ((betas > 0) & (betas < 1)).all():
        raise SettingError(sentence("noise", "betas", "within (0, 1)", f"{betas.min():g} to {betas.max():g}"))
    alpha_bars = np.concatenate([[1.0], np.cumprod(1.0 - betas)])
    # Shrunk towards the floor, not cut at it: levels below would become equal, and no sampler can
    # step between equal levels.
    alpha_bars = floor + (1.0 - floor) * alpha_bars
    return Path(np.sqrt(alpha_bars), np.sqrt(1.0 - alpha_bars))


def zero_terminal_snr(given: Path) -> Path:
    """The path shifted and scaled so that its last level is noise alone.

    One that ends there already is returned as it is. Source: Lin et al. 2024, algorithm 1.

    Raises:
        SettingError: the path does not keep the variance, so that no share of signal can be taken away.
    """
    first, last = given.alpha[1], given.alpha[-1]
    if last == 0:
        return given
    scale = np.hypot(given.alpha, given.sigma)
    if np.abs(scale - 1).max() > _ROUNDING:
        rule, fix = "on a path of constant variance", "Leave it out, or choose another schedule."
        got = f"a variance of up to {scale.max() ** 2:.3g}"
        raise SettingError(sentence("noise", "zero_snr", rule, got, fix))
    if given.T == 1:
        return Path(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    alpha = (given.alpha - last) * first / (first - last)
    alpha[0] = 1.0
    return Path(alpha, np.sqrt(1 - alpha**2))


def log_ratio(alpha: Array, sigma: Array) -> Float64:
    """The level lambda = log(alpha / sigma), kept within +-20 where one of the two is zero."""
    with np.errstate(divide="ignore"):
        ratio: Float64 = np.log(alpha) - np.log(sigma)
    return np.clip(ratio, -_LOG_SNR_BOUND, _LOG_SNR_BOUND)


def _thinned(published: Float64, T: int, given: Range) -> Path:
    """The chain of the published betas in T steps: every T ends at the same level."""
    log_signal = np.concatenate([[0.0], np.cumsum(np.log1p(-published))])
    # Between published steps the chain runs evenly; at T = 1000 these are the published betas.
    at = np.linspace(0, len(published), T + 1)
    kept = np.interp(at, np.arange(len(published) + 1), log_signal)
    return _capped(-np.expm1(np.diff(kept)), given)


def _capped(betas: Float64, given: Range) -> Path:
    return from_betas(np.minimum(betas, given.beta_max), given.floor)


def _clean_first(alpha: Float64, sigma: Float64) -> Path:
    return Path(np.concatenate([[1.0], alpha]), np.concatenate([[0.0], sigma]))


def _logistic(x: Float64 | float) -> Float64:
    squashed: Float64 = 1 / (1 + np.exp(-np.asarray(x)))
    return squashed
