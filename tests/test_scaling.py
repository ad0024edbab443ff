"""Columns come out with mean zero and spread one, and constant ones are left alone."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from close import assert_close
from dima.scaling import Standardizer, drawn_in


@pytest.mark.parametrize("size", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_as_scikit_learn_scales(rng, size, offset):
    X = size * (rng.standard_normal((20_000, 3)) * [1.0, 5.0, 0.2] + offset)
    scale = Standardizer.of(X)
    other = StandardScaler().fit(X)
    assert_close(scale.center, other.mean_, rtol=1e-12, atol=1e-12 * size)
    assert_close(scale.unit, other.scale_, rtol=1e-9)
    assert_close(scale.apply(X), other.transform(X), atol=1e-9)
    assert_close(scale.restore(scale.apply(X)), X, rtol=1e-12, atol=1e-11 * size)


def test_common_unit_keeps_the_proportions_of_distances(rng):
    X = rng.standard_normal((500, 3)) * [1.0, 5.0, 0.2]
    scale = Standardizer.of(X, common=True)
    assert len(set(scale.unit)) == 1
    assert (scale.apply(X) ** 2).mean() == pytest.approx(1.0)
    before, after = np.linalg.norm(X[0] - X[1:], axis=1), np.linalg.norm(np.diff(scale.apply(X[:1])), axis=1)
    assert after.size
    assert_close(
        np.linalg.norm(scale.apply(X)[0] - scale.apply(X)[1:], axis=1) * scale.unit[0], before, rtol=1e-12
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_takes_the_common_unit(rng, value, dtype):
    X = rng.standard_normal((400, 3)).astype(dtype)
    X[:, 1] = value * (1 + np.finfo(dtype).eps * rng.integers(-1, 2, 400))  # varies by rounding alone
    scale = Standardizer.of(X)
    assert scale.varies.tolist() == [True, False, True]
    assert scale.unit[1] == pytest.approx(np.sqrt((scale.unit[[0, 2]] ** 2).sum() / 3))
    assert np.abs(scale.apply(X)[:, 1]).max() <= 2e-6 * max(value, 1.0)


def test_all_columns_constant_are_divided_by_one():
    scale = Standardizer.of(np.full((5, 2), 3.0))
    assert_close(scale.unit, [1.0, 1.0])
    assert_close(scale.apply(np.full((5, 2), 3.0)), np.zeros((5, 2)))


def test_a_small_spread_beside_a_large_mean_is_seen(rng):
    X = (1e6 + rng.standard_normal((300, 1))).astype(np.float64)
    assert_close(Standardizer.of(X).unit, [X.std()], rtol=1e-9)
    assert Standardizer.of(X * 1e-3).varies.all()


@pytest.mark.parametrize("layout", [np.asfortranarray, np.ascontiguousarray, lambda X: X.astype(np.float32)])
def test_neither_type_nor_layout_changes_a_digit(layout):
    X = np.arange(30_000.0).reshape(-1, 3) ** 2 % 97
    assert_close(Standardizer.of(layout(X)).unit, Standardizer.of(X).unit)
    assert_close(Standardizer.of(X).apply(layout(X)), Standardizer.of(X).apply(X))


def test_far_rows_are_drawn_in_along_their_ray(rng):
    Z = rng.standard_normal((4, 3))
    assert drawn_in(Z) is Z
    far = np.vstack([Z, 1e30 * Z[:1]])
    near = drawn_in(far)
    assert_close(near[:4], Z)
    assert np.linalg.norm(near[4]) == pytest.approx(1e5)
    assert_close(near[4] / 1e5, Z[0] / np.linalg.norm(Z[0]), rtol=1e-12)
