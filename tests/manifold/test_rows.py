"""Distinct rows: what is equal is found again to the bit, and no scale or offset costs digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from close import assert_close
from dima.check import SMALLEST_SPREAD
from dima.errors import DataError
from dima.manifold.rows import DistinctRows
from manifold.shapes import cloud

CELLS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-50, -1e-50, 0.1, 3e7])
TABLES = hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 3)), elements=CELLS)


@settings(max_examples=60)
@given(TABLES)
def test_training_rows_are_found_and_restored(table):
    if np.ptp(table, axis=0).max() < SMALLEST_SPREAD:
        return  # refused before it comes here
    rows = DistinctRows.of(table, "X")
    assert_close(rows.find(rows.standard(table)), rows.row_i)
    assert_close(rows.weight_u, np.bincount(rows.row_i).astype(float))
    assert len(np.unique(rows.R_uX, axis=0)) == len(rows.R_uX)
    assert_close(rows.training(), table, atol=1e-6 * np.abs(table).max())


def test_unknown_rows_are_not_found():
    rows = DistinctRows.of(cloud(50, 4), "X")
    asked = rows.standard(np.vstack([cloud(5, 4, seed=1), cloud(50, 4)[:3] + 1e-3, np.full((1, 4), 99)]))
    assert_close(rows.find(asked), np.full(9, -1))


def test_negative_zeros_and_underflow_are_zeros():
    table = np.array([[0.0, 1.0], [-0.0, 1.0], [-1e-60, 1.0], [1e-60, 1.0], [2.0, -1.0], [-2.0, -1.0]])
    rows = DistinctRows.of(table, "X")
    assert_close(np.sort(rows.weight_u), [1, 1, 4])


def test_rows_are_centred_and_scaled_before_they_are_rounded():
    table = cloud(300, 6)
    plain, moved = DistinctRows.of(table, "X"), DistinctRows.of(1e4 + table, "X")
    assert np.square(plain.R_uX).mean() == pytest.approx(1.0, rel=1e-6)
    assert_close(plain.R_uX.mean(axis=0), np.zeros(6), atol=1e-7)
    assert_close(moved.R_uX[moved.row_i], plain.R_uX[plain.row_i], atol=1e-6)


@pytest.mark.parametrize("factor", [1e-17, 1e-6, 1e17])
def test_scale_is_taken_out(factor):
    plain, scaled = DistinctRows.of(cloud(40, 3), "X"), DistinctRows.of(factor * cloud(40, 3), "X")
    assert scaled.unit2 == pytest.approx(factor**2 * plain.unit2, rel=1e-12)
    assert_close(scaled.R_uX[scaled.row_i], plain.R_uX[plain.row_i], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_neither_type_nor_layout_changes_a_bit(dtype, order):
    table = cloud(9000, 3).astype(np.float32).astype(float)
    plain, other = DistinctRows.of(table, "X"), DistinctRows.of(np.asarray(table, dtype, order), "X")
    assert plain.unit2 == other.unit2
    assert_close(other.R_uX, plain.R_uX)
    assert_close(other.scale.center, plain.scale.center)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e17, -7.0])
def test_equal_rows_are_refused(value):
    with pytest.raises(DataError, match=r"^own: rows must differ from each other; got 7 equal rows\."):
        DistinctRows.of(np.full((7, 2), value), "own")
