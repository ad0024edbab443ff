"""Principal components of other rows, by hand; which of them carry nothing; the error they foretell."""

import warnings

import numpy as np
import pytest

from close import assert_close
from dima.model.principal import predicted_error, principal, row_errors, varying


@pytest.mark.parametrize("d", [0, 1, 3])
def test_row_errors_are_those_of_components_of_other_rows(rng, d):
    left = rng.standard_normal((50, 6)) * [5, 3, 1, 1, 1, 0.5] + 2
    by_hand = np.empty(50)
    for fold in range(5):
        inside = np.arange(50) % 5 == fold
        center = left[~inside].mean(axis=0)
        axes = np.linalg.svd(left[~inside] - center, full_matrices=False)[2][:d]
        rest = left[inside] - center
        by_hand[inside] = ((rest - rest @ axes.T @ axes) ** 2).sum(axis=1)
    assert_close(row_errors(left, d), by_hand if d else (left**2).sum(axis=1), atol=1e-9)
    assert principal(left, 3).axes.shape == (3, 6)


def test_components_of_what_does_not_vary_are_found_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = principal(np.full((6, 3), 2.0), 2)
    assert_close(found.rest(np.full((2, 3), 2.0)), np.zeros((2, 3)))


def test_components_along_which_rows_do_not_vary_are_zeros_and_that_is_said(rng):
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 5))
    found = principal(X, 4)
    with pytest.warns(UserWarning, match="2 of 4 latents are zero: the rows vary along no more than 2"):
        kept = varying(found, X, X, 4)
    assert_close(kept.axes[:2], found.axes[:2])
    assert not kept.axes[2:].any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert varying(principal(X, 2), X, X, 2).axes.all()


def test_a_row_far_out_that_leaves_the_others_no_spread_is_named(rng):
    X = rng.standard_normal((60, 4))
    X[17] *= 1e9
    told = (
        r"^ManifoldAutoencoder: 2 of 3 latents are zero: beside row 18, which lies far out, .* Drop or repair"
    )
    with pytest.warns(UserWarning, match=told):
        varying(principal(X, 3), X, X, 3)


def test_the_error_foretold_is_that_of_new_rows(rng):
    X = rng.standard_normal((4000, 6)) * [5, 3, 1, 1, 1, 0.5] + 2
    known, new = X[:2000], X[2000:]
    real = (principal(known, 2).rest(new) ** 2).sum() / ((new - known.mean(axis=0)) ** 2).sum()
    assert predicted_error(known, known, 2) == pytest.approx(real, rel=0.05)
    around = ((known - known.mean(axis=0)) ** 2).sum()
    assert_close(predicted_error(known - 1, known, 0), ((known - 1) ** 2).sum() / around, rtol=1e-9)
