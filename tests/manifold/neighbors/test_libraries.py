"""Trees find all neighbours; approximate search nearly all, and says which it did not."""

import importlib.machinery
import os
import sys
import types
import warnings

import numpy as np
import pytest

from close import assert_close
from dima.manifold.neighbors import BACKENDS, brute, knn
from manifold.shapes import cloud

COMPILED = pytest.mark.skipif(
    "DIMA_TEST_PYNNDESCENT" not in os.environ,
    reason="numba compiles pynndescent for a minute and more; set DIMA_TEST_PYNNDESCENT=1 to wait for it",
)
REAL = ["faiss", pytest.param("pynndescent", marks=[COMPILED, pytest.mark.slow])]


def recall(ids, truth):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, truth, strict=True)])


@pytest.mark.parametrize("D", [1, 4, 20])
def test_trees_equal_brute(D):
    points, queries = cloud(150, D).astype(np.float32), cloud(30, D, seed=1).astype(np.float32)
    ids, d2 = BACKENDS["sklearn"](points, queries, 6)
    exact_ids, exact_d2 = brute.search(points, queries, 6)
    assert_close(ids, exact_ids)
    assert_close(d2, exact_d2, rtol=1e-4, atol=1e-7)
    assert (ids.dtype, d2.dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("backend", REAL)
@pytest.mark.parametrize("own", [True, False], ids=["own neighbours", "queries"])
def test_recall_is_high_and_distances_are_squared(backend, own):
    points = cloud(1500, 16).astype(np.float32)
    queries = points if own else cloud(200, 16, seed=1).astype(np.float32)
    ids, d2 = BACKENDS[backend](points, queries, 20)
    truth = brute.search(points, queries, 20)[0]
    assert recall(ids, truth) >= 0.95
    assert_close(d2, ((queries[:, None] - points[ids]) ** 2).sum(axis=2), rtol=1e-3, atol=1e-4)
    assert (ids.dtype, d2.dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("backend", REAL)
@pytest.mark.parametrize(("n", "k"), [(2, 2), (12, 5), (12, 12)])
def test_few_points_come_back_whole(backend, n, k):
    points = cloud(n, 3).astype(np.float32)
    assert_close(knn(points, points, k, backend).ids, brute.search(points, points, k)[0])


@pytest.fixture
def descent(monkeypatch):
    """A stand-in for pynndescent that notes its settings, answers exactly and leaves one hole."""
    noted = {}

    class NNDescent:
        def __init__(self, data, **settings):
            noted.update(settings)
            self.data = data
            warnings.warn("Failed to correctly find n_neighbors for some samples.", stacklevel=2)

        @property
        def neighbor_graph(self):
            ids, distance = self.query(self.data, noted["n_neighbors"])
            ids[0, 1], distance[0, 1] = -1, np.inf
            return ids, distance

        def query(self, queries, k):
            ids, d2 = brute.search(self.data, queries, k)
            return ids, np.sqrt(d2)

    module = types.ModuleType("pynndescent")
    module.NNDescent, module.__spec__ = NNDescent, importlib.machinery.ModuleSpec("pynndescent", None)
    monkeypatch.setitem(sys.modules, "pynndescent", module)
    return noted


@pytest.mark.parametrize(("n", "k", "asked"), [(40, 5, 15), (40, 20, 20), (10, 5, 10)])
def test_descent_is_asked_for_enough_and_never_for_more_than_there_is(descent, n, k, asked):
    points = cloud(n, 3).astype(np.float32)
    ids, d2 = BACKENDS["pynndescent"](points, points, k)
    assert descent == {"n_neighbors": asked, "random_state": 0}
    assert ids.shape == d2.shape == (n, k)
    assert (ids[0, 1], d2[0, 1]) == (-1, np.inf)


def test_descent_answers_queries_in_squares(descent):
    points, queries = cloud(40, 3).astype(np.float32), cloud(9, 3, seed=1).astype(np.float32)
    ids, d2 = BACKENDS["pynndescent"](points, queries, 4)
    exact = brute.search(points, queries, 4)
    assert_close(ids, exact[0])
    assert_close(d2, exact[1], rtol=1e-6)


def test_what_descent_missed_is_filled(descent):
    points = cloud(40, 3).astype(np.float32)
    assert_close(knn(points, points, 5, "pynndescent").ids, brute.search(points, points, 5)[0])
