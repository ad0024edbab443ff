"""Whether two sets of rows come from one distribution: distances, tests, and coverage."""

from collections.abc import Iterator

import numpy as np

from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError
from dima.metrics.classifier import told_apart
from dima.metrics.distance import check_neighbours, pair, squared_distances
from dima.metrics.mmd import check_sizes, unbiased_mmd
from dima.typing import ArrayLike, Float64

__all__ = ["c2st", "density_coverage", "energy_distance", "mmd", "precision_recall", "sliced_w2"]

_MEDIAN_ROWS = 2000


def sliced_w2(X: ArrayLike, Y: ArrayLike, n_projections: int = 256, seed: int = 0) -> float:
    """Sliced 2-Wasserstein distance: root mean square of 1-D W2 over random directions.

    Rows X (n, D) and Y (m, D), directions uniform on the sphere, a result >= 0 in the units of X. Each 1-D
    distance is exact, for unequal sizes too: both quantile functions are steps. Two samples of one
    distribution are not at 0: compare with the same number between training and held-out rows (the
    floor). Two sets that differ by a shift s alone are at about |s| / sqrt(D).
    Source: Bonneel, Rabin, Peyre, Pfister 2015, "Sliced and Radon Wasserstein barycenters".

    Example:
        >>> X = np.random.default_rng(0).standard_normal((200, 3))
        >>> round(sliced_w2(X, X + [3.0, 0.0, 0.0]), 1)  # the shift, over the root of D
        1.7
    """
    X, Y = pair("sliced_w2", X, Y, ("X", "Y"))
    if n_projections < 1:
        raise SettingError(f"sliced_w2: n_projections must be at least 1; got {n_projections}. Raise it.")
    directions = np.random.default_rng(seed).standard_normal((n_projections, X.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights, step_x, step_y = _common_steps(len(X), len(Y))
    total = 0.0
    # Along a direction: two products with the rows, two sorted ones on the common steps.
    for block in row_blocks(n_projections, rows_within(32 * len(weights))):
        along_x = np.sort(directions[block] @ X.T, axis=1)[:, step_x]
        along_y = np.sort(directions[block] @ Y.T, axis=1)[:, step_y]
        along_x -= along_y
        total += float(np.sum(np.square(along_x, out=along_x) @ weights))
    return float(np.sqrt(total / n_projections))


def energy_distance(X: ArrayLike, Y: ArrayLike) -> float:
    """Energy distance: sqrt(2 E|x - y| - E|x - x'| - E|y - y'|).

    Rows X (n, D) and Y (m, D), a result >= 0 in the square root of their units (as
    `scipy.stats.energy_distance`, which it equals at D = 1); 0 for equal sets. Compare with the floor
    between held-out rows.
    Source: Szekely and Rizzo 2013, "Energy statistics: a class of statistics based on distances".
    """
    X, Y = pair("energy_distance", X, Y, ("X", "Y"))
    squared = 2.0 * _mean_distance(X, Y) - _mean_distance(X, X) - _mean_distance(Y, Y)
    return float(np.sqrt(max(squared, 0.0)))


def mmd(
    X: ArrayLike, Y: ArrayLike, bandwidth: float | None = None, n_permutations: int = 0, seed: int = 0
) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy with kernel exp(-|x - y|^2 / (2 bandwidth^2)).

    X (n, D) and Y (m, D) have at least 2 rows each. Without a `bandwidth` it is the median distance of the
    pooled rows.

    Returns:
        MMD^2, about 0 (and as often below as above) for one distribution, at most 2; and p, the share of
        `n_permutations` relabellings at least as far apart, NaN without them; small if the two differ.

    Source: Gretton, Borgwardt, Rasch, Scholkopf, Smola 2012, "A kernel two-sample test", eq. 3.
    """
    X, Y = pair("mmd", X, Y, ("X", "Y"))
    n, m = len(X), len(Y)
    check_sizes("mmd", n, m, n_permutations)
    pooled = np.concatenate([X, Y])
    width = _median_distance(pooled, seed) if bandwidth is None else bandwidth
    if not width > 0.0:
        raise SettingError(f"mmd: bandwidth must be above 0; got {bandwidth}. Pass None for the median.")
    return unbiased_mmd(_gaussian_kernel(pooled, width), np.ones(n + m), n, n_permutations, seed)


def c2st(X: ArrayLike, Y: ArrayLike, seed: int = 0, folds: int = 5) -> float:
    """Classifier two-sample test: how well a classifier tells the two sets apart.

    The better cross-validated accuracy of a linear classifier (logistic regression) and one that sees
    nonlinear differences (a support vector machine with an RBF kernel), both on standardised columns.
    X (n, D) and Y (m, D) are cut at random to one size, at most 2,000 rows.

    From about 0.5 (indistinguishable) to 1 (told apart every time). With n rows in each set chance alone
    moves it by about 0.35 / sqrt(n), and the better of two lies a little above 0.5.
    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".
    """
    # scikit-learn takes half a second to import, and no other metric here needs it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    sets = pair("c2st", X, Y, ("X", "Y"))
    classifiers = [
        make_pipeline(StandardScaler(), of) for of in (LogisticRegression(max_iter=1000), SVC(C=10.0))
    ]
    return max(told_apart("c2st", sets, classifiers, seed, folds))


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 5) -> tuple[float, float]:
    """Improved precision and recall.

    The region of real (n, D) or fake (m, D) rows is the union of balls around them, each out to the row's
    k-th other row; n, m > k.

    Returns:
        precision, the share of fakes in the real region (are they plausible?), and recall, the share of
        real rows in the fakes' region (is everything covered?). Each is 0 .. 1, 1 is best; two samples of
        one distribution are well below 1 in high dimension, so compare with held-out rows.

    Source: Kynkaanniemi, Karras, Laine, Lehtinen, Aila 2019, arXiv 1904.06991, eq. 1-2.
    """
    real, fake = pair("precision_recall", real, fake, ("real", "fake"))
    check_neighbours("precision_recall", k, min(len(real), len(fake)))
    real_radius, fake_radius = _squared_radius(real, k), _squared_radius(fake, k)
    plausible, covered = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for block, squared in squared_distances(real, fake):
        plausible |= (squared <= real_radius[block, None]).any(axis=0)
        covered[block] = (squared <= fake_radius).any(axis=1)
    return float(plausible.mean()), float(covered.mean())


def density_coverage(real: ArrayLike, fake: ArrayLike, k: int = 5) -> tuple[float, float]:
    """Density and coverage: precision and recall made robust to outliers.

    Around real rows (n, D), n > k, lie balls as in `precision_recall`; fake is (m, D).

    Returns:
        density, how many real balls a fake lies in, over k: 0 .. n/k, about 1 for one distribution
        (more where fakes crowd the middle); and coverage, the share of real balls that hold a fake:
        0 .. 1, about 1 - 2^-k for one distribution and n = m.

    Source: Naeem, Oh, Uh, Choi, Yoo 2020, arXiv 2002.09797, sec. 3.
    """
    real, fake = pair("density_coverage", real, fake, ("real", "fake"))
    check_neighbours("density_coverage", k, len(real))
    radius, inside, covered = _squared_radius(real, k), 0, np.zeros(len(real), bool)
    for block, squared in squared_distances(real, fake):
        within = squared <= radius[block, None]
        inside += int(np.count_nonzero(within))
        covered[block] = within.any(axis=1)
    return inside / (k * len(fake)), float(covered.mean())


def _common_steps(n: int, m: int) -> tuple[Float64, Float64, Float64]:
    """Where the quantile functions of n and m rows are both constant: widths, and rank in each.

    Levels are counted in whole units of 1 / (n m), so that no step is lost to rounding.
    """
    edges = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], edges[:-1]])
    return (edges - starts) / (n * m), starts // m, starts // n


def _mean_distance(X: Float64, Y: Float64) -> float:
    sums = [np.sqrt(squared, out=squared).sum() for _, squared in squared_distances(X, Y)]
    return float(np.sum(sums)) / (len(X) * len(Y))


def _median_distance(rows: Float64, seed: int) -> float:
    """Median distance of different rows, from at most 2,000 of them; 1 where all rows are equal."""
    few = np.random.default_rng(seed).permutation(len(rows))[:_MEDIAN_ROWS]
    found = np.concatenate([squared[squared > 0.0] for _, squared in squared_distances(rows[few], rows[few])])
    return float(np.sqrt(np.median(found))) if found.size else 1.0


def _gaussian_kernel(rows: Float64, width: float) -> Iterator[tuple[slice, Float64]]:
    """Blocks (b, n) of the Gram matrix of exp(-|x - y|^2 / (2 width^2))."""
    for block, squared in squared_distances(rows, rows):
        yield block, np.exp(np.multiply(squared, -0.5 / width**2, out=squared), out=squared)


def _squared_radius(rows: Float64, k: int) -> Float64:
    """Squared distance of each row to its k-th nearest other row."""
    radius = np.empty(len(rows))
    for block, squared in squared_distances(rows, rows):
        squared.partition(k, axis=1)  # position 0 is the row itself, at distance zero
        radius[block] = squared[:, k]
    return radius
