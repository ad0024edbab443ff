"""How a result is judged: each function says what is wrong with it, or nothing."""

import numpy as np

__all__ = [
    "close",
    "coded",
    "equal",
    "finite",
    "nothing_there",
    "rows_beside_outlier",
    "same_rows",
    "steady_column",
]


def coded(X, result, limit=1.0):
    """Latents and rows are finite, and rows come back nearer than the column means are.

    `result` holds latents, decoded rows and the d that was asked for; `X` may be of any real type.
    """
    Z, decoded, d = result
    X = np.asarray(X, np.float64)
    fault = finite(X, (Z, decoded))
    if fault:
        return fault
    if Z.shape != (len(X), d) or decoded.shape != X.shape:
        return f"shapes {Z.shape} and {decoded.shape}"
    with np.errstate(all="ignore"):
        centre = X.mean(axis=0)
        scale = np.abs(X - centre).max() or 1.0
        left, spread = (decoded - X) / scale, (X - centre) / scale
        error = float((left**2).sum() / max((spread**2).sum(), 1e-12))
    return "" if error < limit else f"error over variance {error:.3g}"


def finite(X, result):
    """No number is NaN or infinite."""
    broken = [not np.isfinite(np.asarray(part, np.float64)).all() for part in result if np.ndim(part)]
    return "NaN or infinity comes out" if any(broken) else ""


def rows_beside_outlier(X, result):
    """The rows that do not stand out are coded too: better than by their own means."""
    Z, decoded, d = result
    return coded(X, result) or coded(X[:-1], (Z[:-1], decoded[:-1], d))


def same_rows(X, result):
    """Rows that are all equal come back as they are."""
    away = np.abs(result[1] - X).max()
    return finite(X, result) or ("" if away <= 1e-4 * np.abs(X).max() else f"equal rows move by {away:.3g}")


def steady_column(X, result):
    """Coded, and a column that never moved does not."""
    decoded = result[1]
    moved = np.abs(decoded[:, 1] - X[0, 1]).max()
    return coded(X, result) or ("" if moved <= 1e-4 * abs(X[0, 1]) else f"a constant column moves by {moved}")


def equal(X, result):
    """Two answers are the same to the bit."""
    one, other = map(np.asarray, result)
    return "" if np.array_equal(one, other) and one.size else _apart(one, other)


def close(X, result):
    """Two answers differ by less than a thousandth of their spread."""
    one, other = map(np.asarray, result)
    if one.shape != other.shape or not np.isfinite(one).all():
        return f"shapes {one.shape} and {other.shape}, or NaN"
    return "" if np.abs(one - other).max() <= 1e-3 * max(np.ptp(other), 1e-300) else _apart(one, other)


def nothing_there(X, result):
    """No rows give no rows."""
    return "" if len(result[0]) == 0 else f"shape {np.shape(result[0])} from nothing"


def _apart(one, other):
    if one.shape != other.shape:
        return f"shapes {one.shape} and {other.shape}"
    return f"answers differ by {np.abs(one - other).max():.3g}"
