"""How well a latent layout keeps what is known of the manifold: chart, neighbours, classes."""

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError, ShapeError
from dima.metrics.distance import check_neighbours, pair, squared_distances
from dima.typing import Array, ArrayLike, Float64

__all__ = ["affine_readout", "nearest_neighbour_accuracy", "neighbour_preservation"]


def affine_readout(Z: ArrayLike, chart: ArrayLike) -> float:
    """Relative error of the best affine map from a latent Z (n, d) to the true chart (n, c).

    Frobenius norm of what the map misses over that of the centred chart: 0 .. 1, 0 is perfect, 1 is no
    better than the mean. Meaningful for n well above d only. Source: arXiv 2603.28037 (there "relF").

    Raises:
        ShapeError: Z and the chart have different numbers of rows.
        DataError: the chart is constant, or there are no more rows than unknowns.
    """
    Z = check.array("affine_readout", "Z", Z, ("n", "d")).astype(np.float64, copy=False)
    chart = check.array("affine_readout", "chart", chart, (len(Z), "c")).astype(np.float64, copy=False)
    if len(Z) <= Z.shape[1] + 1:
        rule = f"more than d + 1 = {Z.shape[1] + 1} rows"
        raise DataError(f"affine_readout: Z must have {rule}; got {len(Z)}. Pass more rows.")
    goal = chart - chart.mean(axis=0)
    scale = np.linalg.norm(goal)
    if scale == 0.0:
        raise DataError("affine_readout: chart must be spread; got one point. Pass coordinates that vary.")
    centred = Z - Z.mean(axis=0)
    spread = np.linalg.norm(centred, axis=0)
    centred /= np.where(spread > 0.0, spread, 1.0)
    map_zc = np.linalg.lstsq(centred, goal, rcond=None)[0]
    return float(np.linalg.norm(goal - centred @ map_zc) / scale)


def neighbour_preservation(X: ArrayLike, Z: ArrayLike, k: int = 10) -> float:
    """Mean share of each row's k nearest other rows that are the same in X (n, D) and in Z (n, d).

    0 .. 1; 1 is perfect, k / (n - 1) is chance.
    Source: Lee and Verleysen 2009, "Quality assessment of dimensionality reduction", Q_NX(k).

    Raises:
        ShapeError: X and Z have different numbers of rows.
        SettingError: k is not below n.
    """
    owner = "neighbour_preservation"
    X = check.array(owner, "X", X).astype(np.float64, copy=False)
    Z = check.array(owner, "Z", Z, (len(X), "d")).astype(np.float64, copy=False)
    check_neighbours(owner, k, len(X))
    in_X, in_Z = _neighbours(X, k), _neighbours(Z, k)
    common = sum(
        int(np.count_nonzero(in_X[block, :, None] == in_Z[block, None, :]))
        for block in row_blocks(len(X), rows_within(k * k))
    )
    return common / in_X.size


def nearest_neighbour_accuracy(
    Z_train: ArrayLike, y_train: ArrayLike, Z_test: ArrayLike, y_test: ArrayLike
) -> float:
    """Accuracy of giving each test row (b, d) the label of its nearest training row (n, d).

    0 .. 1; 1 is best, the share of the largest class is what a constant achieves.
    Source: Cover and Hart 1967, "Nearest neighbor pattern classification".

    Raises:
        ShapeError: the widths differ, or labels and rows differ in number.
    """
    owner = "nearest_neighbour_accuracy"
    train, test = pair(owner, Z_train, Z_test, ("Z_train", "Z_test"))
    known, truth = np.ravel(y_train), np.ravel(y_test)
    for name, labels, rows in (("y_train", known, train), ("y_test", truth, test)):
        if len(labels) != len(rows):
            rule = f"one label for each of {len(rows)} rows"
            raise ShapeError(f"{owner}: {name} must be {rule}; got {len(labels)}. Pass their labels.")
    nearest = np.concatenate([squared.argmin(1) for _, squared in squared_distances(test, train)])
    return float(np.mean(known[nearest] == truth))


def _neighbours(X: Float64, k: int) -> Array:
    """Positions (n, k) of each row's nearest other rows, in no order."""
    found = np.empty((len(X), k), np.intp)
    for block, squared in squared_distances(X, X):
        squared[np.arange(len(squared)), np.arange(block.start, block.stop)] = np.inf
        found[block] = np.argpartition(squared, k - 1, axis=1)[:, :k]
    return found
