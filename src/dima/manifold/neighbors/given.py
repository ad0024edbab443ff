"""Neighbours that were searched for elsewhere, checked and brought to the rows of a map."""

from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError, ShapeError
from dima.manifold.rows import DistinctRows
from dima.typing import Array, Float32, Float64, Int32

__all__ = ["checked", "of_distinct"]

_ROUNDING = 1e-5  # of the largest distance
_TOLD = 20  # rows whose distances are measured
_LARGEST = 1e30  # that float32 holds and can add


def checked(owner: str, given: Any, n: int) -> tuple[Array, Float64]:
    """Numbers (n, k) of the nearest rows, the row itself first, and distances (n, k) to them, rising.

    Raises:
        ShapeError: not a pair of two such tables.
        DataError: ids that are no numbers of rows or come twice, or distances that do not rise from 0.
    """
    if not isinstance(given, tuple | list) or len(given) != 2:
        got = f"a {type(given).__name__}. Pass (ids, distances)."
        raise ShapeError(f"{owner}: neighbors must be a pair of ids and distances, each (n, k); got {got}")
    distances = check.array(owner, "distances to neighbors", given[1], (n, "k")).astype(np.float64)
    ids = check.array(owner, "ids of neighbors", given[0], distances.shape)
    if ids.shape[1] < 2:
        raise DataError(
            f"{owner}: neighbors must be at least 2, the row itself counted; got 1. Search for more."
        )
    whole = ids.astype(np.int64)
    ordered = np.sort(whole, axis=1)
    if (whole != ids).any() or ordered[:, 0].min() < 0 or ordered[:, -1].max() >= n:
        got = f"{ids.min():g} to {ids.max():g}. Search among the rows of this fit."
        raise DataError(f"{owner}: ids of neighbors must be numbers of rows, 0 to {n - 1}; got {got}")
    if (np.diff(ordered, axis=1) == 0).any() or (whole[:, 0] != np.arange(n)).any():
        n_odd = int(((whole[:, 0] != np.arange(n)) | (np.diff(ordered, axis=1) == 0).any(axis=1)).sum())
        rule = "each row itself first, and none twice"
        fix = "Put the row in front, or drop copies."
        raise DataError(f"{owner}: ids of neighbors must be {rule}; got others in {n_odd} rows. {fix}")
    slack = _ROUNDING * distances[:, -1:]  # searches by products give a row a small distance to itself
    falls = (distances[:, :1] > slack) | (np.diff(distances, axis=1) < -slack)
    if falls.any():
        got = f"others in {int(falls.any(axis=1).sum())} rows. Sort them."
        raise DataError(
            f"{owner}: distances to neighbors must rise from 0, that of a row to itself; got {got}"
        )
    distances[:, 0] = 0.0
    return whole, np.maximum.accumulate(distances, axis=1)


def of_distinct(owner: str, rows: DistinctRows, given: tuple[Array, Float64]) -> tuple[Int32, Float32]:
    """The same of the distinct rows, in their order, with squared distances in their unit.

    Raises:
        DataError: some rows are equal, or distances are not those between the rows.
    """
    if len(rows.R_uX) < len(rows.row_i):
        got = f"{len(rows.row_i) - len(rows.R_uX)} copies. Drop them, or leave neighbors out."
        raise DataError(f"{owner}: rows must be distinct where neighbors are given; got {got}")
    shape = given[1].shape
    ids, d2 = np.empty(shape, np.int32), np.empty(shape, np.float32)
    ids[rows.row_i], d2[rows.row_i] = rows.row_i[given[0]], np.minimum(given[1] ** 2 / rows.unit2, _LARGEST)
    steps = rows.R_uX[ids[:_TOLD]] - rows.R_uX[:_TOLD, None]
    measured = np.einsum("ijk,ijk->ij", steps, steps)
    if not np.allclose(d2[:_TOLD], measured, rtol=0.01, atol=0.01 * float(measured.max())):
        fix = "Pass Euclidean distances, not their squares, of the rows as they are passed."
        raise DataError(f"{owner}: distances to neighbors must be those between the rows; got others. {fix}")
    return ids, d2
