"""The neighbour graph and its Markov chain against their formulas written out densely."""

import numpy as np
import pytest
from scipy import sparse

from close import assert_close
from dima.manifold import graph
from dima.manifold.neighbors import Neighbors, knn
from manifold.shapes import cloud

BANDWIDTH, SHARPNESS = 0.7, 1.3


def near(n=40, k=6):
    points = cloud(n, 3)
    return knn(points, points, k, "brute")


def dense_affinity(found, sym):
    """K without its diagonal, edge by edge."""
    n = len(found.ids)
    K_ij, named = np.zeros((n, n)), np.zeros((n, n), bool)
    for i in range(n):
        for j, d2 in zip(found.ids[i], found.d2[i], strict=True):
            if i != j:
                named[i, j] = True
                K_ij[i, j] = K_ij[j, i] = np.exp(-SHARPNESS * float(d2) / BANDWIDTH)
    return K_ij * (named | named.T if sym == "max" else (named + named.T.astype(float)) / 2)


def built(sym="max", power=1.0, weights=None):
    found = near()
    weights = np.ones(40) if weights is None else weights
    log_k = graph.log_affinity(found, BANDWIDTH, SHARPNESS, sym)
    return log_k, graph.markov(log_k, weights, power), dense_affinity(found, sym)


def stored(matrix):
    """A sparse matrix of logarithms as the dense matrix of what they stand for."""
    return (
        np.exp(matrix.toarray())
        * sparse.csr_array(
            (np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape
        ).toarray()
    )


@pytest.mark.parametrize("sym", ["max", "mean"])
def test_affinities_are_those_of_either_end(sym):
    log_k, _, K_ij = built(sym)
    assert_close(stored(log_k), K_ij, atol=1e-6)
    assert_close(log_k.toarray(), log_k.toarray().T)
    assert not log_k.diagonal().any()


def test_equal_distances_of_zero_keep_their_edge():
    found = Neighbors(np.array([[0, 1], [1, 0], [2, 0]], np.int32), np.zeros((3, 2), np.float32))
    for sym in ("max", "mean"):
        assert graph.log_affinity(found, 1.0, 1.0, sym).nnz == 4


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("sym", ["max", "mean"])
def test_chain_is_the_formula(sym, power):
    w = np.arange(1.0, 41.0) % 3 + 1
    _, markov, K_ij = built(sym, power, w)
    K_ij = K_ij + np.eye(40)
    q = K_ij @ w
    Kt = K_ij / np.outer(q, q) ** power
    s = Kt @ w
    assert_close(markov.off_ii.toarray() + np.diag(markov.self_i), Kt, rtol=1e-5, atol=1e-8)
    assert_close(markov.density_i, q, rtol=1e-5)
    assert_close(markov.degree_i, s, rtol=1e-5)
    assert_close(markov.stationary_i, s * w / (s * w).sum(), rtol=1e-5)


def test_conjugate_has_the_chains_eigenvalues():
    w = np.arange(1.0, 41.0) % 3 + 1
    _, markov, _ = built(weights=w)
    P = (markov.off_ii.toarray() + np.diag(markov.self_i)) * w / markov.degree_i[:, None]
    off, diagonal = markov.conjugate()
    A = off.toarray() + np.diag(diagonal)
    assert_close(P.sum(axis=1), np.ones(40), atol=1e-12)
    assert_close(markov.stationary_i @ P, markov.stationary_i, atol=1e-14)
    assert_close(A, A.T, atol=1e-15)
    assert_close(np.linalg.eigvalsh(A), np.sort(np.linalg.eigvals(P).real), atol=1e-10)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_others_only_leaves_one_copy_of_the_row_out(power):
    w = np.arange(1.0, 41.0) % 3 + 1
    log_k, markov, K_ij = built(power=power, weights=w)
    values = cloud(40, 2, seed=5)
    log_weight = np.log(w) - power * np.log(markov.density_i)
    means = graph.row_means(graph.others_only(log_k, w, log_weight), values)
    weights = (K_ij * w + np.diag(w - 1)) * markov.density_i**-power
    assert_close(means, weights @ values / weights.sum(axis=1)[:, None], rtol=1e-5, atol=1e-7)


def test_averages_are_the_same_in_blocks(monkeypatch):
    log_w = sparse.csr_array(np.log(np.random.default_rng(0).uniform(0.1, 0.9, (20, 20))))
    values = np.arange(40.0).reshape(20, 2)
    weights = np.exp(log_w.toarray())
    monkeypatch.setattr(graph, "rows_within", lambda _: 7)
    assert_close(graph.row_means(log_w, values), weights @ values / weights.sum(axis=1)[:, None], rtol=1e-12)


def test_averages_of_a_lonely_row_are_those_of_its_nearest():
    log_w = sparse.csr_array(np.array([[-1e5, -2e5, -3e5], [-1.0, -1.0, -1.0]]))
    values = np.array([[1.0], [5.0], [6.0]])
    assert_close(graph.row_means(log_w, values), np.array([[1.0], [4.0]]), rtol=1e-15)
