"""Samplers that look at one clean estimate at a time: DDPM, DDIM and their relatives.

    x' = a x + b D + C z,   a = sqrt(sigma'^2 - C^2) / sigma,   b = alpha' - alpha a
    C = eta sigma' sqrt(1 - e^-2h),   e^-h = (sigma'/alpha') / (sigma/alpha)

Five published names are one row: SDE-DPM-Solver++(1), DDPM with the posterior variance, DDIM at eta 1,
Euler ancestral at eta 1.
"""

import dataclasses
from typing import Annotated

import numpy as np
from msgspec import Meta

from dima.noise.table import SolverTable, first_order
from dima.typing import Float64

__all__ = ["churned", "ddim", "ddpm", "ddpm_large"]

Eta = Annotated[
    float,
    Meta(ge=0, le=1, description="share of ancestral noise, ddim and ddpm alone"),
]
Churn = Annotated[float, Meta(ge=0, le=2**0.5 - 1, description="share by which churned raises the noise")]


def ddim(alpha: Float64, sigma: Float64, *, eta: Eta = 0.0) -> SolverTable:
    """DDIM, `eta` 0 (deterministic) to 1 (ancestral). Source: Song, Meng and Ermon 2021, equation 12."""
    fallen = _fall(alpha, sigma)
    fresh = eta * sigma[1:] * np.sqrt(1 - fallen**2)
    kept = sigma[1:] / sigma[:-1] * np.sqrt(1 - eta**2 + (eta * fallen) ** 2)
    return first_order(f"ddim(eta={eta:g})", alpha, sigma, kept, fresh)


def ddpm(alpha: Float64, sigma: Float64, *, eta: Eta = 1.0) -> SolverTable:
    """Ancestral sampling, which is DDIM at eta 1. Source: Ho, Jain and Abbeel 2020, equation 7."""
    return dataclasses.replace(ddim(alpha, sigma, eta=eta), name="ddpm")


def ddpm_large(alpha: Float64, sigma: Float64) -> SolverTable:
    """Ancestral sampling with the larger variance, that of the forward step.

    Its samples spread more than the path says: only its signal keeps the identity.
    Source: Ho, Jain and Abbeel 2020, section 3.2.
    """
    fresh = np.where(sigma[1:] > 0, sigma[:-1] * np.sqrt(1 - _fall(alpha, sigma) ** 2), 0.0)
    return dataclasses.replace(ddpm(alpha, sigma), name="ddpm_large", C=fresh, keeps_variance=False)


def churned(alpha: Float64, sigma: Float64, *, churn: Churn = 0.4) -> SolverTable:
    """Euler steps of the probability flow, each but the first from a level raised by fresh noise ("churn").

    The noise that raises a row's level stands in the C of the row before, so every row is still one
    evaluation. Source: Karras et al. 2022, algorithm 2.
    """
    raised = sigma.copy()
    raised[1:-1] *= 1 + churn
    fresh = np.sqrt(raised[1:] ** 2 - sigma[1:] ** 2)
    return first_order(f"churned({churn:g})", alpha, raised, sigma[1:] / raised[:-1], fresh)


def _fall(alpha: Float64, sigma: Float64) -> Float64:
    """Factor (S,) by which each step lowers sigma / alpha, at most one."""
    return np.minimum(alpha[:-1] * sigma[1:] / (alpha[1:] * sigma[:-1]), 1.0)
