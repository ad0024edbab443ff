"""Leave-one-out in closed form against leaving one out."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import make_swiss_roll

from close import assert_close
from dima import ManifoldAutoencoder
from dima.manifold import press
from dima.manifold.kernel import affinity, whitening
from dima.metrics.distance import distance_matrix
from manifold.shapes import cloud

RIDGES = np.array([1e-6, 1e-2, 1.0])
SEARCH = press.Search(bandwidth=None, ridge=None, scale=2.0, jitter=1e-11, seed=0)


def refitted(Phi, Y, ridge):
    """Mean squared error of each row's prediction by a ridge regression on the others."""
    errors = []
    for i in range(len(Phi)):
        others = np.delete(np.arange(len(Phi)), i)
        gram = Phi[others].T @ Phi[others] + ridge * np.eye(Phi.shape[1])
        beta = np.linalg.solve(gram, Phi[others].T @ Y[others])
        errors.append(np.square(Y[i] - Phi[i] @ beta).sum())
    return np.mean(errors)


@pytest.mark.parametrize(("n", "r", "D"), [(40, 7, 3), (12, 30, 2), (25, 25, 1)])
def test_leave_one_out_is_refitting(n, r, D):
    Phi, Y = cloud(n, r), cloud(n, D, seed=1)
    expected = np.array([refitted(Phi, Y, ridge) for ridge in RIDGES])
    rtol = 1e-8 if n > r else 1e-5  # with more features than rows, refitting itself loses digits
    assert_close(press.leave_one_out(Phi, Y, RIDGES), expected, rtol=rtol)


def test_leave_one_out_without_a_ridge():
    Phi, Y = cloud(40, 7), cloud(40, 3, seed=1)
    assert_close(press.leave_one_out(Phi, Y, np.zeros(1)), [refitted(Phi, Y, 0.0)], rtol=1e-8)


def test_dead_features_and_zero_ridge_stay_finite():
    Phi = np.hstack([cloud(20, 3), np.zeros((20, 2)), cloud(20, 3)])
    assert np.isfinite(press.leave_one_out(Phi, cloud(20, 2, seed=1), np.zeros(1))).all()
    assert np.isfinite(press.leave_one_out(np.eye(5), cloud(5, 2), np.zeros(1))).all()


def smooth(n, D=3):
    Z_ix = np.random.default_rng(4).uniform(-1.5, 1.5, (n, 2))
    R_iX = np.sin(Z_ix @ cloud(2, D, seed=9)) + 0.05 * cloud(n, D, seed=2)
    return Z_ix, R_iX, R_iX.mean(axis=0)


def test_the_swing_is_how_far_beyond_both_rows_what_lies_between_them_is_decoded(rng):
    Z = np.linspace(0, 1, 50)[:, None]
    Y = np.hstack([Z, 2 * Z])
    midways = press._Midways.of(Z, Y, rng)
    assert midways.swing(midways.Y_pD) == 0
    reach = np.sqrt(midways.reach2_p)[:, None]
    assert reach.max() == pytest.approx(
        np.hypot(8 / 49, 16 / 49)
    )  # eight neighbours, on one side at the ends
    assert_close(midways.z_px, midways.Y_pD[:, :1])
    assert midways.swing(midways.Y_pD + [0, 1] * reach) == pytest.approx(0, abs=1e-15)
    assert midways.swing(midways.Y_pD + [0, 2] * reach) == pytest.approx(3 * (reach**2).mean())


def test_of_decoders_as_right_the_one_that_swings_less_between_rows_is_taken():
    X = make_swiss_roll(800, random_state=1)[0]  # there is a gap in the first 640
    model = ManifoldAutoencoder(2, prior=None).fit(X[:640])
    assert model.gplm_.press_.error < 0.005
    assert 1 - model.score(X[640:]) < 0.03


def test_choice_is_as_good_as_the_best_it_tried_with_the_most_ridge_and_predicts_held_out_error():
    Z_ix, R_iX, mu_X = smooth(1200)
    choice = press.choose(Z_ix[:200], R_iX[:200], mu_X, Z_ix[:60], SEARCH)
    cost = press._cost(choice.curve)
    least = cost.min()
    good = choice.curve[cost <= least + 1e-4]  # a tenth more would be more
    assert choice.error <= least + 1e-4 < 1.1 * least
    assert choice.ridge == good[:, 1].max() > choice.curve[cost.argmin(), 1]
    d2 = distance_matrix(Z_ix, Z_ix[:60])
    K_mm = affinity(distance_matrix(Z_ix[:60], Z_ix[:60]), choice.bandwidth)
    Phi = affinity(d2, choice.bandwidth) @ whitening(K_mm, 1e-11)
    gram = Phi[:200].T @ Phi[:200] + choice.ridge * np.eye(Phi.shape[1])
    missed = R_iX - mu_X - Phi @ np.linalg.solve(gram, Phi[:200].T @ (R_iX[:200] - mu_X))
    held_out = np.square(missed[200:]).sum() / np.square(R_iX[200:] - mu_X).sum()
    assert choice.error == pytest.approx(held_out, rel=0.15)


@pytest.mark.parametrize("fixed", [{"bandwidth": 3.0}, {"ridge": 1e-3}, {"bandwidth": 3.0, "ridge": 0.0}])
def test_what_is_fixed_is_not_searched(fixed):
    Z_ix, R_iX, mu_X = smooth(80)
    choice = press.choose(Z_ix, R_iX, mu_X, Z_ix[:20], dataclasses.replace(SEARCH, **fixed))
    for name, value in fixed.items():
        assert getattr(choice, name) == value
    tried = len(choice.curve)
    assert tried == (1 if len(fixed) == 2 else 8 if "ridge" in fixed else 10)


