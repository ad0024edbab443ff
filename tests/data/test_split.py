import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from dima.data.split import train_test
from dima.errors import SettingError


@given(st.integers(2, 300), st.floats(0.001, 0.999), st.integers(0, 2**32))
def test_every_row_goes_one_way(n, share, seed):
    train, test = train_test(n, share, seed)
    assert_close(np.sort(np.concatenate([train, test])), np.arange(n))
    assert len(test) == min(max(round(n * share), 1), n - 1)


def test_it_is_a_function_of_its_arguments():
    first, again, other = train_test(50, 0.2, 1), train_test(50, 0.2, 1), train_test(50, 0.2, 2)
    assert_close(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_the_first_rows_are_a_random_subset():
    train, _ = train_test(10_000, 0.2, 0)
    assert train[:1000].mean() == pytest.approx(5000, rel=0.05)


@pytest.mark.parametrize(
    ("n", "share", "seed"),
    [(1, 0.5, 0), (9, 0.0, 0), (9, 1.0, 0), (9, float("nan"), 0), (9, 0.5, -1)],
)
def test_values_out_of_range(n, share, seed):
    with pytest.raises(SettingError, match="must be"):
        train_test(n, share, seed)


def test_each_class_is_held_out_in_proportion():
    labels = np.repeat(["a", "b", "c"], [100, 30, 7])
    train, test = train_test(137, 0.2, 3, labels)
    assert sorted([*train, *test]) == list(range(137))
    assert len(test) == len(train_test(137, 0.2, 3)[1])
    for name, count in zip("abc", (100, 30, 7), strict=True):
        assert abs((labels[test] == name).sum() - 0.2 * count) <= 1
    assert not np.array_equal(test, train_test(137, 0.2, 4, labels)[1])
