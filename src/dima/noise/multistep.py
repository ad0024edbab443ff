"""Multistep samplers: the clean estimates of earlier rows are reused, so each row costs one evaluation.

    h = lambda' - lambda,   a = sigma' / sigma,   b = alpha' - alpha a,   k = h / (2 h_prev)

    DPM-Solver++(2M)      x' = a x + b ((1 + k) D_i - k D_{i-1})
    SDE-DPM-Solver++(2M)  a = (sigma'/sigma) e^-h,  b = alpha' (1 - e^-2h),  C = sigma' sqrt(1 - e^-2h)
    DPM-Solver++(3M)      a third difference on top

A step to or from a level without noise or without signal has h infinite; it is taken at first order,
which is its limit. Sources: Lu et al. 2022 (DPM-Solver++), algorithm 2 and appendix; 3M: its code
release; SDE: Lu et al. 2022, equation 18.
"""

import dataclasses

import numpy as np

from dima.noise.first_order import ddim, ddpm
from dima.noise.schedule import log_ratio
from dima.noise.table import FEW, SolverTable
from dima.typing import Array, Float64

__all__ = ["dpmpp_1", "dpmpp_2m", "dpmpp_3m", "sde_dpmpp_2m"]


def dpmpp_1(alpha: Float64, sigma: Float64) -> SolverTable:
    """DPM-Solver++(1), which is DDIM at eta 0."""
    return _raised(ddim(alpha, sigma), "dpmpp_1", order=1)


def dpmpp_2m(alpha: Float64, sigma: Float64) -> SolverTable:
    """DPM-Solver++(2M), second order."""
    return _raised(ddim(alpha, sigma), "dpmpp_2m", order=2)


def dpmpp_3m(alpha: Float64, sigma: Float64) -> SolverTable:
    """DPM-Solver++(3M), third order."""
    return _raised(ddim(alpha, sigma), "dpmpp_3m", order=3)


def sde_dpmpp_2m(alpha: Float64, sigma: Float64) -> SolverTable:
    """SDE-DPM-Solver++(2M), second order with the fresh noise of DDPM."""
    return _raised(ddpm(alpha, sigma), "sde_dpmpp_2m", order=2)


def _raised(first: SolverTable, name: str, order: int, curvature: float = 2.0) -> SolverTable:
    """A table of first order, whose rows also look at the estimates before as far as history reaches.

    The second divided difference is half the second derivative: hence `curvature` 2.
    """
    h = np.diff(log_ratio(first.alpha, first.sigma, np.inf))
    M = np.pad(first.M, ((0, 0), (0, 0), (0, order - 1)))
    for i, reached in enumerate(_orders(h, order)):
        if reached == 2:
            k = h[i] / (2 * h[i - 1])
            M[i, 1, 2:4] = M[i, 1, 2] * np.array([1 + k, -k])
        if reached == 3:
            M[i, 1, 2:] += first.alpha[i + 1] * _differences(h[i - 2 : i + 1], curvature)
    return dataclasses.replace(first, name=name, M=M)


def _orders(h: Float64, most: int) -> Array:
    """Order of each row: as high as the steps `h` (S,) since the last infinite one allow."""
    at = np.arange(len(h))
    infinite = np.maximum.accumulate(np.where(np.isfinite(h), -1, at))
    left = len(h) - at if len(h) < FEW else most
    return np.clip(at - infinite, 1, np.minimum(most, left))


def _differences(h: Float64, curvature: float) -> Float64:
    """Weights (3,) of D_i, D_{i-1}, D_{i-2} that add slope and curvature of D in lambda, over alpha'."""
    r1, r0 = h[:2] / h[2]
    latest, earlier = np.array([1, -1, 0]) / r0, np.array([0, 1, -1]) / r1
    first = latest + r0 / (r0 + r1) * (latest - earlier)
    second = curvature * (latest - earlier) / (r0 + r1)
    shrink = np.expm1(-h[2])
    return (shrink / h[2] + 1) * first - ((shrink + h[2]) / h[2] ** 2 - 0.5) * second
