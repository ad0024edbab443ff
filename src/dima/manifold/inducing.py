"""Inducing points: which training latents carry the decoder. A strategy is one function of a registry.

Each takes `(Z_ix (n, d), m, seed)` and returns m distinct row numbers.
"""

from collections.abc import Callable

import numpy as np
import scipy.linalg

from dima.manifold.kernel import affinity
from dima.manifold.press import typical_distance
from dima.metrics.distance import distance_matrix
from dima.typing import Array, Float64

__all__ = ["STRATEGIES", "fps", "kmeans_medoids", "pick", "pivoted_cholesky", "random_subset"]

_SAMPLE_PER_CENTRE = 20  # rows k-means looks at for every centre; more change the centres little
_CENTRES = 64  # compared with all rows at a time, so that the block of distances stays small
_SAMPLE = 10_000  # rows looked at however few centres there are
_DRAWS = 16  # blocks of rows: each sees what those before it leave
_SETTLED = 1e-8  # of the kernel left at a row, below which it tells nothing new


def kmeans_medoids(Z_ix: Float64, m: int, seed: int) -> Array:
    """The training latents nearest to the centres of k-means; gaps are filled farthest-first."""
    # scikit-learn's k-means is imported by those who cluster only.
    from sklearn.cluster import MiniBatchKMeans

    rng = np.random.default_rng(seed)
    sample = rng.permutation(len(Z_ix))[: max(_SAMPLE_PER_CENTRE * m, _SAMPLE)]
    given = {"n_init": 1, "init": "random", "max_iter": 20, "batch_size": 4096, "reassignment_ratio": 0.0}
    centres = MiniBatchKMeans(m, random_state=seed, **given).fit(Z_ix[sample]).cluster_centers_
    parts = np.array_split(centres, 1 + m // _CENTRES)
    return _filled(Z_ix, np.unique(np.concatenate([_nearest(Z_ix, part) for part in parts])), m)


def fps(Z_ix: Float64, m: int, seed: int) -> Array:
    """Farthest-point sampling (Gonzalez 1985), from the row nearest to the mean."""
    return _filled(Z_ix, _nearest(Z_ix, Z_ix.mean(axis=0, keepdims=True)), m)


def random_subset(Z_ix: Float64, m: int, seed: int) -> Array:
    """A uniformly random subset."""
    return np.sort(np.random.default_rng(seed).permutation(len(Z_ix))[:m])


def pivoted_cholesky(Z_ix: Float64, m: int, seed: int) -> Array:
    """Rows drawn by what those chosen leave of the kernel there, its bandwidth the typical squared distance.

    Source: Chen, Epperly, Tropp and Webber 2024 (RPCholesky), a block of rows at a time.
    """
    rng = np.random.default_rng(seed)
    sample = rng.permutation(len(Z_ix))[: max(2 * m, _SAMPLE)]
    rows = Z_ix[sample]
    bandwidth = typical_distance(distance_matrix(rows[:_CENTRES], rows))
    factor, left, n_chosen = np.empty((len(rows), m)), np.ones(len(rows)), 0
    chosen = np.empty(m, int)
    while n_chosen < m and (left > 0).any():
        n_drawn = min(1 + m // _DRAWS, m - n_chosen, int((left > 0).sum()))
        drawn = rng.choice(len(rows), n_drawn, replace=False, p=left / left.sum())
        columns, known = slice(n_chosen, n_chosen + n_drawn), factor[:, :n_chosen]
        residual = affinity(distance_matrix(rows, rows[drawn]), bandwidth) - known @ known[drawn].T
        # Of rows drawn side by side the second may be no news: the ridge keeps the factor real.
        root = np.linalg.cholesky(residual[drawn] + _SETTLED * np.eye(n_drawn))
        factor[:, columns] = scipy.linalg.solve_triangular(root, residual.T, lower=True).T
        left -= np.square(factor[:, columns]).sum(axis=1)
        left[drawn] = 0.0
        left[left < _SETTLED] = 0.0
        chosen[columns], n_chosen = sample[drawn], n_chosen + n_drawn
    return _filled(Z_ix, np.sort(chosen[:n_chosen]), m)


STRATEGIES: dict[str, Callable[[Float64, int, int], Array]] = {
    "kmeans_medoids": kmeans_medoids,
    "fps": fps,
    "pivoted_cholesky": pivoted_cholesky,
    "random_subset": random_subset,
}


def pick(name: str, Z_ix: Float64, m: int, seed: int) -> Array:
    """Choose `m` distinct rows of `Z_ix` (n, d) by the strategy of that name; all of them if m = n."""
    return np.arange(m) if m == len(Z_ix) else STRATEGIES[name](Z_ix, m, seed)


def _nearest(Z_ix: Float64, centres: Float64) -> Array:
    return distance_matrix(centres, Z_ix).argmin(axis=1)


def _filled(Z_ix: Float64, chosen: Array, m: int) -> Array:
    """Add the rows farthest from those chosen until there are m."""
    gap = np.full(len(Z_ix), np.inf)
    for part in np.array_split(chosen, 1 + len(chosen) // _CENTRES):
        np.minimum(gap, distance_matrix(Z_ix[part], Z_ix).min(axis=0), out=gap)
    gap[chosen] = -1  # never chosen twice, even among equal rows
    added = list(chosen)
    while len(added) < m:
        farthest = int(gap.argmax())
        added.append(farthest)
        np.minimum(gap, ((Z_ix - Z_ix[farthest]) ** 2).sum(axis=1), out=gap)
        gap[farthest] = -1
    return np.sort(np.asarray(added))
