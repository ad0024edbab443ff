"""Sums over rows against the rows at once, whatever the parts they come in."""

import numpy as np
import pytest

from close import assert_close
from dima.manifold import normal_equations
from dima.manifold.normal_equations import NormalEquations
from manifold.shapes import cloud

MAKES = cloud(2, 6, seed=8)


def affinities(z_ax):
    return np.cos(z_ax @ MAKES)


def summed(parts, Z_ix, R_iX, reference, block=1000):
    equations = NormalEquations.empty(cloud(6, 4, seed=2), reference, 2)
    for rows in np.array_split(np.arange(len(Z_ix)), parts):
        equations = equations.plus(affinities, [Z_ix[rows]], R_iX[rows], block, seed=0)
    return equations


@pytest.mark.parametrize("parts", [1, 3, 50])
@pytest.mark.parametrize("block", [1000, 7])
@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_weights_are_those_of_ridge_regression(parts, block, ridge):
    Z_ix, R_iX = cloud(50, 2), cloud(50, 3, seed=1) + 1e3
    equations = summed(parts, Z_ix, R_iX, R_iX[:20].mean(axis=0), block)
    Phi, W = affinities(Z_ix), cloud(6, 4, seed=2)
    system = W.T @ Phi.T @ Phi @ W + ridge * np.eye(4)
    expected = W @ np.linalg.solve(system, W.T @ Phi.T @ (R_iX - R_iX.mean(axis=0)))
    assert_close(equations.mean_X, R_iX.mean(axis=0), rtol=1e-14)
    assert_close(equations.B_mr @ equations.weights(ridge, equations.mean_X), expected, atol=1e-10)
    features = Phi @ equations.B_mr
    assert_close(features.T @ features, np.diag(equations.g), atol=1e-9)


def test_a_feature_that_no_row_excites_has_no_weight():
    equations = NormalEquations.empty(np.eye(3), np.zeros(1), 1)
    equations = equations.plus(lambda z: z * [1.0, 1.0, 0.0], [np.ones((5, 1))], np.ones((5, 1)), 8, 0)
    weights = equations.B_mr @ equations.weights(0.0, np.zeros(1))
    assert_close(weights, [[0.5], [0.5], [0.0]], atol=1e-12)


def test_twins_share_the_weight_of_a_row():
    Z_ix, R_iX = cloud(30, 2), cloud(30, 3, seed=1)
    empty = NormalEquations.empty(cloud(6, 4, seed=2), np.zeros(3), 2)
    one = empty.plus(affinities, [Z_ix], R_iX, 100, 0)
    two = empty.plus(affinities, [Z_ix, Z_ix], R_iX, 100, 0)
    assert_close(two.g, one.g, rtol=1e-10)
    assert_close(np.abs(two.total), np.abs(one.total), atol=1e-10)
    assert two.sample_stx.shape == (30, 2, 2)
    both = one.plus(affinities, [Z_ix, Z_ix + 1], R_iX, 100, 0)  # rows alone, then rows with twins
    assert_close(both.sample_stx[:30, 0], Z_ix)
    assert_close(both.sample_stx[:30, 1], Z_ix)
    assert_close(both.sample_stx[30:, 1], Z_ix + 1)


def test_the_sample_holds_rows_of_every_part_in_its_share(monkeypatch):
    monkeypatch.setattr(normal_equations, "_SAMPLE", 40)
    Z_ix, R_iX = cloud(400, 2), np.arange(400.0)[:, None]
    equations = summed(4, Z_ix, R_iX, np.zeros(1))
    rows = equations.sample_sX[:, 0].astype(int)
    assert len(set(rows)) == 40
    assert_close(equations.sample_stx[:, 0], Z_ix[rows])
    assert np.bincount(rows // 100, minlength=4).min() >= 3
    monkeypatch.setattr(normal_equations, "_SAMPLE_BYTES", 8 * 16)
    assert len(summed(4, Z_ix, R_iX, np.zeros(1)).sample_sX) == 16
