import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from close import assert_close
from dima.errors import DataError, DataTypeError, ShapeError
from dima.metrics import distance
from dima.metrics.distance import Prepared, squared_distances


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9), st.floats(-1e6, 1e6))
def test_distances_against_scipy(seed, n, m, far):
    random = np.random.default_rng(seed)
    X, Y = random.standard_normal((n, 3)) + far, random.standard_normal((m, 3)) + far
    found = np.concatenate([squared for _, squared in distance.squared_distances(X, Y)])
    assert_close(found, cdist(X, Y) ** 2, rtol=1e-6, atol=1e-8)


def test_equal_rows_are_at_zero():
    X = np.random.default_rng(0).standard_normal((40, 700)) * 1e3
    ((_, squared),) = distance.squared_distances(X, X)
    assert (np.diag(squared) == 0.0).all()
    assert (squared[~np.eye(40, dtype=bool)] > 0.0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("zeros", [True, False])
def test_blocks_cover_every_row_once_and_are_never_negative(monkeypatch, dtype, zeros):
    X = np.random.default_rng(0).standard_normal((30, 5)) + 100.0
    monkeypatch.setattr(distance.blocks, "rows_within", lambda _: 7)
    parts = list(distance.squared_distances(X, X, dtype, equal_at_zero=zeros))
    assert [rows.start for rows, _ in parts] == [0, 7, 14, 21, 28]
    squared = np.vstack([block for _, block in parts])
    assert squared.dtype == dtype
    assert (squared >= 0).all()
    assert_close(squared, cdist(X, X, "sqeuclidean"), atol=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_whole_matrix_against_scipy(offset):
    random = np.random.default_rng(1)
    X, Y = random.standard_normal((20, 3)) + offset, random.standard_normal((30, 3)) + offset
    squared = distance.distance_matrix(X, Y)
    assert_close(squared, cdist(X, Y, "sqeuclidean"), atol=1e-13 * (1 + offset) ** 2)
    assert (distance.distance_matrix(X, X) >= 0).all()


@pytest.mark.parametrize(
    ("X", "kind", "word"),
    [
        (np.ones(3), ShapeError, r"shape \(n, D\); got shape \(3,\)"),
        (np.ones((0, 3)), DataError, "at least one number"),
        (np.array([[1.0, np.nan], [1, 2]]), DataError, "1 of 2 rows"),
        (np.array([["a"]]), DataTypeError, "dtype"),
    ],
)
def test_rows_that_are_refused(X, kind, word):
    with pytest.raises(kind, match=word):
        distance.pair("metric", X, np.ones((4, 3)), ("X", "Y"))


def test_pairs_of_different_width():
    with pytest.raises(ShapeError, match=r"Y must have shape \(m, 2\); got shape \(4, 3\)"):
        distance.pair("metric", np.ones((4, 2)), np.ones((4, 3)), ("X", "Y"))


def test_pairs_are_computed_in_double_precision():
    first, second = distance.pair("metric", np.float32([[1]]), np.uint8([[2]]), ("X", "Y"))
    assert (first.dtype, second.dtype) == (np.float64, np.float64)


def test_city_distances_by_hand():
    X, Y = np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[3.0, -4.0], [1.0, 0.0], [1.0, 2.0]])
    assert_close(distance.city_distances(X, Y), np.abs(X[:, None] - Y).sum(axis=2))


def test_prepared_rows_serve_again_and_along_axes(rng):
    X, Y = rng.standard_normal((7, 5)), rng.standard_normal((9, 5))
    to = Prepared.of(Y)
    for _ in range(2):
        assert_close(np.concatenate([d2 for _, d2 in squared_distances(X, to)]), cdist(X, Y) ** 2, atol=1e-12)
    axes = np.linalg.qr(rng.standard_normal((5, 2)))[0]
    beside = np.eye(5) - axes @ axes.T
    (along,) = (d2 for _, d2 in squared_distances(X, Prepared.of(Y, axes=axes)))
    shared = 2 * (X - Y.mean(axis=0)) @ beside @ (Y - Y.mean(axis=0)).T
    assert_close(along, np.maximum(cdist(X, Y) ** 2 + shared, 0), atol=1e-12)
