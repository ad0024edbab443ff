"""Exact neighbours as blocked matrix products: the reference every other backend is measured by."""

import math

import numpy as np

from dima import threads
from dima.blocks import BLOCK_BYTES, row_blocks, rows_within
from dima.metrics.distance import Prepared
from dima.typing import Array, Float32, Int32

__all__ = ["TIES", "farthest_of_nearest", "search"]

# float32 products lose the digits in which d2 is smaller than the norms it is a difference of;
# rows whose k-th neighbour is closer than this share of them are done again in float64.
_CANCELLED = 1e-2

# Factor on a squared distance below which another is as near: float32 rows carry no finer digits.
TIES = 1 + 1e-5

_WIDE = 16  # rows so many times wider than k are first cut down
_EIGHTH, _BESIDE = 8, 8
# One integer of these, the value its leading half.
_VALUE_AND_PLACE = np.dtype({"names": ["place", "value"], "formats": ["<i4", "<f4"], "offsets": [0, 4]})


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


def farthest_of_nearest(block: Array, k: int) -> tuple[Array, Array]:
    """Place and value (b,) of the k-th least of each row (b, n)."""
    columns, few = _cut_down(block, k) if k * _WIDE < block.shape[1] else (None, block)
    at = np.argpartition(few, k - 1, axis=1)[:, k - 1 : k]
    places = at if columns is None else np.take_along_axis(columns, at, axis=1)
    return places[:, 0], np.take_along_axis(few, at, axis=1)[:, 0]


def _fill(points: Array, queries: Array, into: Array, ids: Array, d2: Array, dtype: type) -> None:
    """Write the neighbours of `queries` to the rows `into` of `ids` and `d2`."""
    to = Prepared.of(points, dtype)

    def write(rows: slice) -> None:
        at = into[rows]
        ids[at], d2[at] = _smallest(to.squared_distances(queries[rows]), ids.shape[1])

    # Sorting holds an array of 8-byte keys beside the distances.
    per_row = len(points) * (np.dtype(dtype).itemsize + 8)
    size = rows_within(per_row, BLOCK_BYTES // threads.allowed())
    with threads.side_by_side(write, list(row_blocks(len(queries), size))) as written:
        for _ in written:
            pass


def _smallest(block: Array, k: int) -> tuple[Array, Array]:
    """Places and values (b, k) of the k least of each row (b, n), rising."""
    if k * _WIDE >= block.shape[1]:
        return _in_order(block, k)
    columns, few = _cut_down(block, k)
    kept, values = _in_order(few, k)
    return np.take_along_axis(columns, kept, axis=1), values


def _in_order(block: Array, k: int) -> tuple[Array, Array]:
    # Numbers not below zero are in the order of their bits: value and place are sorted as one integer, in
    # half the time of an argsort, and of equal values the first come first.
    keys = np.empty(block.shape, _VALUE_AND_PLACE)
    keys["value"], keys["place"] = block, np.arange(block.shape[1])
    packed = keys.view(np.int64)
    if k < block.shape[1]:
        packed.partition(k - 1, axis=1)
    nearest = np.sort(packed[:, :k], axis=1).view(_VALUE_AND_PLACE)
    return nearest["place"], nearest["value"]


def _cut_down(block: Array, k: int) -> tuple[Array, Array]:
    """Places and values (b, c) of somewhat more than the k least of each row (b, n), filled with infinity.

    They are those below a bound that an eighth of the row tells.
    """
    b, n = block.shape
    some = np.ascontiguousarray(block[:, ::_EIGHTH])
    # Four standard deviations more than the k-th of the row is expected at; k are looked at in any case.
    place = min(k // _EIGHTH + 4 * math.isqrt(k // _EIGHTH) + _BESIDE, some.shape[1] - 1)
    bound = np.partition(some, place, axis=1)[:, place]
    is_near = block <= bound[:, None]
    counts = is_near.sum(axis=1)
    if counts.max() > n // _EIGHTH:  # ties: there is next to nothing to leave out
        return np.broadcast_to(np.arange(n), block.shape), block
    short = np.flatnonzero(counts < k)
    is_near[short] = block[short] <= np.partition(block[short], k - 1, axis=1)[:, k - 1 : k]
    flat = np.flatnonzero(is_near)
    rows = flat // n
    counts = np.bincount(rows, minlength=b)
    at = np.arange(len(flat)) - (np.cumsum(counts) - counts)[rows]
    few = np.full((b, counts.max()), np.inf, block.dtype)
    columns = np.zeros(few.shape, np.int32)
    few[rows, at], columns[rows, at] = block.ravel()[flat], flat - rows * n
    return columns, few
