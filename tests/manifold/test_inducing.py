"""Every strategy picks rows that are there, each once, and spreads them as it promises."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from close import assert_close
from dima.manifold.inducing import STRATEGIES, pick
from manifold.shapes import blobs, cloud


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("m", [1, 2, 30, 99, 100])
def test_rows_are_distinct_and_in_order(name, m):
    chosen = pick(name, cloud(100, 3), m, seed=0)
    assert chosen.shape == (m,)
    assert (np.diff(chosen) > 0).all()
    assert 0 <= chosen[0] <= chosen[-1] < 100


@pytest.mark.parametrize("name", STRATEGIES)
def test_copies_are_no_obstacle(name):
    copied = np.repeat(cloud(5, 2), 40, axis=0)
    chosen = pick(name, copied, 60, seed=0)
    assert len(np.unique(chosen)) == 60


@pytest.mark.parametrize("name", STRATEGIES)
def test_same_seed_same_rows(name):
    Z_ix = cloud(300, 2)
    assert_close(pick(name, Z_ix, 20, seed=3), pick(name, Z_ix, 20, seed=3))


def test_medoids_stand_closer_to_the_rows_than_random_rows_do():
    Z_ix = cloud(2000, 2)
    left = [
        np.square(cdist(Z_ix, Z_ix[pick(name, Z_ix, 30, seed=0)]).min(axis=1)).mean()
        for name in ("kmeans_medoids", "random_subset")
    ]
    assert left[0] < 0.8 * left[1]


def test_farthest_points_visit_every_cluster():
    Z_ix = blobs([200, 5, 40, 100])
    chosen = pick("fps", Z_ix, 4, seed=0)
    assert_close(np.searchsorted([200, 205, 245], chosen, side="right"), np.arange(4))


def test_farthest_points_are_the_farthest():
    Z_ix = cloud(80, 2)
    chosen = pick("fps", Z_ix, 10, seed=0)
    apart = cdist(Z_ix[chosen], Z_ix[chosen])[~np.eye(10, dtype=bool)].min()
    covered = cdist(Z_ix, Z_ix[chosen]).min(axis=1).max()
    assert covered <= apart  # Gonzalez: no row is farther from the chosen than they from each other


def test_random_subset_depends_on_the_seed():
    chosen = [tuple(pick("random_subset", cloud(100, 2), 10, seed)) for seed in range(5)]
    assert len(set(chosen)) == 5


def test_pivoted_cholesky_leaves_little_more_of_the_kernel_than_the_best_of_that_rank():
    Z_ix = blobs([300, 100, 50, 10], distance=5.0)
    chosen = pick("pivoted_cholesky", Z_ix, 40, seed=0)
    d2 = cdist(Z_ix, Z_ix, "sqeuclidean")
    K = np.exp(-d2 / np.median(d2[d2 > 0]))

    def left(rows):
        return np.trace(K - K[:, rows] @ np.linalg.pinv(K[np.ix_(rows, rows)], rcond=1e-12) @ K[rows])

    best = np.linalg.eigvalsh(K)[:-40].sum()
    drawn = left(pick("random_subset", Z_ix, 40, seed=0))
    assert best < left(chosen) < 30 * best < drawn
