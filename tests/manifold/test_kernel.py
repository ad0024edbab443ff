"""The kernel and its whitened features against their definitions."""

import numpy as np
import pytest

from close import assert_close
from dima.manifold.kernel import affinity, excited, whitening
from dima.metrics.distance import distance_matrix
from manifold.shapes import cloud


def test_affinity():
    d2 = np.array([0.0, 1.0, 4.0, 1e5])
    assert_close(affinity(d2, 2.0), np.array([1.0, np.exp(-0.5), np.exp(-2), 0.0]), rtol=1e-15)


def test_features_reproduce_the_kernel():
    Z_mx = cloud(40, 3)
    K_mm = affinity(distance_matrix(Z_mx, Z_mx), 1.0)
    W = whitening(K_mm, 1e-11)
    assert_close(W.T @ K_mm @ W, np.eye(W.shape[1]), atol=1e-6)
    Phi = K_mm @ W
    assert_close(Phi @ Phi.T, K_mm, atol=1e-8)


@pytest.mark.parametrize("jitter", [0.0, 1e-11])
def test_copies_add_no_direction(jitter):
    Z_mx = np.repeat(cloud(10, 2), 4, axis=0)
    W = whitening(affinity(distance_matrix(Z_mx, Z_mx), 1.0), max(jitter, 1e-13))
    assert W.shape == (40, 10)


def test_jitter_drops_the_weak_directions():
    Z_mx = cloud(60, 1)
    K_mm = affinity(distance_matrix(Z_mx, Z_mx), 5.0)
    values = np.linalg.eigvalsh(K_mm)
    for jitter in (1e-3, 1e-6, 1e-9):
        assert whitening(K_mm, jitter).shape[1] == (values > jitter * values[-1]).sum()


def test_only_excited_directions_are_kept():
    Phi = cloud(50, 4) @ cloud(4, 9, seed=1)
    g, Q = excited(Phi.T @ Phi)
    assert len(g) == 4
    assert_close((Q * g) @ Q.T, Phi.T @ Phi, atol=1e-10)
    assert excited(np.zeros((3, 3)))[0].shape == (0,)
