"""UniPC: a predictor whose new evaluation also corrects the step before, at no further cost.

Row i evaluates D_i at the predicted state x of level i, corrects the step that led there from the
anchor xa of level i-1, and predicts level i+1 from the corrected state, which becomes the anchor:

    x_c = lin(xa; D_i, D_{i-1}, ...),   x' = lin(x_c; D_i, D_{i-1}, ...)

Both small systems in the ratios of lambda are solved here, once. Source: Zhao et al. 2023,
algorithms 1 to 3 and appendix (data prediction), B(h) = h ("bh1") or e^h - 1 ("bh2").
"""

import functools
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from dima.noise.schedule import log_ratio
from dima.noise.table import SolverTable
from dima.typing import Float64

__all__ = ["unipc_2", "unipc_3"]

_FEW = 15  # steps below which, as before a clean level, the last rows fall back to lower order
Variant = Annotated[Literal["bh1", "bh2"], Meta(description="the paper's B(h): h or e^h - 1")]


def unipc_2(alpha: Float64, sigma: Float64, *, variant: Variant = "bh2") -> SolverTable:
    """UniPC of second order."""
    return _unipc(alpha, sigma, 2, variant)


def unipc_3(alpha: Float64, sigma: Float64, *, variant: Variant = "bh2") -> SolverTable:
    """UniPC of third order."""
    return _unipc(alpha, sigma, 3, variant)


def _unipc(alpha: Float64, sigma: Float64, most: int, variant: str) -> SolverTable:
    S, depth = len(alpha) - 1, most + 1
    orders = np.minimum(np.arange(S) + 1, most)
    if sigma[-1] == 0 or S < _FEW:
        orders = np.minimum(orders, S - np.arange(S))
    levels = log_ratio(alpha, sigma, np.inf)
    step = functools.partial(_step, (alpha, sigma, levels), variant=variant)
    M = np.zeros((S, 2, 2 + depth))
    for i in range(S):
        corrected = np.zeros(2 + depth)
        if i == 0 or not np.isfinite(levels[i] - levels[i - 1]):
            corrected[1] = 1.0
        else:
            keep, weights = step(i - 1, int(orders[i - 1]), corrector=True)
            corrected[0], corrected[2 : 2 + len(weights)] = keep, weights
        keep, weights = step(i, int(orders[i]), corrector=False)
        predicted = keep * corrected
        predicted[2 : 2 + len(weights)] += weights
        M[i] = corrected, predicted
    anchors = np.concatenate([[0], np.arange(S)])
    name = f"unipc_{most}({variant})"
    return SolverTable(name, alpha, sigma, M, np.zeros(S), (alpha[anchors], sigma[anchors]))


def _step(
    grid: tuple[Float64, Float64, Float64], i: int, order: int, *, corrector: bool, variant: str
) -> tuple[float, Float64]:
    """Coefficients of the step from level i to i+1: of the state, and of D newest first.

    The corrector's newest estimate is at level i+1, the predictor's at level i.
    """
    alpha, sigma, levels = grid
    h = levels[i + 1] - levels[i]
    grown = np.expm1(-h)
    ends = [levels[i - k] for k in range(1, order)]
    if not np.isfinite(h) or not np.isfinite(ends).all():
        ends = []
    ratios = [(end - levels[i]) / h for end in ends] + ([1.0] if corrector else [])
    weights = _weights(ratios, -h, grown, variant, corrector)
    # D1_k = (D at ratio r_k - D_i) / r_k, weighted, plus the first-order term of D_i itself.
    own = -alpha[i + 1] * grown
    scale = -alpha[i + 1] * (-h if variant == "bh1" else grown)
    others = scale * weights / np.asarray(ratios) if len(ratios) else np.zeros(0)
    own -= others.sum()
    coefficients = [others[-1], own, *others[:-1]] if corrector else [own, *others]
    return float(sigma[i + 1] / sigma[i]), np.array(coefficients)


def _weights(ratios: list[float], hh: float, grown: float, variant: str, corrector: bool) -> Float64:
    """Weights rho of the paper: the solution of a Vandermonde system, with its first-order shortcuts."""
    count = len(ratios)
    if count == 0 or not np.isfinite(hh):
        return np.zeros(count)
    if count == 1:
        return np.array([0.5])
    scale = hh if variant == "bh1" else grown
    phi, factorial, right = grown / hh - 1, 1.0, []
    for k in range(1, count + 1):
        right.append(phi * factorial / scale)
        factorial *= k + 1
        phi = phi / hh - 1 / factorial
    system = np.vander(ratios, count, increasing=True).T
    solved: Float64 = np.linalg.solve(system, np.array(right))
    return solved
