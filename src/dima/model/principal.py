"""Principal components of what a decoder leaves of rows, and what is expected of them on others."""

import dataclasses

import numpy as np
from sklearn.decomposition import PCA

from dima.errors import warn_user
from dima.threads import one_thread
from dima.typing import Array, Float64

__all__ = [
    "FOLDS",
    "Principal",
    "predicted_alone",
    "predicted_error",
    "principal",
    "rests",
    "row_errors",
    "varying",
]

FOLDS = 5
_JUDGED = 2500  # rows that are looked at
_ALONE = 0.999  # of the squared deviations, more than which a single row carries
_NOTHING = 1e-6  # of the largest deviation of a row, below which a component is rounding


@dataclasses.dataclass(frozen=True)
class Principal:
    """Principal components of what decoding leaves of the training rows, each left out.

    Attributes:
        center: (D,) mean of what is left.
        axes: (d2, D) orthonormal.
    """

    center: Float64
    axes: Float64

    def rest(self, left: Float64) -> Float64:
        """Residuals (n, D) less their principal part."""
        centred = left - self.center
        return centred - (centred @ self.axes.T) @ self.axes


def principal(left: Float64, d: int) -> Principal:
    """The `d` leading principal components of residuals (n, D)."""
    d = min(d, *left.shape) if len(left) > 1 else 0  # a row alone has no spread
    # Threads of so small a decomposition wait for each other ten times as long as they compute; and the
    # shares it tells are of a spread there may be none of.
    with one_thread(), np.errstate(invalid="ignore", divide="ignore"):
        axes = PCA(d, random_state=0).fit(left).components_ if d else np.empty((0, left.shape[1]))
    # In rows, as they are read back: another order rounds otherwise.
    return Principal(left.mean(axis=0), np.ascontiguousarray(axes, np.float64))


def rests(left: Float64, d: int) -> Float64:
    """What `d` principal components of other rows leave (n, D) of each of `left` (n, D)."""
    if d == 0:
        return left
    fold, found = np.arange(len(left)) % FOLDS, np.empty_like(left, np.float64)
    for part in range(FOLDS):
        found[fold == part] = principal(left[fold != part], d).rest(left[fold == part])
    return found


def row_errors(left: Float64, d: int) -> Float64:
    """Squared error (n,) of what `d` principal components of other rows leave of each of `left` (n, D)."""
    return (rests(left, d) ** 2).sum(axis=1)


def _judged(n: int) -> Array:
    """Which of n rows are looked at, rising."""
    return np.sort(np.random.default_rng(0).permutation(n)[:_JUDGED])


def predicted_alone(X: Array, d: int) -> float:
    """Squared error over variance of what `d` principal components of other rows leave of rows (n, D)."""
    rows = X[_judged(len(X))]
    return predicted_error(rows - X.mean(axis=0, dtype=np.float64), rows, d)


def varying(found: Principal, left: Float64, X: Array, d: int) -> Principal:
    """The components, with zeros for those along which there is next to nothing of the rows `X`."""
    rows = _judged(len(left))
    along = np.abs((left[rows] - found.center) @ found.axes.T).max(axis=0)
    carries = along > _NOTHING * np.abs(X[rows] - X[rows].mean(axis=0, dtype=np.float64)).max()
    n_lost = len(carries) - int(carries.sum())
    if n_lost:
        far = _far_row(X)
        why = f"the rows vary along no more than {d - n_lost}. Lower d."
        if far is not None:
            why = (
                f"beside row {far + 1}, which lies far out, the others hardly vary. Drop or repair that row."
            )
        warn_user(f"ManifoldAutoencoder: {n_lost} of {d} latents are zero: {why}")
    return dataclasses.replace(found, axes=found.axes * carries[:, None])


def _far_row(X: Array) -> int | None:
    """The row (n, D) that carries nearly all of the squared deviations, if one does."""
    squares = np.square(X - np.median(X, axis=0)).sum(axis=1, dtype=np.float64)
    far = int(squares.argmax())
    return far if squares[far] > _ALONE * squares.sum() else None


def predicted_error(left: Float64, X: Array, d: int) -> float:
    """Squared error over variance of what `d` principal components of other rows leave of residuals."""
    rows = _judged(len(left))
    centred = X[rows] - X[rows].mean(axis=0, dtype=np.float64)
    return float(row_errors(left[rows], d).sum()) / (float((centred**2).sum()) or 1.0)
