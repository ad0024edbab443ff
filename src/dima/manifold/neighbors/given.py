"""Neighbours that were searched for elsewhere, checked and brought to the rows of a map."""

from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError, ShapeError
from dima.manifold.rows import DistinctRows
from dima.typing import Array, Float32, Float64, Int32

__all__ = ["checked", "of_distinct"]


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
    whole = ids.astype(np.int64)
    ordered = np.sort(whole, axis=1)
    if (whole != ids).any() or ordered[:, 0].min() < 0 or ordered[:, -1].max() >= n:
        raise DataError(f"{owner}: ids of neighbors must be numbers of rows, from 0 to {n - 1}.")
    if (np.diff(ordered, axis=1) == 0).any() or (whole[:, 0] != np.arange(n)).any():
        raise DataError(f"{owner}: each row must be its own first neighbor, and none may come twice.")
    if (distances[:, 0] != 0).any() or (np.diff(distances, axis=1) < 0).any():
        raise DataError(f"{owner}: distances to neighbors must rise from 0, that of a row to itself.")
    return whole, distances


def of_distinct(owner: str, rows: DistinctRows, given: tuple[Array, Float64]) -> tuple[Int32, Float32]:
    """The same of the distinct rows, in their order, with squared distances in their unit.

    Raises:
        DataError: some rows are equal.
    """
    if len(rows.R_uX) < len(rows.row_i):
        got = f"{len(rows.row_i) - len(rows.R_uX)} copies. Drop them, or leave neighbors out."
        raise DataError(f"{owner}: rows must be distinct where neighbors are given; got {got}")
    shape = given[1].shape
    ids, d2 = np.empty(shape, np.int32), np.empty(shape, np.float32)
    ids[rows.row_i], d2[rows.row_i] = rows.row_i[given[0]], given[1] ** 2 / rows.unit2
    return ids, d2
