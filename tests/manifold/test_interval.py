"""Intervals against refits without each row, an exact Gaussian process, and the binomial law."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from close import assert_close
from dima.errors import SettingError
from dima.manifold import interval
from dima.manifold.gplm import GPLM
from manifold.shapes import R_AX, R_IX, R_IX_DATA, cloud, smooth

EPS, RIDGE = 1.0, 0.05
GIVEN = {"inducing": "given", "eps": EPS, "sigma2": RIDGE}
POINTS = np.array([[x, y] for x in (-1.5, 0.0, 1.5) for y in (-1.5, 0.0, 1.5)])


def kernel(a, b):
    return np.exp(-((a[:, None] - b) ** 2).sum(axis=2) / EPS)


def score_without(i, twins, targets, mean):
    """Size of the residual of row i over the spread there, by a fit to the others."""
    K_mm = kernel(POINTS, POINTS)
    C = [np.delete(kernel(twin, POINTS), i, axis=0) for twin in twins]
    others = np.delete(targets - mean, i, axis=0)
    system = sum(c.T @ c for c in C) / len(C) + RIDGE * K_mm
    at = kernel(twins[0][i : i + 1], POINTS)[0]
    predicted = at @ np.linalg.solve(system, sum(c.T @ others for c in C) / len(C))
    missed = 1 - at @ np.linalg.solve(K_mm, at)
    variance = RIDGE * (1 + at @ np.linalg.solve(system, at)) + missed
    return np.abs(targets[i] - mean - predicted) / np.sqrt(variance)


@pytest.mark.parametrize("shift", [None, 0.3])
def test_scores_are_those_of_refits(shift):
    R_ix, R_iX = smooth(40)
    second = None if shift is None else R_ix + shift * cloud(40, 2, seed=3)
    gplm = GPLM(**GIVEN).fit(R_ix, R_iX, POINTS, in_sample_ix=second)
    twins = [R_ix] if second is None else [R_ix, second]
    expected = [score_without(i, twins, R_iX, R_iX.mean(axis=0)) for i in range(40)]
    assert_close(gplm.fit_._scores, np.sort(expected, axis=0), atol=1e-7)


def test_spread_is_that_of_the_gaussian_process():
    gplm = GPLM(120, eps=EPS, sigma2=RIDGE).fit(R_IX, R_IX_DATA)
    process = GaussianProcessRegressor(RBF(np.sqrt(EPS / 2)), alpha=RIDGE, optimizer=None)
    deviation = process.fit(R_IX, R_IX_DATA[:, 0]).predict(R_AX, return_std=True)[1]
    _, low, high = gplm.predict(R_AX, return_interval=0.5)
    half = (high - low)[:, 0] / 2
    expected = np.sqrt(deviation**2 + RIDGE)
    assert_close(half / half[0], expected / expected[0], rtol=1e-5)


@pytest.mark.parametrize("ridge", [RIDGE, 0.0])
def test_the_slope_of_the_spread_is_that_of_small_steps(ridge):
    fit, h = GPLM(30, eps=EPS, sigma2=ridge).fit(R_IX, R_IX_DATA).fit_, 1e-5
    Z = fit.scale.apply(np.vstack([R_AX, R_AX[:3] + 4]))
    spread, slopes = fit.spread_slope(Z)
    assert_close(spread, fit.spread(Z), rtol=1e-9)
    for axis, step in enumerate(h * np.eye(Z.shape[1])):
        moved = (fit.spread(Z + step) - fit.spread(Z - step)) / (2 * h)
        assert_close(slopes[:, axis], moved, atol=1e-4 * np.abs(slopes).max())


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_new_values_fall_inside_as_often_as_was_said(level):
    n, b = 900, 3000
    R_ix, R_iX = smooth(n, D=3)
    R_ax, R_aX = smooth(b, D=3, seed=1)
    noise = np.random.default_rng(5)
    # Noise of another size in each column, and twice as much on one side.
    R_iX, R_aX = (
        x + [0.1, 0.3, 0.02] * noise.standard_normal(x.shape) * np.where(z[:, :1] > 0, 2, 1)
        for z, x in ((R_ix, R_iX), (R_ax, R_aX))
    )
    decoded, low, high = GPLM(60).fit(R_ix, R_iX).predict(R_ax, return_interval=level)
    assert_close((low + high) / 2, decoded, atol=1e-12)
    inside = ((low <= R_aX) & (high >= R_aX)).mean(axis=0)
    # The quantile of n scores and the share of b rows both are draws.
    deviation = np.sqrt(level * (1 - level) * (1 / n + 1 / b))
    assert_close(inside, np.full(3, level), atol=3 * deviation)


def test_intervals_widen_away_from_the_training_latents():
    gplm = GPLM(60, eps=2.0, sigma2=1e-3).fit(R_IX, R_IX_DATA)
    _, low, high = gplm.predict([[0.0, 0.0], [2.5, 2.5], [4.0, 4.0]], return_interval=0.9)
    width = high - low
    assert (width[1] > 1.5 * width[0]).all()
    assert (width[2] > 1.5 * width[1]).all()
    with pytest.warns(UserWarning, match="far from all inducing points"):
        _, low, high = gplm.predict([[1e3, 0.0], [0.0, -1e9]], return_interval=0.9)
    assert_close((high - low)[0], (high - low)[1], rtol=1e-12)


def test_a_higher_level_is_wider_and_the_middle_is_what_is_decoded():
    gplm = GPLM(60, pred_k=20, eps=2.0, sigma2=1e-3).fit(R_IX, R_IX_DATA)
    widths = []
    for level in (0.2, 0.5, 0.9, 0.99):
        decoded, low, high = gplm.predict(R_AX, return_interval=level)
        assert_close(decoded, gplm.predict(R_AX))
        widths.append(high - low)
    assert (np.diff(widths, axis=0) > 0).all()


def test_quantiles_count_the_new_row_too():
    ordered = np.arange(1.0, 10.0)[:, None]
    assert_close(interval.half_widths(ordered, 0.9), [9.0])
    assert_close(interval.half_widths(ordered, 0.85), [9.0])
    assert_close(interval.half_widths(ordered, 0.8), [8.0])
    assert_close(interval.half_widths(ordered, 0.91), [np.inf])


def test_few_rows_cannot_tell():
    _, low, high = GPLM(3).fit(R_IX[:5], R_IX_DATA[:5]).predict(R_AX, return_interval=0.9)
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()


@pytest.mark.parametrize("sigma2", [0.0, 1e-8])
def test_constant_columns_and_no_ridge_stay_finite(sigma2):
    targets = np.column_stack([R_IX_DATA[:, 0], np.full(120, 7.0)])
    decoded, low, high = (
        GPLM(60, eps=2.0, sigma2=sigma2).fit(R_IX, targets).predict(R_AX, return_interval=0.9)
    )
    assert np.isfinite([low, high]).all()
    assert_close([low[:, 1], high[:, 1], decoded[:, 1]], np.full((3, 50), 7.0), rtol=1e-12)


def test_flat_targets_have_flat_bounds():
    flat = GPLM(40, eps=2.0).fit(R_IX, R_IX_DATA[:, 0]).predict(R_AX, return_interval=0.9)
    column = GPLM(40, eps=2.0).fit(R_IX, R_IX_DATA[:, :1]).predict(R_AX, return_interval=0.9)
    for one, two in zip(flat, column, strict=True):
        assert_close(one, two[:, 0])


def test_bounds_survive_saving_and_an_older_decoder_has_none():
    gplm = GPLM(40, eps=2.0).fit(R_IX, R_IX_DATA)
    saved, arrays = gplm.to_arrays()
    again = GPLM.from_arrays(json.loads(json.dumps(saved)), arrays)
    for one, two in zip(gplm.predict(R_AX, 0.9), again.predict(R_AX, 0.9), strict=True):
        assert_close(one, two)
    gplm.fit_ = dataclasses.replace(gplm.fit_, equations=None)
    older = GPLM.from_arrays(*gplm.to_arrays())
    assert_close(older.predict(R_AX), again.predict(R_AX))
    with pytest.raises(SettingError, match=r"^GPLM: sums over rows must be kept for intervals; .* Fit anew"):
        older.predict(R_AX, return_interval=0.9)


@pytest.mark.parametrize("level", [0.0, 1.0, 90, "0.9"])
def test_a_level_is_a_share(level):
    with pytest.raises(SettingError, match=r"^GPLM\.predict: return_interval must be"):
        GPLM(20).fit(R_IX, R_IX_DATA).predict(R_AX, return_interval=level)