@pytest.mark.parametrize("scale", [2.0, 0.05])
def test_beside_the_best_bandwidth_of_the_grid_half_and_twice_as_much_are_tried(scale):
    Z_ix, R_iX, mu_X = smooth(200)
    curve = press.choose(Z_ix, R_iX, mu_X, Z_ix[:60], dataclasses.replace(SEARCH, scale=scale)).curve
    grid, beside = curve[:60], curve[60:]
    assert_close(np.unique(grid[:, 0]), scale * 2.0 ** np.arange(-4, 7, 2))
    best = grid[press._cost(grid).argmin(), 0]
    assert best != scale
    assert_close(np.unique(beside[:, 0]), [best / 2, 2 * best])


@pytest.mark.parametrize("D", [3, 65, 100, 300])
def test_few_columns_stand_for_all(D, rng):
    Y = cloud(90, 5) @ cloud(5, D, seed=1)
    condensed = press._condensed(Y, rng)
    assert condensed.shape[1] <= 128
    assert_close(condensed @ condensed.T, Y @ Y.T, atol=1e-9 * D)


@pytest.mark.parametrize("n", [400, 2000])
def test_noise_beyond_the_leading_columns_counts(n, rng):
    Y = rng.standard_normal((n, 784))
    condensed = press._condensed(Y, rng)
    assert (condensed**2).sum() == pytest.approx((Y**2).sum(), rel=0.05)


@pytest.mark.parametrize("factor", [1e-30, 1e-15, 1e15])
def test_scale_of_the_targets_does_not_matter(factor):
    Z_ix, R_iX, mu_X = smooth(60)
    plain = press.choose(Z_ix, R_iX, mu_X, Z_ix[:20], SEARCH)
    scaled = press.choose(Z_ix, factor * R_iX, factor * mu_X, Z_ix[:20], SEARCH)
    assert (scaled.bandwidth, scaled.ridge) == (plain.bandwidth, plain.ridge)
    assert scaled.error == pytest.approx(plain.error, rel=1e-9)


def test_constant_targets_have_no_error():
    Z_ix = cloud(30, 2)
    choice = press.choose(Z_ix, np.ones((30, 2)), np.ones(2), Z_ix[:10], SEARCH)
    assert choice.error == 0.0


def left_out_by_hand(Phi, Y, ridge):
    """Residual of each row under a ridge regression on the others, by rows added to least squares."""
    damping = np.sqrt(ridge) * np.eye(Phi.shape[1])
    rows = []
    for i in range(len(Phi)):
        A = np.vstack([np.delete(Phi, i, axis=0), damping])
        b = np.vstack([np.delete(Y, i, axis=0), np.zeros((Phi.shape[1], Y.shape[1]))])
        rows.append(Y[i] - Phi[i] @ np.linalg.lstsq(A, b, rcond=None)[0])
    return np.stack(rows)


@pytest.mark.parametrize("ridge", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize(("n", "r", "D"), [(40, 7, 3), (12, 20, 2), (25, 25, 1)])
def test_left_out_residuals_are_those_of_refits(n, r, D, ridge):
    Phi, Y = cloud(n, r), cloud(n, D, seed=1)
    g, Q = np.linalg.eigh(Phi.T @ Phi)
    residuals = press.left_out(Phi @ Q, Y, Q.T @ Phi.T @ Y, g + ridge)
    assert_close(residuals, left_out_by_hand(Phi, Y, ridge), atol=1e-7)
    mean_square = (residuals**2).sum(axis=1).mean()
    assert_close(press.leave_one_out(Phi, Y, np.array([ridge])), [mean_square], rtol=1e-6)
    some = press.left_out(Phi[3:9] @ Q, Y[3:9], Q.T @ Phi.T @ Y, g + ridge)
    assert_close(some, residuals[3:9], atol=1e-10)


def test_a_row_that_alone_fixes_its_prediction_has_a_large_residual():
    residuals = press.left_out(np.eye(4), np.ones((4, 2)), np.ones((4, 2)), np.ones(4) + 1e-3)
    assert_close(residuals, np.ones((4, 2)), atol=1e-9)
    assert np.isfinite(press.left_out(np.eye(4), np.ones((4, 2)), np.ones((4, 2)), np.ones(4))).all()


@pytest.mark.parametrize("near", [None, 1.0])
def test_quick_residuals_are_those_of_refits_at_the_best_of_what_was_tried(near):
    Z = np.linspace(-1.5, 1.5, 60)[:, None]
    Y = np.hstack([np.sin(3 * Z), Z**2 - (Z**2).mean()])
    found, factor = press.residuals(Z, Y, Z[::3], near)
    d2 = distance_matrix(Z, Z[::3])
    width = factor * press.typical_distance(d2)
    Phi = affinity(d2, width) @ whitening(affinity(distance_matrix(Z[::3], Z[::3]), width), press._JITTER)
    by_hand = [left_out_by_hand(Phi, Y, ridge) for ridge in press._FEW_RIDGES]
    best = min(by_hand, key=lambda residuals: (residuals**2).sum())
    assert (found**2).sum() == pytest.approx((best**2).sum(), rel=0.02)
    if near is None:
        assert (found**2).sum() < 0.05 * (Y**2).sum()
    else:
        assert factor in near * press._NEAR
