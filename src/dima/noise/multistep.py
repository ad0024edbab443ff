"""Multistep samplers: the clean estimates of earlier rows are reused, so each row costs one evaluation.

    h = lambda' - lambda,   a = sigma' / sigma,   b = alpha' - alpha a,   k = h / (2 h_prev)

    DPM-Solver++(2M)      x' = a x + b ((1 + k) D_i - k D_{i-1})
    SDE-DPM-Solver++(2M)  a = (sigma'/sigma) e^-h,  b = alpha' (1 - e^-2h),  C = sigma' sqrt(1 - e^-2h)
    DPM-Solver++(3M)      a third difference on top

A step to or from a level without noise or without signal has h infinite; it is taken at first order,
which is its limit. Sources: Lu et al. 2022 (DPM-Solver++), algorithm 2 and appendix; 3M: its code
release; SDE: Lu et al. 2022, equation 18.
"""

import numpy as np

from dima.noise.schedule import log_ratio
from dima.noise.table import SolverTable
from dima.typing import Float64

__all__ = ["dpmpp_1", "dpmpp_2m", "dpmpp_3m", "sde_dpmpp_2m"]

_FEW = 15  # steps below which the last rows fall back to lower order, as they are then too long


def dpmpp_1(alpha: Float64, sigma: Float64) -> SolverTable:
    """DPM-Solver++(1), which is DDIM at eta 0."""
    return _multistep("dpmpp_1", alpha, sigma, order=1)


def dpmpp_2m(alpha: Float64, sigma: Float64) -> SolverTable:
    """DPM-Solver++(2M), second order."""
    return _multistep("dpmpp_2m", alpha, sigma, order=2)


def dpmpp_3m(alpha: Float64, sigma: Float64) -> SolverTable:
    """DPM-Solver++(3M), third order."""
    return _multistep("dpmpp_3m", alpha, sigma, order=3)


def sde_dpmpp_2m(alpha: Float64, sigma: Float64) -> SolverTable:
    """SDE-DPM-Solver++(2M), second order with fresh noise."""
    h, orders = _orders(alpha, sigma, 2)
    forgotten = -np.expm1(-2 * h)
    M = np.zeros((len(h), 2, 4))
    M[:, 1, 1] = sigma[1:] / sigma[:-1] * np.exp(-h)
    M[:, 1, 2] = alpha[1:] * forgotten
    _second_order(M, h, orders)
    return SolverTable("sde_dpmpp_2m", alpha, sigma, M, sigma[1:] * np.sqrt(forgotten))


def _multistep(name: str, alpha: Float64, sigma: Float64, order: int, curvature: float = 2.0) -> SolverTable:
    h, orders = _orders(alpha, sigma, order)
    M = np.zeros((len(h), 2, 2 + order))
    M[:, 1, 1] = sigma[1:] / sigma[:-1]
    M[:, 1, 2] = alpha[1:] - alpha[:-1] * M[:, 1, 1]
    _second_order(M, h, orders)
    _third_order(M, h, orders, alpha, curvature)
    return SolverTable(name, alpha, sigma, M, np.zeros(len(h)))


def _orders(alpha: Float64, sigma: Float64, most: int) -> tuple[Float64, Float64]:
    """Steps h (S,) in lambda, infinite where a level has no noise or no signal, and the order of each.

    The order is as high as there is history, less where steps are infinite.
    """
    h = np.diff(log_ratio(alpha, sigma, np.inf))
    left = len(h) - np.arange(len(h)) if len(h) < _FEW else most
    history, orders = 1, []
    for finite in np.isfinite(h):
        orders.append(history if finite else 1)
        history = history + 1 if finite else 1
    return h, np.minimum(np.minimum(orders, most), left)


def _second_order(M: Float64, h: Float64, orders: Float64) -> None:
    """Extrapolate the clean estimate through the last two, in the rows of second order."""
    for i in np.flatnonzero(orders == 2):
        k = h[i] / (2 * h[i - 1])
        M[i, 1, 2], M[i, 1, 3] = (1 + k) * M[i, 1, 2], -k * M[i, 1, 2]


def _third_order(M: Float64, h: Float64, orders: Float64, alpha: Float64, curvature: float) -> None:
    """Add slope and curvature of D in lambda from the last three estimates.

    The second divided difference is half the second derivative: hence `curvature` 2.
    """
    for i in np.flatnonzero(orders == 3):
        r0, r1 = h[i - 1] / h[i], h[i - 2] / h[i]
        latest = np.array([1, -1, 0]) / r0
        earlier = np.array([0, 1, -1]) / r1
        first = latest + r0 / (r0 + r1) * (latest - earlier)
        second = curvature * (latest - earlier) / (r0 + r1)
        shrink = np.expm1(-h[i])
        M[i, 1, 2:] += alpha[i + 1] * (shrink / h[i] + 1) * first
        M[i, 1, 2:] -= alpha[i + 1] * ((shrink + h[i]) / h[i] ** 2 - 0.5) * second
