"""UniPC: a predictor whose new evaluation also corrects the step before, at no further cost.

Row i evaluates D_i at the predicted state x of level i, corrects the step that led there from the
anchor xa of level i-1, and predicts level i+1 from the corrected state, which becomes the anchor:

    x_c = lin(xa; D_i, D_{i-1}, ...),   x' = lin(x_c; D_i, D_{i-1}, ...)

Both small systems in the ratios of lambda are solved here, once. Source: Zhao et al. 2023,
algorithms 1 to 3 and appendix (data prediction), B(h) = h ("bh1") or e^h - 1 ("bh2").
"""

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from dima.noise.schedule import log_ratio
from dima.noise.table import FEW, SolverTable, anchored
from dima.typing import Float64

__all__ = ["unipc_2", "unipc_3"]

Variant = Annotated[Literal["bh1", "bh2"], Meta(description="the paper's B(h): h or e^h - 1")]


def unipc_2(alpha: Float64, sigma: Float64, *, variant: Variant = "bh2") -> SolverTable:
    """UniPC of second order."""
    return _unipc(alpha, sigma, 2, variant)


def unipc_3(alpha: Float64, sigma: Float64, *, variant: Variant = "bh2") -> SolverTable:
    """UniPC of third order."""
    return _unipc(alpha, sigma, 3, variant)


def _unipc(alpha: Float64, sigma: Float64, most: int, variant: str) -> SolverTable:
    steps, log_snr = len(alpha) - 1, log_ratio(alpha, sigma, np.inf)
    orders = np.minimum(np.arange(steps) + 1, most)
    if sigma[-1] == 0 or steps < FEW:
        orders = np.minimum(orders, steps - np.arange(steps))
    rows = []
    for i, order in enumerate(orders):
        corrected = np.eye(3 + most)[1]
        if i > 0 and np.isfinite(log_snr[i - 1 : i + 1]).all():
            corrected[0] = sigma[i] / sigma[i - 1]
            corrected[1:] = 0.0, *_weights(log_snr, i - 1, orders[i - 1], most, variant, corrector=True)
            corrected[2:] *= alpha[i]
        predicted = sigma[i + 1] / sigma[i] * corrected
        predicted[2:] += alpha[i + 1] * _weights(log_snr, i, order, most, variant)
        rows.append(([corrected, predicted], i + 1, i))
    return anchored(f"unipc_{most}({variant})", alpha, sigma, 0, rows)


def _weights(
    log_snr: Float64, i: int, order: int, most: int, variant: str, *, corrector: bool = False
) -> Float64:
    """Weights (1 + most,) of the estimates, newest first and over alpha', in the step from level i to i+1.

    The corrector's newest estimate is at level i+1, the predictor's at level i.
    """
    h = log_snr[i + 1] - log_snr[i]
    scale = -h if variant == "bh1" else np.expm1(-h)
    ratios = (log_snr[i - np.arange(1, order)] - log_snr[i]) / h
    if not np.isfinite([h, *ratios]).all():
        ratios = np.zeros(0)
    ratios = np.append(ratios, [1.0] * corrector)
    # (D at ratio r_k - D_i) / r_k, weighted, plus the first-order term of D_i itself.
    others = -scale * _solution(ratios, -h, scale) / ratios
    own = -np.expm1(-h) - others.sum()
    newest_first = [others[-1], own, *others[:-1]] if corrector else [own, *others]
    return np.pad(newest_first, (0, 1 + most - len(newest_first)))


def _solution(ratios: Float64, minus_h: float, scale: float) -> Float64:
    """Weights rho of the paper: the solution of a Vandermonde system, with its first-order shortcut."""
    if len(ratios) < 2:
        return np.full(len(ratios), 0.5)
    phi, factorial, right = np.expm1(minus_h) / minus_h - 1, 1.0, []
    for k in range(1, len(ratios) + 1):
        right.append(phi * factorial / scale)
        factorial *= k + 1
        phi = phi / minus_h - 1 / factorial
    return np.linalg.solve(np.vander(ratios, increasing=True).T, np.array(right))
