"""How far generated samples are from real ones in features, in labels, and from the training rows.

Each figure is to be read beside its floor: the same figure of held-out rows instead of samples, at the same
number of rows.
"""

from collections.abc import Iterator

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError, SettingError
from dima.metrics.distance import pair, squared_distances
from dima.metrics.mmd import check_sizes, unbiased_mmd
from dima.typing import Array, ArrayLike, Float64

__all__ = ["class_total_variation", "frechet", "kid", "nearest_row_ratio"]


def frechet(X: ArrayLike, Y: ArrayLike) -> float:
    """Squared Frechet distance of the Gaussians fitted to X and Y; in features, the FID.

    |mean_X - mean_Y|^2 + tr(C_X + C_Y - 2 (C_X C_Y)^(1/2)), covariances over n - 1.

    Feature rows X (n, f) and Y (m, f), n, m >= 2, a result >= 0 in squared units of X; 0 for equal means and
    covariances. Two samples of one distribution are above 0, by a multiple of 1/n: compare at equal n only.
    Source: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter 2017, arXiv 1706.08500, eq. 6.

    Example:
        >>> X = np.random.default_rng(0).standard_normal((200, 3))
        >>> round(frechet(X, X + [3.0, 0.0, 0.0]), 6)  # the shift, squared
        9.0
    """
    X, Y = pair("frechet", X, Y, ("X", "Y"))
    check_sizes("frechet", len(X), len(Y), 0)
    (mean_x, root_x), (mean_y, root_y) = _gaussian(X), _gaussian(Y)
    # C = R' R of each: the eigenvalues of C_X C_Y are the squared singular values of R_X R_Y', and no
    # square root is taken of a product that has lost its small eigenvalues.
    shared = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    spreads = np.sum(root_x**2) + np.sum(root_y**2)
    return float(np.sum((mean_x - mean_y) ** 2) + max(spreads - 2.0 * shared, 0.0))


def kid(X: ArrayLike, Y: ArrayLike, n_permutations: int = 0, seed: int = 0) -> tuple[float, float]:
    """Kernel distance of feature rows: unbiased squared MMD with kernel (x.y / f + 1)^3.

    X (n, f) and Y (m, f) have at least 2 rows each. Unlike `frechet` it has no bias in n.

    Returns:
        The distance, about 0 (and as often below as above) for one distribution; and p, the share of
        `n_permutations` relabellings at least as far apart, NaN without them; small if the two differ.

    Source: Binkowski, Sutherland, Arbel, Gretton 2018, arXiv 1801.01401, sec. 4.

    Example:
        >>> X, Y = np.random.default_rng(0).standard_normal((2, 100, 3))
        >>> kid(X, Y + 1.0, n_permutations=99)[1]  # told apart
        0.01
    """
    X, Y = pair("kid", X, Y, ("X", "Y"))
    check_sizes("kid", len(X), len(Y), n_permutations)
    pooled = np.concatenate([X, Y])
    diagonal = (np.einsum("ij,ij->i", pooled, pooled) / X.shape[1] + 1.0) ** 3
    return unbiased_mmd(_cubic_kernel(pooled), diagonal, len(X), n_permutations, seed)


def class_total_variation(labels_a: ArrayLike, labels_b: ArrayLike, n_classes: int) -> float:
    """Total variation of two sets of labels: half the sum of differences between shares of the classes.

    Labels (n,) and (m,), whole numbers from 0 to n_classes - 1. From 0 (equal shares) to 1 (no class in
    common). Two samples of one distribution are at about sqrt(n_classes / (pi n)) for n = m.

    Example:
        >>> class_total_variation([0, 0, 1, 1], [0, 1, 1, 1], 2)
        0.25
    """
    if n_classes < 1:
        raise SettingError(f"class_total_variation: n_classes must be at least 1; got {n_classes}. Raise it.")
    shares_a = _class_shares("labels_a", labels_a, n_classes)
    shares_b = _class_shares("labels_b", labels_b, n_classes)
    return float(0.5 * np.abs(shares_a - shares_b).sum())


def nearest_row_ratio(samples: ArrayLike, train: ArrayLike, held_out: ArrayLike) -> float:
    """How close samples come to training rows, over how close held-out rows come: are they copies?

    The median distance of a sample to its nearest training row, over that of a held-out row.

    Rows samples (n, D), train (m, D) and held_out (k, D), a result >= 0: 0 for copies, about 1 for new rows
    of the same distribution, above 1 for rows that lie off it.
    Distances are taken in float32 where all rows are, and then once more to the nearest row alone.
    Source: Meehan, Chaudhuri, Dasgupta 2020, arXiv 2004.05675, for the comparison with held-out rows.

    Example:
        >>> train, held_out = np.random.default_rng(0).standard_normal((2, 100, 3))
        >>> nearest_row_ratio(train[:50], train, held_out)  # copies
        0.0
    """
    owner = "nearest_row_ratio"
    train = check.array(owner, "train", train)
    samples = check.array(owner, "samples", samples, ("n", train.shape[1]))
    held_out = check.array(owner, "held_out", held_out, ("k", train.shape[1]))
    usual = float(np.median(_nearest_distances(held_out, train)))
    if usual == 0.0:
        fix = "Pass rows that were not trained on."
        raise DataError(f"{owner}: held_out must differ from train; got a median distance of 0. {fix}")
    return float(np.median(_nearest_distances(samples, train))) / usual


def _gaussian(rows: Float64) -> tuple[Float64, Float64]:
    """Mean of the rows, and R of their covariance R' R."""
    mean = rows.mean(axis=0)
    return mean, np.linalg.qr(rows - mean, mode="r") / np.sqrt(len(rows) - 1)


def _cubic_kernel(rows: Float64) -> Iterator[tuple[slice, Float64]]:
    """Blocks (b, n) of the Gram matrix of (x.y / f + 1)^3."""
    n, n_features = rows.shape
    for block in row_blocks(n, rows_within(24 * n)):
        base = rows[block] @ rows.T
        base /= n_features
        base += 1.0
        yield block, base * base * base  # a power of 3 is a logarithm to NumPy


def _class_shares(name: str, labels: ArrayLike, n_classes: int) -> Float64:
    checked = check.labels("class_total_variation", name, labels, "n", n_classes, "Raise n_classes.")
    return np.bincount(checked, minlength=n_classes) / len(checked)


def _nearest_distances(rows: Array, train: Array) -> Float64:
    """Distance of each row to its nearest training row."""
    dtype = np.result_type(rows, train)
    nearest, least = np.zeros(len(rows), np.int64), np.full(len(rows), np.inf, dtype)
    # Four copies of the training rows would be held at once: they are taken in blocks too.
    for part in row_blocks(len(train), rows_within(4 * dtype.itemsize * train.shape[1])):
        for block, squared in squared_distances(rows, train[part], dtype.type, equal_at_zero=False):
            found = squared.argmin(axis=1)
            there = squared[np.arange(len(found)), found]
            nearer = there < least[block]
            nearest[block] = np.where(nearer, part.start + found, nearest[block])
            least[block] = np.where(nearer, there, least[block])
    return _paired_distances(rows, train, nearest)


def _paired_distances(rows: Array, train: Array, chosen: Array) -> Float64:
    """Distance of each row to the chosen training row, without the rounding of a product."""
    distances = np.empty(len(rows))
    for block in row_blocks(len(rows), rows_within(24 * rows.shape[1])):
        apart = np.subtract(rows[block], train[chosen[block]], dtype=np.float64)
        distances[block] = np.linalg.norm(apart, axis=1)
    return distances
