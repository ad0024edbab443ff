"""Intervals around what the kernel decoder predicts, as wide as its leave-one-out residuals were.

    mean(z) +- q s(z),    q = the level's quantile of |r_i| / s_-i(z_i), column by column

`r_i` is the residual of a training row left out, `s` the standard deviation of the Gaussian process that the
decoder is the mean of: it grows where training latents are far. Whatever `s` is, rows like the training rows
fall inside as often as the level says, since left-out rows do.
Source: Barber, Candes, Ramdas and Tibshirani 2021 (jackknife+); Lei and others 2018, section 5.2 (local
widths); Quinonero-Candela and Rasmussen 2005, section 5 (the variance, "DTC").
"""

import math

import numpy as np

from dima.manifold.normal_equations import Features, NormalEquations
from dima.typing import Float64

__all__ = ["half_widths", "left_out", "scores", "spread", "spread_slope"]

_LEAST_NOISE = 1e-8  # of the kernel's variance; less is rounding
_ROUNDING = 1e-9  # of a rank that is whole
_SLACK = 1e-10  # of a row that alone fixes its prediction


def left_out(
    equations: NormalEquations, affinities: Features, ridge: float, mu_X: Float64
) -> tuple[Float64, Float64]:
    """Residuals (s, D) of sampled rows, each left out, and the spread (s,) there.

    A row and its twins, T latents of weight 1/T, are left out together: with H their leverages, the
    residuals are (1 - H)^-1 times those of the fit. Those at the first twin count: it is as if new.
    """
    s, T, d = equations.sample_stx.shape
    Phi = (affinities(equations.sample_stx.reshape(s * T, d)) @ equations.B_mr).reshape(s, T, -1)
    damped = equations.damped(ridge)
    H = (Phi / damped) @ Phi.transpose(0, 2, 1) / T
    first = np.zeros((s, T, 1))
    first[:, 0] = 1.0
    share = np.linalg.solve((1 + _SLACK) * np.eye(T) - H, first)[:, :, 0]
    targets = equations.sample_sX + (equations.reference_X - mu_X)
    mixed = np.einsum("st,str->sr", share, Phi)
    residuals = targets * share.sum(axis=1)[:, None] - mixed @ equations.weights(ridge, mu_X)
    leverage = T * np.einsum("st,st->s", H[:, 0], share)
    return residuals, _spread(Phi[:, 0], leverage, ridge)


def scores(residuals: Float64, spread: Float64) -> Float64:
    """Sizes (s, D) of residuals over the spread at their rows; in order."""
    return np.sort(np.abs(residuals) / spread[:, None], axis=0)


def spread(equations: NormalEquations, affinity_am: Float64, ridge: float) -> Float64:
    """(b,) standard deviation of the process and its noise at latents of these affinities (b, m).

    In units of the kernel: 1 far from all inducing points.
    """
    return _features_and_spread(equations, affinity_am, ridge)[1]


def spread_slope(equations: NormalEquations, affinity_am: Float64, ridge: float) -> tuple[Float64, Float64]:
    """`spread` (b,) at latents of these affinities (b, m), and its derivatives (b, m) by these."""
    Phi, found = _features_and_spread(equations, affinity_am, ridge)
    is_missed = np.square(Phi).sum(axis=1, keepdims=True) < 1
    slopes = Phi * (max(ridge, _LEAST_NOISE) / equations.damped(ridge) - is_missed)
    return found, slopes @ equations.B_mr.T / found[:, None]


def half_widths(ordered: Float64, level: float) -> Float64:
    """(D,) the score that so large a share of new ones stays below; infinite of too few rows to say."""
    rank = max(1, math.ceil((len(ordered) + 1) * level - _ROUNDING))
    return np.full(ordered.shape[1], np.inf) if rank > len(ordered) else ordered[rank - 1]


def _features_and_spread(
    equations: NormalEquations, affinity_am: Float64, ridge: float
) -> tuple[Float64, Float64]:
    Phi = affinity_am @ equations.B_mr
    return Phi, _spread(Phi, np.square(Phi) @ (1 / equations.damped(ridge)), ridge)


def _spread(Phi: Float64, leverage: Float64, ridge: float) -> Float64:
    noise = max(ridge, _LEAST_NOISE)
    missed = np.maximum(1 - np.square(Phi).sum(axis=1), 0)  # by the inducing points
    return np.sqrt(noise * (1 + leverage) + missed)
