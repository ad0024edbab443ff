"""The kernel and its whitened features against SciPy and their definitions."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from close import assert_close
from dima.manifold.kernel import affinity, blocks, excited, squared_distances, whitening
from manifold.shapes import cloud


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_squared_distances(offset):
    A, B = cloud(20, 3) + offset, cloud(30, 3, seed=1) + offset
    d2 = squared_distances(A, B)
    assert_close(d2, cdist(A, B, "sqeuclidean"), atol=1e-14 * (1 + offset) ** 2 * 10)
    assert (squared_distances(A, A) >= 0).all()


def test_affinity():
    d2 = np.array([0.0, 1.0, 4.0, 1e5])
    assert_close(affinity(d2, 2.0), np.array([1.0, np.exp(-0.5), np.exp(-2), 0.0]), rtol=1e-15)


def test_features_reproduce_the_kernel():
    Z_mx = cloud(40, 3)
    K_mm = affinity(squared_distances(Z_mx, Z_mx), 1.0)
    W = whitening(K_mm, 1e-11)
    assert_close(W.T @ K_mm @ W, np.eye(W.shape[1]), atol=1e-6)
    Phi = K_mm @ W
    assert_close(Phi @ Phi.T, K_mm, atol=1e-8)


@pytest.mark.parametrize("jitter", [0.0, 1e-11])
def test_copies_add_no_direction(jitter):
    Z_mx = np.repeat(cloud(10, 2), 4, axis=0)
    W = whitening(affinity(squared_distances(Z_mx, Z_mx), 1.0), max(jitter, 1e-13))
    assert W.shape == (40, 10)


def test_jitter_drops_the_weak_directions():
    Z_mx = cloud(60, 1)
    K_mm = affinity(squared_distances(Z_mx, Z_mx), 5.0)
    values = np.linalg.eigvalsh(K_mm)
    for jitter in (1e-3, 1e-6, 1e-9):
        assert whitening(K_mm, jitter).shape[1] == (values > jitter * values[-1]).sum()


def test_only_excited_directions_are_kept():
    Phi = cloud(50, 4) @ cloud(4, 9, seed=1)
    g, Q = excited(Phi.T @ Phi)
    assert len(g) == 4
    assert_close((Q * g) @ Q.T, Phi.T @ Phi, atol=1e-10)
    assert excited(np.zeros((3, 3)))[0].shape == (0,)


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (7, 3), (9, 3), (5, 100)])
def test_blocks_tile_the_rows(n, size):
    parts = [np.arange(n)[rows] for rows in blocks(n, size)]
    assert_close(np.concatenate([*parts, []]), np.arange(float(n)))
    assert all(1 <= len(part) <= size for part in parts)
