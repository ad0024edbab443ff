"""Likeness of features as attribution: the baseline that needs no gradient and no retraining.

The more a training example looks like the query, the more it is taken to have helped.
"""

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.typing import Array, ArrayLike

__all__ = ["similarity"]


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
    owner = "similarity"
    asked = _unit(check.array(owner, "features", features, ("q", "f")))
    known = np.asanyarray(reference)  # no element is touched yet
    check.form(owner, "reference", known.shape, known.dtype, ("n", asked.shape[1]))
    blocks = row_blocks(len(known), rows_within(32 * sum(asked.shape)))
    return np.concatenate([_of_block(owner, asked, known, rows) for rows in blocks], axis=1)


def _of_block(owner: str, asked: Array, known: Array, rows: slice) -> Array:
    """Similarities (q, rows) of rows of the reference."""
    part = check.array(owner, f"reference[{rows.start}:{rows.stop}]", known[rows], ("n", known.shape[1]))
    found = asked @ _unit(part).T
    return np.clip(found, -1.0, 1.0, out=found)


def _unit(rows: Array) -> Array:
    # The largest number of a row first: its square need not fit float32.
    scaled = rows / _or_one(np.abs(rows).max(axis=1, keepdims=True))
    scaled /= _or_one(np.linalg.norm(scaled, axis=1, keepdims=True))
    return scaled


def _or_one(sizes: Array) -> Array:
    return np.where(sizes > 0, sizes, np.ones_like(sizes))
