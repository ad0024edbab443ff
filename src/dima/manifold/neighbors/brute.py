"""Exact neighbours as blocked matrix products: the reference every other backend is measured by."""

from collections.abc import Iterator

import numpy as np

from dima.typing import Array, Float32, Int32

__all__ = ["block_rows", "distances", "search"]

_BLOCK_BYTES = 256 * 2**20
# float32 products lose the digits in which d2 is smaller than the norms it is a difference of;
# rows whose k-th neighbour is closer than this share of them are done again in float64.
_CANCELLED = 1e-2


def block_rows(n: int, itemsize: int) -> int:
    """Rows of a (rows, n) block that stays within 256 MB."""
    return max(1, _BLOCK_BYTES // (n * itemsize))


def distances(
    points: Array, queries: Array, dtype: type = np.float64, beside: int = 0
) -> Iterator[tuple[slice, Array]]:
    """Yield (rows, d2) blocks of squared distances (rows, n) between `queries` and `points`.

    One product of augmented factors, [q, |q|^2, 1] [-2 p, 1, |p|^2]', touches the block once.
    `beside` is the bytes per entry the caller holds next to a block.
    """
    right = _augment(points.astype(dtype, copy=False), points_side=True)
    size = block_rows(len(points), np.dtype(dtype).itemsize + beside)
    for start in range(0, len(queries), size):
        rows = slice(start, start + size)
        left = _augment(queries[rows].astype(dtype, copy=False), points_side=False)
        block = left @ right.T
        np.maximum(block, 0, out=block)
        yield rows, block


def search(points: Array, queries: Array, k: int) -> tuple[Int32, Float32]:
    """Exact k nearest points of each query; cost O(b n D), memory O(block)."""
    ids = np.empty((len(queries), k), np.int32)
    d2 = np.empty((len(queries), k), np.float32)
    _fill(points, queries, np.arange(len(queries)), ids, d2, np.float32)
    norms = np.einsum("ij,ij->i", queries, queries)
    lossy = np.flatnonzero(d2[:, -1] < _CANCELLED * norms)
    if len(lossy):
        _fill(points, queries[lossy], lossy, ids, d2, np.float64)
    return ids, d2


def _fill(points: Array, queries: Array, into: Array, ids: Array, d2: Array, dtype: type) -> None:
    """Write the neighbours of `queries` to the rows `into` of `ids` and `d2`."""
    # argpartition holds an array of 8-byte ids beside the distances.
    for rows, block in distances(points, queries, dtype, beside=8):
        ids[into[rows]], d2[into[rows]] = _smallest(block, ids.shape[1])


def _smallest(block: Array, k: int) -> tuple[Array, Array]:
    if k < block.shape[1]:
        kept = np.argpartition(block, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(block, kept, axis=1)
    else:
        kept, values = np.broadcast_to(np.arange(k), block.shape), block
    order = np.argsort(values, axis=1, kind="stable")
    return np.take_along_axis(kept, order, axis=1), np.take_along_axis(values, order, axis=1)


def _augment(rows: Array, *, points_side: bool) -> Array:
    norms = np.einsum("ij,ij->i", rows, rows)[:, None]
    ones = np.ones_like(norms)
    return np.hstack([-2 * rows, ones, norms] if points_side else [rows, norms, ones])
