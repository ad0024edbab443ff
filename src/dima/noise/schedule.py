"""Noise schedules: how much signal and noise is left after each of T noising steps.

    x_t = alpha_t x_0 + sigma_t noise,  t = 0 (clean) ... T (noisiest),  lambda = log(alpha / sigma)

A schedule is a function of T that declares its own settings. Those of a Markov chain cumulate the betas,
the variance each step adds: alpha_t^2 is the product of 1 - beta. Others state their levels outright.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from scipy.special import expit

from dima import settings
from dima.errors import SettingError
from dima.typing import Array, Float64

__all__ = [
    "KEEP_VARIANCE",
    "MOST_STEPS",
    "SCHEDULES",
    "Length",
    "Path",
    "Schedule",
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
    "signal_and_noise",
    "zero_terminal_snr",
]

MOST_STEPS = 1_000_000  # of a chain: a level is a row of every table
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


Length = Annotated[int, Meta(ge=1, le=MOST_STEPS, description="noising steps of the chain")]
Start = Annotated[float, Meta(gt=0, lt=1, description="first beta of 1000 steps, 1e-4 if not given")]
End = Annotated[float, Meta(gt=0, lt=1, description="last beta of 1000 steps, 0.02 if not given")]
BetaMax = Annotated[float, Meta(gt=0, lt=1, description="cap on each beta, 0.999 if not given")]
Floor = Annotated[float, Meta(ge=0, lt=1, description="least share of signal variance, 1e-5 if not given")]
SigmaMin = Annotated[float, Meta(gt=0, description="least noise, for data of unit variance")]
SigmaMax = Annotated[float, Meta(gt=0, description="most noise, for data of unit variance")]


def linear(
    T: int, *, beta_start: Start = 1e-4, beta_end: End = 2e-2, beta_max: BetaMax = 0.999, eps: Floor = 1e-5
) -> Path:
    """The published chain of 1000 betas, thinned to T. Source: Ho, Jain and Abbeel 2020, section 4."""
    _in_order(beta_start=beta_start, beta_end=beta_end)
    return _thinned(np.linspace(beta_start, beta_end, _PUBLISHED_STEPS), T, beta_max, eps)


def cosine(T: int, *, beta_max: BetaMax = 0.999, eps: Floor = 1e-5) -> Path:
    """Squared-cosine signal. Source: Nichol and Dhariwal 2021, equation 17."""
    offset = 0.008
    signal = np.cos((np.arange(T + 1) / T + offset) / (1 + offset) * np.pi / 2) ** 2
    return _capped(signal, beta_max, eps)


def offset_cosine(T: int) -> Path:
    """Signal rate from 0.95 down to 0.02 along a circle. Source: the Keras DDIM example (Beres 2022)."""
    angle = np.linspace(np.arccos(0.95), np.arccos(0.02), T)
    return Path(np.append(1.0, np.cos(angle)), np.append(0.0, np.sin(angle)))


def sigmoid(T: int, *, beta_max: BetaMax = 0.999, eps: Floor = 1e-5) -> Path:
    """Sigmoid signal, from -3 to 3. Source: Jabri, Fleet and Chen 2022, algorithm 1."""
    start, end = expit(-3.0), expit(3.0)
    signal = (end - expit(np.linspace(-3.0, 3.0, T + 1))) / (end - start)
    return _capped(signal, beta_max, eps)


def sigmoid_geodiff(
    T: int, *, beta_start: Start = 1e-4, beta_end: End = 2e-2, beta_max: BetaMax = 0.999, eps: Floor = 1e-5
) -> Path:
    """Sigmoid betas, from -6 to 6, thinned to T. Source: Xu et al. 2022 (GeoDiff), appendix."""
    _in_order(beta_start=beta_start, beta_end=beta_end)
    share = expit(np.linspace(-6.0, 6.0, _PUBLISHED_STEPS))
    return _thinned(beta_start + share * (beta_end - beta_start), T, beta_max, eps)


def karras(T: int, *, sigma_min: SigmaMin = 0.002, sigma_max: SigmaMax = 80.0) -> Path:
    """Pure added noise, evenly spread in sigma^(1/7). Source: Karras et al. 2022, equation 5."""
    _in_order(sigma_min=sigma_min, sigma_max=sigma_max)
    rho = 7.0
    sigma = np.linspace(sigma_min ** (1 / rho), sigma_max ** (1 / rho), T) ** rho
    return Path(np.ones(T + 1), np.append(0.0, sigma))


def flow(T: int) -> Path:
    """Straight lines from data to noise. Source: Liu, Gong and Liu 2023 (rectified flow)."""
    t = np.linspace(0, 1, T + 1)
    return Path(1 - t, t)


_ALL: list[Callable[..., Path]] = [cosine, flow, karras, linear, offset_cosine, sigmoid, sigmoid_geodiff]
SCHEDULES = {schedule.__name__: schedule for schedule in _ALL}
KEEP_VARIANCE = [name for name in SCHEDULES if name not in ("flow", "karras")]  # alpha^2 + sigma^2 = 1
Schedule = Annotated[str, settings.OneOf(*SCHEDULES), Meta(description="how noise grows along the chain")]


def path(schedule: str, T: int, **given_settings: Any) -> Path:
    """The path of a schedule by its name in `SCHEDULES`, T + 1 levels, with settings that it declares itself.

    A setting that is None is left at its default.

    Raises:
        SettingError: the schedule is unknown, T is not in 1..1,000,000, or a setting is out of its range or
            one that this schedule does not have.

    Example:
        >>> path("flow", 4).sigma.tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
        >>> path("linear", 200, beta_end=0.03).T
        200
    """
    checked = settings.own("noise", "schedule", SCHEDULES, schedule, given_settings)
    if T < 1:
        raise SettingError(f"noise: T must be at least 1; got {T}. Raise T.")
    if T > MOST_STEPS:
        raise SettingError(f"noise: T must be at most {MOST_STEPS:,}; got {T}. Lower T.")
    return SCHEDULES[schedule](T, **checked)


def from_betas(betas: Array, floor: float = 0.0) -> Path:
    """The path of a chain that adds variance `betas` (T,); SettingError where one is outside (0, 1)."""
    betas = np.asarray(betas, np.float64)
    if not ((betas > 0) & (betas < 1)).all():
        raise SettingError(f"noise: betas must be within (0, 1); got {betas.min():g} to {betas.max():g}.")
    alpha_bars = np.concatenate([[1.0], np.cumprod(1.0 - betas)])
    # Shrunk towards the floor, not cut at it: no sampler can step between levels that became equal.
    alpha_bars = floor + (1.0 - floor) * alpha_bars
    return Path(np.sqrt(alpha_bars), np.sqrt(1.0 - alpha_bars))


def zero_terminal_snr(full: Path) -> Path:
    """The path shifted and scaled so that its last level is noise alone, itself if it ends there already.

    Source: Lin et al. 2024, algorithm 1.

    Raises:
        SettingError: the path does not keep the variance, so that no share of signal can be taken away.
    """
    first, last = full.alpha[1], full.alpha[-1]
    if last == 0:
        return full
    scale = np.hypot(full.alpha, full.sigma)
    if np.abs(scale - 1).max() > _ROUNDING:
        got = f"a variance of up to {scale.max() ** 2:.3g}. Leave it out, or choose another schedule."
        raise SettingError(f"noise: zero_snr must be on a path of constant variance; got {got}")
    if full.T == 1:
        return Path(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    alpha = (full.alpha - last) * first / (first - last)
    alpha[0] = 1.0
    return Path(alpha, np.sqrt(1 - alpha**2))


def log_ratio(alpha: Array, sigma: Array, bound: float = _LOG_SNR_BOUND) -> Float64:
    """The level lambda = log(alpha / sigma) in NumPy, kept within +-bound where one of the two is zero."""
    with np.errstate(divide="ignore"):
        return np.clip(np.log(alpha) - np.log(sigma), -bound, bound)


def signal_and_noise(log_snr: Any) -> tuple[Any, Any]:
    """The levels (alpha, sigma) of unit variance with this lambda; NumPy, JAX and torch arrays alike."""
    return (1 + math.e ** (-2 * log_snr)) ** -0.5, (1 + math.e ** (2 * log_snr)) ** -0.5


def _in_order(**ends: float) -> None:
    (first, low), (last, high) = ends.items()
    if low > high:
        raise SettingError(f"noise: {first} must be at most {last}; got {low:g} and {high:g}. Exchange them.")


def _capped(signal: Float64, beta_max: float, floor: float) -> Path:
    """The chain with shares (T + 1,) of signal variance, each beta at most `beta_max`."""
    return from_betas(np.minimum(1 - signal[1:] / signal[:-1], beta_max), floor)


def _thinned(published: Float64, T: int, beta_max: float, floor: float) -> Path:
    """The chain of the published betas in T steps: every T ends at the same level."""
    log_signal = np.concatenate([[0.0], np.cumsum(np.log1p(-published))])
    # Between published steps the chain runs evenly; at T = 1000 these are the published betas.
    at = np.linspace(0, len(published), T + 1)
    thinned = np.interp(at, np.arange(len(published) + 1), log_signal)
    return from_betas(np.minimum(-np.expm1(np.diff(thinned)), beta_max), floor)
