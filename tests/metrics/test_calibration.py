import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, SettingError, ShapeError
from dima.metrics.calibration import expected_calibration_error


def binary(sure):
    return np.stack([sure, 1 - np.asarray(sure)], axis=1)


def test_by_hand_over_two_bins():
    # (0, .5]: none of two right at .5; (.5, 1]: one of two right at mean .8.
    p = binary([0.5, 0.5, 0.9, 0.7])
    assert_close(expected_calibration_error(p, [1, 1, 0, 1], bins=2), 0.5 * 0.5 + 0.5 * 0.3, atol=1e-12)


def test_signs_cancel_within_a_bin_and_not_between_bins():
    p = binary([0.6, 0.9])
    labels = [0, 1]  # .4 too modest, .9 too sure
    assert_close(expected_calibration_error(p, labels, bins=1), 0.25, atol=1e-12)
    assert_close(expected_calibration_error(p, labels, bins=10), 0.65, atol=1e-12)


def test_labels_drawn_from_the_probabilities_are_kept(rng):
    p = rng.dirichlet([0.5, 0.5, 0.5], size=50_000)
    labels = (p.cumsum(axis=1) < rng.random((50_000, 1))).sum(axis=1)
    assert expected_calibration_error(p, labels) < 0.01
    sharper = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharper, labels) > 0.1


def test_certainty_falls_into_the_last_bin():
    assert expected_calibration_error([[1.0, 0.0], [0.0, 1.0]], [0, 1]) == 0.0
    assert expected_calibration_error([[1.0, 0.0], [0.0, 1.0]], [1, 0]) == 1.0


@pytest.mark.parametrize(
    ("p", "labels", "bins", "kind", "message"),
    [
        ([[0.5, 0.5]], [0], 0, SettingError, "bins must be at least 1; got 0"),
        ([[0.5, 0.6]], [0], 5, DataError, "sum to 1 in each row; got rows off by 0.1"),
        ([[1.5, -0.5]], [0], 5, DataError, "got rows off by 0.5"),
        ([[0.5, 0.5]], [2], 5, DataError, "whole numbers from 0 to 1; got 2 to 2"),
        ([[0.5, 0.5]], [0.5], 5, DataError, "whole numbers"),
        ([[0.5, 0.5]], [0, 1], 5, ShapeError, r"labels must have shape \(1,\)"),
    ],
)
def test_what_is_refused(p, labels, bins, kind, message):
    with pytest.raises(kind, match=message):
        expected_calibration_error(p, labels, bins)
