"""Columns as numbers and back, against scipy's ranks and by round trips over made-up columns."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from close import assert_close
from dima.data.columns import TREATMENTS, Columns, treatment_for
from dima.errors import DataError

WORDS = ("no", "perhaps", "yes")
TREATED = ("standard", "rank")


def normal_scores(column):
    return norm.ppf((rankdata(column) - 0.5) / len(column))


def mixed(rng, n=60):
    """A float, an integer with many values, words, one of few values and a constant."""
    X = rng.standard_normal((n, 5)) * [1.0, 100.0, 1.0, 1.0, 1.0]
    X[:, 1] = X[:, 1].round()
    X[:, 2], X[:, 3], X[:, 4] = np.arange(n) % 3, 0.25 * rng.integers(0, 4, n), 7.0
    return X, {2: WORDS}


@pytest.mark.parametrize("draw", ["floats", "ties", "integers"])
def test_rank_is_the_normal_score_of_scipys_rank(rng, draw):
    X = rng.standard_normal((83, 2)) * [1e-3, 1e4]
    if draw != "floats":
        X = np.round(X * [3e3, 3e-4] if draw == "ties" else X * [1e5, 1.0])
    expected = np.column_stack([normal_scores(column) for column in X.T])
    assert_close(Columns.of(X, "rank").apply(X), expected, atol=1e-12)


def test_standard_is_the_z_score(rng):
    X = rng.lognormal(size=(50, 3)) * [1e-6, 1.0, 1e6]
    assert_close(Columns.of(X, "standard").apply(X), (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-9)


def test_raw_rows_are_the_rows_themselves(rng):
    X = rng.standard_normal((20, 3)).astype(np.float32)
    columns = Columns.of(X, "raw")
    assert columns.is_identity
    assert columns.apply(X) is X
    assert columns.restore(X) is X


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    column=st.one_of(
        st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60),
        st.lists(st.sampled_from([-1.5, 0.0, 0.25, 3.0]), min_size=2, max_size=60),
        st.lists(st.integers(-(10**6), 10**6).map(float), min_size=2, max_size=60),
        st.floats(-1e3, 1e3).map(lambda value: [value] * 9),
    ),
    treatment=st.sampled_from(TREATED),
)
def test_rows_come_back(column, treatment):
    X = np.array(column)[:, None]
    columns = Columns.of(X, treatment)
    moved = np.abs(columns.restore(columns.apply(X)) - X)
    assert (moved <= 1e-9).mean() >= 0.95
    decimals = columns.decimals[0]  # to which a cell may be rounded that has more than the others
    assert moved.max() <= (1e-9 if decimals < 0 else 0.51 * 10.0**-decimals)


@pytest.mark.parametrize("unit", [1e-17, 1e-15, 1e-9, 1e9, 1e15, 1e17])
@pytest.mark.parametrize("treatment", TREATED)
def test_rows_come_back_in_any_unit(rng, treatment, unit):
    X = unit * rng.standard_normal((40, 1))
    columns = Columns.of(X, treatment)
    assert_close(columns.restore(columns.apply(X)) / unit, X / unit, atol=1e-9)


def test_small_steps_far_from_zero_come_back():
    X = 1e12 + 0.25 * np.arange(40.0)[:, None]
    columns = Columns.of(X, "rank")
    assert_close(columns.restore(columns.apply(X)), X, atol=1e-3)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_words_few_values_and_constants_come_back_together(rng, treatment):
    X, words = mixed(rng)
    columns = Columns.of(X, treatment, words=words)
    treated = columns.apply(X)
    assert treated.shape == (60, columns.width) == (60, 7)
    assert np.isfinite(treated).all()
    assert_close(columns.restore(treated), X, atol=1e-9)


def test_words_are_one_hot_and_the_largest_names_the_word(rng):
    X, words = mixed(rng)
    columns = Columns.of(X, "rank", words=words)
    assert columns.slices() == [slice(0, 1), slice(1, 2), slice(2, 5), slice(5, 6), slice(6, 7)]
    assert_close(columns.apply(X)[:, 2:5], np.eye(3)[X[:, 2].astype(int)])
    strange = np.zeros((3, 7))
    strange[:, 2:5] = [[0.2, 0.9, 0.8], [-3.0, -2.0, -1.0], [9.0, 0.0, 1.0]]
    assert_close(columns.restore(strange)[:, 2], [1, 2, 0])


def test_beyond_the_ends_it_is_a_rising_line_that_inverts(rng):
    X = rng.lognormal(size=(50, 1))
    columns, low, high = Columns.of(X, "rank"), X.min(), X.max()
    span = high - low
    beyond = np.r_[low - span * np.arange(5.0, 0, -1), high + span * np.arange(1.0, 6)][:, None]
    treated = columns.apply(beyond)
    assert (np.diff(treated[:, 0]) > 0).all()
    rise = np.ptp(normal_scores(X[:, 0]))  # over one span
    steps = np.r_[np.diff(treated[:5, 0]), np.diff(treated[5:, 0])]
    assert_close(steps, np.full(8, rise), atol=1e-9)
    assert_close(columns.restore(treated), beyond, atol=1e-9 * span)


def test_rank_rises_with_the_value(rng):
    columns = Columns.of(rng.standard_t(2, size=(200, 1)), "rank")
    at = np.linspace(-50, 50, 1001)[:, None]
    assert (np.diff(columns.apply(at)[:, 0]) > 0).all()


@pytest.mark.parametrize("treatment", TREATED)
@pytest.mark.parametrize("decimals", [0, 1, 4])
def test_decimals_are_kept(rng, treatment, decimals):
    X = np.round(rng.standard_normal((100, 1)) * 50, decimals)
    columns = Columns.of(X, treatment)
    rows = columns.restore(rng.standard_normal((30, 1)))
    assert_close(rows, np.round(rows, decimals), atol=1e-12)
    assert len(np.unique(rows)) > 20


@pytest.mark.parametrize("treatment", TREATED)
@pytest.mark.parametrize("odd", [1.234567, -99.123456, 99.123456], ids=["inside", "least", "largest"])
def test_one_odd_cell_says_nothing_of_decimals(rng, treatment, odd):
    X = np.round(rng.standard_normal((100, 1)) * 9, 2)
    X[17] = odd
    columns = Columns.from_arrays(*Columns.of(X, treatment).to_arrays())
    drawn = columns.within(columns.restore(9 * rng.standard_normal((200, 1))))
    for rows in (drawn, columns.restore(columns.apply(X))):
        assert_close(rows, np.round(rows, 2), atol=0)
    inner = np.delete(X, 17)
    assert (drawn.min(), drawn.max()) == (inner.min(), inner.max())  # no slip is drawn again and again


@pytest.mark.parametrize(("n_odd", "decimals"), [(5, 1), (6, 4)])
def test_decimals_are_those_of_95_percent(rng, n_odd, decimals):
    X = np.round(rng.standard_normal((100, 1)) * 500, 1)
    X[:n_odd] = np.round(rng.standard_normal((n_odd, 1)), 3) + 0.0001
    assert Columns.of(X, "rank").decimals[0] == decimals


def test_a_column_of_mostly_zeros_keeps_the_decimals_of_its_other_cells(rng):
    X = np.where(np.arange(1000) < 970, 0.0, np.round(rng.lognormal(size=1000), 3))[:, None]
    assert Columns.of(X, "rank").decimals[0] == 3


@pytest.mark.parametrize("treatment", TREATED)
def test_a_column_of_few_values_takes_no_others(rng, treatment):
    few = np.array([-3.5, 0.0, 0.1, 12.0])
    columns = Columns.of(rng.choice(few, (100, 1)), treatment)
    rows = columns.restore(3 * rng.standard_normal((200, 1)))
    assert set(np.unique(rows)) == set(few)
    scale, at = columns.scale, np.linspace(-5, 15, 41)[:, None]
    if treatment == "standard":
        nearest = few[np.abs(at - few).argmin(axis=1)]
        assert_close(columns.restore((at - scale.center) / scale.unit)[:, 0], nearest)


def test_within_draws_numbers_into_the_seen_range(rng):
    X, words = mixed(rng)
    columns = Columns.of(X, "rank", words=words)
    far = X * [50.0, 50.0, 1.0, 50.0, 50.0]
    expected = np.clip(far, X.min(axis=0), X.max(axis=0))
    assert_close(columns.within(far), expected)


def test_imputing_fills_the_median_and_the_most_frequent_word(rng):
    X, words = mixed(rng, 30)
    X[:, 2] = np.r_[np.zeros(8), np.full(13, 2.0), np.ones(9)]
    X[3, 0] = X[7, 1] = X[5, 2] = np.nan
    columns = Columns.of(X, "rank", words=words)
    filled = columns.imputed(X, "Model", fill=True)
    assert filled[3, 0] == np.median(np.delete(X[:, 0], 3))
    assert filled[7, 1] == np.median(np.delete(X[:, 1], 7))
    assert filled[5, 2] == 2.0
    assert_close(np.where(np.isnan(X), 0, filled), np.nan_to_num(X))


@pytest.mark.parametrize(("names", "told"), [(list("abcde"), "'b'"), (None, "column 2")])
def test_a_refusal_names_column_and_row(rng, names, told):
    X, words = mixed(rng)
    columns = Columns.of(X, "rank", names=names, words=words)
    X[[4, 9], 1] = X[1, 3] = np.nan
    with pytest.raises(
        DataError, match=rf"^Model: X must have a value .*in {told}, first in row 5\. [^\n]*$"
    ):
        columns.imputed(X, "Model", fill=False)
    X[:, 1] = np.nan
    with pytest.raises(DataError, match=rf"^columns: {told} must have a value in some row; got none\. Drop"):
        Columns.of(X, "rank", names=names, words=words)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_saved_columns_are_equal(rng, treatment):
    X, words = mixed(rng)
    types = ("float", "int", "text", "float", "int")
    columns = Columns.of(X, treatment, names=list("abcde"), types=types, words=words)
    again = Columns.from_arrays(*columns.to_arrays())
    saved, kept = dataclasses.asdict(again), dataclasses.asdict(columns)
    for field in ("treatment", "names", "types", "words"):
        assert saved.pop(field) == kept.pop(field)
    for field in ("scale", "knots"):
        own, others = saved.pop(field), kept.pop(field)
        assert own.keys() == others.keys()
        for name, array in others.items():
            assert np.array_equal(own[name], array)
    assert saved.keys() == {"fill", "decimals"}  # every field was looked at
    for name, array in kept.items():
        assert np.array_equal(saved[name], array)
    assert_close(again.apply(X), columns.apply(X))
    drawn = rng.standard_normal((20, 7))
    assert_close(again.restore(drawn), columns.restore(drawn))


def test_tables_are_taken_by_rank_where_spreads_differ_beyond_tenfold(rng):
    X = rng.standard_normal((200, 3))
    X /= X.std(axis=0)
    assert treatment_for(X * [1.0, 9.9, 5.0]) == "standard"
    assert treatment_for(X * [1.0, 10.1, 5.0]) == "rank"
    assert treatment_for(X * [1.0, 100.0, 5.0], {1: WORDS}) == "standard"
    assert treatment_for(X * [1.0, 0.0, 5.0]) == "standard"  # a constant column has no spread to speak of
    assert treatment_for(X[:, :1] * 1e9) == "standard"
    X[0] = np.nan
    assert treatment_for(X * [1.0, 30.0, 5.0]) == "rank"


def test_many_values_keep_at_most_a_thousand_knots(rng):
    X = rng.lognormal(size=(5000, 1))
    columns = Columns.of(X, "rank")
    kept = columns.knots["0/values"]
    assert len(np.unique(X)) == 5000
    assert len(kept) <= 1000
    assert (kept[0], kept[-1]) == (X.min(), X.max())
    treated = columns.apply(X)
    is_inner = (X[:, 0] > kept[10]) & (X[:, 0] < kept[-10])
    assert_close(treated[is_inner, 0], normal_scores(X[:, 0])[is_inner], atol=0.02)
    assert_close(columns.restore(treated), X, rtol=1e-9)
