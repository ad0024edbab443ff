"""The one comparator: names the worst element and where it stands, never a sum of differences."""

from typing import Any

import numpy as np

__all__ = ["assert_close"]


def assert_close(actual: Any, expected: Any, *, atol: float = 0.0, rtol: float = 0.0) -> None:
    """Hold every element to `|actual - expected| <= atol + rtol |expected|`.

    Anything NumPy can read goes in, JAX and torch arrays too. Shapes must agree exactly, equal
    infinities are close, and a NaN is close to nothing. Without tolerances: equality.
    """
    a, e = np.asarray(actual), np.asarray(expected)
    if a.shape != e.shape:
        raise AssertionError(f"shapes differ: actual {a.shape}, expected {e.shape}")
    excess = _excess(a, e, atol, rtol)
    if not np.any(excess > 0):
        return
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    where = tuple(int(axis) for axis in worst)
    raise AssertionError(
        f"{np.count_nonzero(excess > 0)} of {a.size} elements too far apart "
        f"(atol {atol}, rtol {rtol}); worst at {where}: actual {a[worst]!r}, expected {e[worst]!r}"
    )


def _excess(a: np.ndarray, e: np.ndarray, atol: float, rtol: float) -> np.ndarray:
    """By how much each element breaks the tolerance; infinite where a NaN stands."""
    wide = np.result_type(a, e, np.float64)  # unsigned integers would wrap around
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a.astype(wide) - e.astype(wide))
        excess = distance - (atol + rtol * np.abs(e.astype(wide)))
    excess = np.where(np.isnan(excess), np.inf, excess)
    return np.where(a == e, 0.0, excess)
