"""Likeness of features as attribution: the baseline that needs no gradient and no retraining.

The more a training example looks like the query, the more it is taken to have helped.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError
from dima.typing import Array, ArrayLike

__all__ = ["Nearest", "nearest", "similarity"]


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The training examples most like each query, the likest first.

    Attributes:
        ids: (q, k) their rows.
        values: (q, k) their cosine similarities.
    """

    ids: Array
    values: Array


def similarity(features: ArrayLike, reference: ArrayLike) -> Array:
    """Cosine similarity (q, n), -1 .. 1, of the features of queries to those of training examples.

    A row of zeros has no direction: its similarity is 0. The reference may be a `np.memmap`; it is read
    once, in blocks of rows.

    Args:
        features: (q, f) of the queries.
        reference: (n, f) of the training examples.

    Returns:
        float32 where both are, else float64.

    Raises:
        ShapeError: the widths differ.
        DataError: not finite.

    Example:
        >>> similarity([[2.0, 0.0]], [[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
        array([[ 1.,  0., -1.]])
    """
    asked, known = _checked("similarity", features, reference)
    return np.concatenate([part for _, part in _blocks("similarity", asked, known)], axis=1)


def nearest(features: ArrayLike, reference: ArrayLike, k: int) -> Nearest:
    """The `k` training examples of the highest `similarity` to each query; (q, n) is never held.

    Raises:
        ShapeError, DataError: as `similarity`.
        SettingError: k is not from 1 to n.

    Example:
        >>> nearest([[2.0, 0.0]], [[1.0, 1.0], [0.0, 3.0], [4.0, 0.0]], k=2).ids
        array([[2, 0]])
    """
    asked, known = _checked("nearest", features, reference)
    if not 1 <= k <= len(known):
        rule = f"from 1 to {len(known)}, the training examples"
        raise SettingError(f"nearest: k must be {rule}; got {k}. Lower k.")
    ids = np.empty((len(asked), 0), np.int64)
    values = np.empty((len(asked), 0), asked.dtype)
    for rows, part in _blocks("nearest", asked, known):
        fresh = np.broadcast_to(np.arange(rows.start, rows.stop), part.shape)
        ids, values = _highest(np.hstack([ids, fresh]), np.hstack([values, part]), k)
    order = np.argsort(-values, axis=1, kind="stable")
    return Nearest(np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1))


def _checked(owner: str, features: ArrayLike, reference: ArrayLike) -> tuple[Array, Array]:
    """The queries' unit rows, and the reference with no element touched yet."""
    asked = check.array(owner, "features", features, ("q", "f"))
    known = np.asanyarray(reference)
    check.form(owner, "reference", known.shape, known.dtype, ("n", asked.shape[1]))
    return _unit(asked), known


def _blocks(owner: str, asked: Array, known: Array) -> Iterator[tuple[slice, Array]]:
    """Similarities (q, rows) of consecutive rows of the reference."""
    size = rows_within(32 * sum(asked.shape))
    for rows in row_blocks(len(known), size):
        name = f"reference[{rows.start}:{rows.stop}]"
        part = asked @ _unit(check.array(owner, name, known[rows], ("n", known.shape[1]))).T
        yield rows, np.clip(part, -1.0, 1.0, out=part)


def _unit(rows: Array) -> Array:
    # The largest number of a row first: its square need not fit float32.
    scaled = rows / _or_one(np.abs(rows).max(axis=1, keepdims=True))
    scaled /= _or_one(np.linalg.norm(scaled, axis=1, keepdims=True))
    return scaled


def _or_one(sizes: Array) -> Array:
    return np.where(sizes > 0, sizes, np.ones_like(sizes))


def _highest(ids: Array, values: Array, k: int) -> tuple[Array, Array]:
    """The columns of the k highest values of each row."""
    if values.shape[1] <= k:
        return ids, values
    kept = np.argpartition(-values, k - 1, axis=1)[:, :k]
    return np.take_along_axis(ids, kept, axis=1), np.take_along_axis(values, kept, axis=1)
