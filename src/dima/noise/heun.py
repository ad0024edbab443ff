"""Heun's method in the noise-to-signal ratio: two rows a step, an Euler step and its correction.

    row A, at level i:    x' = a x + b D,  the anchor keeps x
    row B, at level i+1:  with s = sigma/alpha, d = s' - s,
        x' = (alpha'/alpha) (1 + d/2s) xa + (d/2s') x - (alpha' d/2s') D_now - (alpha' d/2s) D_prev

A step to a level without noise, from one without signal, or further than float32 can correct is row A
alone. Source: Karras et al. 2022, algorithm 1.
"""

from dima.noise.table import SolverTable, anchored
from dima.typing import Float64

__all__ = ["heun"]

_NO_SIGNAL = 1e-6  # share of signal below which sigma/alpha has no digits left to difference
_TOO_FAR = 1e5  # fall of sigma/alpha in one step beyond which a correction is all rounding


def heun(alpha: Float64, sigma: Float64) -> SolverTable:
    """Heun's second-order method; 2 S evaluations, one fewer when the last level is clean."""
    rows = []
    for i in range(len(alpha) - 1):
        kept, end = sigma[i + 1] / sigma[i], alpha[i + 1]
        rows.append(([[0, 1, 0, 0], [0, kept, end - alpha[i] * kept, 0]], i + 1, i))
        # s > too far * t, in products, so that a level without noise or signal needs no case of its own.
        if alpha[i] < _NO_SIGNAL * sigma[i] or sigma[i] * end > _TOO_FAR * sigma[i + 1] * alpha[i]:
            continue
        s, t = sigma[i] / alpha[i], sigma[i + 1] / end
        half_s, half_t = (t - s) / (2 * s), (t - s) / (2 * t)
        corrected = [end / alpha[i] * (1 + half_s), half_t, -end * half_t, -end * half_s]
        rows.append(([corrected, corrected], i + 1, i + 1))
    return anchored("heun", alpha, sigma, 0, rows)
