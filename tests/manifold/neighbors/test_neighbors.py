"""The door to all backends: the choice by size, holes filled, refusals in one sentence."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from close import assert_close
from dima.errors import BackendError, SettingError
from dima.manifold import neighbors
from dima.manifold.neighbors import BACKENDS, brute, certified, choose, knn
from manifold.shapes import cloud


@pytest.mark.parametrize("backend", ["auto", "brute", "sklearn", "faiss"])
def test_every_backend_finds_the_neighbours(backend):
    points, queries = cloud(200, 5).astype(np.float32), cloud(50, 5, seed=1).astype(np.float32)
    near = knn(points, queries, 6, backend)
    truth = np.argsort(cdist(queries, points), axis=1)[:, :6]
    assert np.mean(near.ids == truth) >= 0.99
    assert near.ids.shape == near.d2.shape == (50, 6)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1000, 1000, 3), "brute"),
        ((100_000, 100_000, 3), "sklearn"),
        ((20_000, 20_000, 784), "brute"),
        ((10**6, 10**6, 64), "faiss"),
    ],
)
def test_choice_by_size(sizes, expected):
    assert choose(*sizes) == expected


def test_choice_without_an_approximate_backend_is_exact(monkeypatch):
    monkeypatch.setattr(neighbors, "_PACKAGES", {"faiss": ("no_such_package", "faiss")})
    assert choose(10**6, 10**6, 64) == "brute"


@pytest.mark.parametrize("hole", [(-1, 1.0), (3, np.inf), (3, np.nan)])
def test_holes_are_filled(monkeypatch, hole):
    def torn(points, queries, k):
        ids, d2 = brute.search(points, queries, k)
        ids[4, 2], d2[4, 2] = hole
        return ids, d2

    monkeypatch.setitem(BACKENDS, "brute", torn)
    points = cloud(30, 4)
    near, exact = knn(points, points, 5, "brute"), brute.search(points, points, 5)
    assert_close(near.ids, exact[0])
    assert_close(near.d2, exact[1], rtol=1e-5)  # a product of one row may round otherwise


@pytest.mark.parametrize("k", [0, 31])
def test_k_must_be_there(k):
    with pytest.raises(SettingError, match=rf"^knn: k must be in 1\.\.n = 30; got {k}\."):
        knn(cloud(30, 2), cloud(3, 2), k)


def test_unknown_backend_lists_the_known():
    with pytest.raises(SettingError, match=r"^knn: backend must be one of 'brute', 'faiss'"):
        knn(cloud(5, 2), cloud(5, 2), 2, "annoy")


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(neighbors, "_PACKAGES", {"faiss": ("no_such_package", "faiss")})
    with pytest.raises(
        BackendError, match=r'^knn: backend .faiss. must be .* pip install "dima-manifold\[faiss\]"'
    ):
        knn(cloud(5, 2), cloud(5, 2), 2, "faiss")


@pytest.mark.parametrize("backend", ["brute", "sklearn", "faiss"])
def test_a_graph_is_what_knn_finds_and_says_how_much_of_it(backend):
    points = cloud(300, 5).astype(np.float32)
    near, recall = certified(points, 7, backend)
    truth = np.argsort(cdist(points, points), axis=1)[:, :7]
    assert recall == pytest.approx(np.mean(near.ids == truth), abs=0.01)
    assert (recall == 1) | (backend == "faiss")


def test_effort_is_raised_until_enough_is_found(monkeypatch):
    efforts = []

    def lossy(points, queries, k, effort):
        efforts.append(effort)
        ids, d2 = brute.search(points, queries, 2 * k)
        found = slice(0, k) if effort == 2 else slice(0, 2 * k, 2)
        return ids[:, found], d2[:, found]

    monkeypatch.setitem(BACKENDS, "faiss", lossy)
    near, recall = certified(cloud(400, 3), 8, "faiss")
    assert (efforts, recall) == ([1, 2], 1.0)
    assert_close(near.ids, brute.search(cloud(400, 3), cloud(400, 3), 8)[0])


def test_what_no_effort_finds_is_warned_of(monkeypatch):
    def lossy(points, queries, k, effort):
        ids, d2 = brute.search(points, queries, 2 * k)
        return ids[:, ::2], d2[:, ::2]

    monkeypatch.setitem(BACKENDS, "faiss", lossy)
    with pytest.warns(UserWarning, match=r"^knn: faiss finds 50\.0% of the neighbours\. .*brute"):
        assert certified(cloud(400, 3), 8, "faiss")[1] == 0.5
