"""Local kriging: exact where it must be, close elsewhere, within its budget."""

import numpy as np

from close import assert_close
from dima.manifold import local
from dima.manifold.kernel import affinity
from dima.manifold.neighbors import knn
from dima.metrics.distance import distance_matrix
from manifold.shapes import cloud

Z_MX = np.random.default_rng(0).random((200, 2))
FIELD = np.column_stack([np.sin(3 * Z_MX[:, 0]), np.cos(2 * Z_MX @ [1.0, 1.0])])


def interpolated(z_ax, k, bandwidth=0.5):
    ids = knn(Z_MX, z_ax, k, "brute").ids
    return local.interpolate(z_ax, Z_MX, ids, FIELD, bandwidth)


def test_the_field_comes_back_at_the_inducing_points():
    values, nearest2 = interpolated(Z_MX[:30], 12)
    assert_close(values, FIELD[:30], atol=1e-4)
    assert_close(nearest2, np.zeros(30))


def test_a_smooth_field_is_met_between_them():
    z_ax = 0.1 + 0.8 * np.random.default_rng(1).random((50, 2))
    truth = np.column_stack([np.sin(3 * z_ax[:, 0]), np.cos(2 * z_ax @ [1.0, 1.0])])
    values, nearest2 = interpolated(z_ax, 25)
    assert_close(values, truth, atol=1e-3)
    assert_close(nearest2, distance_matrix(z_ax, Z_MX).min(axis=1), atol=1e-15)


def test_all_points_together_are_the_kernel_interpolant():
    few, field = Z_MX[:8], FIELD[:8]
    z_ax = cloud(5, 2)
    values, _ = local.interpolate(z_ax, few, np.tile(np.arange(8), (5, 1)), field, 0.05)
    K = affinity(distance_matrix(few, few), 0.05)
    expected = affinity(distance_matrix(z_ax, few), 0.05) @ np.linalg.solve(K, field)
    assert_close(values, expected, atol=1e-6)


def test_far_rows_get_nothing():
    values, nearest2 = interpolated(np.full((1, 2), 1e9), 5)
    assert_close(values, np.zeros((1, 2)))
    assert nearest2[0] > 1e17


def test_copies_among_the_points_are_no_obstacle():
    copied = np.repeat(Z_MX[:10], 2, axis=0)
    ids = np.tile(np.arange(20), (3, 1))
    values, _ = local.interpolate(Z_MX[:3], copied, ids, np.repeat(FIELD[:10], 2, axis=0), 0.01)
    assert_close(values, FIELD[:3], atol=1e-6)
