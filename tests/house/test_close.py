"""The comparator itself: it fails on what is far, and says where."""

import numpy as np
import pytest

from close import assert_close


@pytest.mark.parametrize(
    ("actual", "expected", "tolerances"),
    [
        ([1.0, 2.0], [1.0, 2.0], {}),
        ([1.0, 2.0], [1.0, 2.1], {"atol": 0.11}),
        ([100.0], [101.0], {"rtol": 0.01}),
        ([np.inf, -np.inf], [np.inf, -np.inf], {}),
        (np.zeros((0, 3)), np.zeros((0, 3)), {}),
        (np.array([True]), np.array([True]), {}),
    ],
)
def test_close(actual, expected, tolerances):
    assert_close(actual, expected, **tolerances)


@pytest.mark.parametrize(
    ("actual", "expected", "tolerances"),
    [
        ([1.0], [1.0 + 1e-12], {}),
        ([1.0, -1.0], [2.0, -2.0], {"atol": 0.5}),  # a sum of signed differences would pass
        ([np.nan], [np.nan], {"atol": 1.0}),
        ([1.0], [np.nan], {"rtol": 1.0}),
        ([1.0], [np.inf], {"rtol": 1.0}),
        ([-np.inf], [np.inf], {"atol": 1.0}),
        (np.uint8([0]), np.uint8([255]), {"atol": 2.0}),  # unsigned: 0 - 255 wraps to 1
        ([1 + 1j], [1 - 1j], {"atol": 1.0}),
    ],
)
def test_not_close(actual, expected, tolerances):
    with pytest.raises(AssertionError, match="worst at"):
        assert_close(actual, expected, **tolerances)


def test_worst_element_is_named():
    expected = np.zeros((2, 3))
    actual = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -5.0]])
    with pytest.raises(AssertionError, match=r"2 of 6 .* worst at \(1, 2\): .*-5\.0.*0\.0"):
        assert_close(actual, expected, atol=0.5)


def test_shapes_must_agree_without_broadcasting():
    with pytest.raises(AssertionError, match=r"actual \(2, 1\), expected \(2,\)"):
        assert_close([[1.0], [1.0]], [1.0, 1.0])
