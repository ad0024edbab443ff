import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, SettingError
from dima.metrics import mmd

X = np.random.default_rng(1).standard_normal((14, 3))
Y = np.random.default_rng(2).standard_normal((9, 3)) + 0.5
POOLED = np.concatenate([X, Y])
GRAM = 3.0 * POOLED @ POOLED.T


def blocks(gram, size):
    return [(slice(i, i + size), gram[i : i + size]) for i in range(0, len(gram), size)]


def statistic(gram, in_x):
    """The definition: means over pairs of different rows."""
    within = [gram[np.ix_(rows, rows)] for rows in (in_x, ~in_x)]
    means = [block[~np.eye(len(block), dtype=bool)].mean() for block in within]
    return sum(means) - 2 * gram[np.ix_(in_x, ~in_x)].mean()


def test_the_diagonal_is_no_pair():
    # A linear kernel has another diagonal in every row.
    value, p = mmd.unbiased_mmd(blocks(GRAM, 5), np.diag(GRAM), len(X), 0, seed=0)
    assert value == pytest.approx(statistic(GRAM, np.arange(len(GRAM)) < len(X)), rel=1e-12)
    assert np.isnan(p)


def test_every_relabelling_against_the_definition():
    columns = mmd._relabellings(len(X), len(Y), 30, seed=3)
    by_hand = np.array([statistic(GRAM, column == 1) for column in columns.T])
    expected = (1 + np.sum(by_hand[1:] >= by_hand[0])) / 31
    assert mmd.unbiased_mmd(blocks(GRAM, 4), np.diag(GRAM), len(X), 30, seed=3)[1] == expected


def test_relabellings_keep_the_sizes():
    columns = mmd._relabellings(4, 3, 10, seed=0)
    assert_close(columns.sum(axis=0), np.full(11, 4.0))
    assert_close(columns[:, 0], [1, 1, 1, 1, 0, 0, 0])


def test_ties_count_at_any_scale():
    gram = 1e9 * np.ones((7, 7))
    assert mmd.unbiased_mmd(blocks(gram, 7), np.diag(gram), 4, 19, seed=0)[1] == 1.0


def test_sizes_that_have_no_pair():
    with pytest.raises(DataError, match="at least 2 rows each; got 5 and 1"):
        mmd.check_sizes("mmd", 5, 1, 0)
    with pytest.raises(SettingError, match="n_permutations must be at least 0; got -1"):
        mmd.check_sizes("mmd", 5, 5, -1)
