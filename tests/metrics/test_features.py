import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group
from sklearn.metrics.pairwise import polynomial_kernel

from close import assert_close
from dima.errors import DataError, DimaError, SettingError, ShapeError
from dima.metrics import distance, features

X = np.random.default_rng(1).standard_normal((60, 4))
Y = np.random.default_rng(2).standard_normal((45, 4)) * [1.0, 2.0, 0.5, 1.0] + 0.5


def by_square_root(x, y):
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    root = sqrtm(cov_x @ cov_y).real
    return np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.trace(cov_x + cov_y - 2 * root)


@given(st.integers(0, 2**32))
def test_frechet_against_the_square_root_of_a_matrix(seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal((30, 4)) @ random.standard_normal((4, 4)) + random.standard_normal(4)
    assert features.frechet(x, Y) == pytest.approx(by_square_root(x, Y), rel=1e-6)


def test_frechet_of_gaussians_that_share_their_axes(rng):
    # Whitened rows, then given means and deviations: the closed form holds to rounding.
    white = rng.standard_normal((50, 3))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    x, y = white * [1.0, 2.0, 3.0], white * [3.0, 1.0, 0.0] + [1.0, 0.0, 2.0]
    assert features.frechet(x, y) == pytest.approx(5.0 + 4.0 + 1.0 + 9.0, rel=1e-10)


def test_frechet_of_fewer_rows_than_features(rng):
    # Singular covariances: a square root of their product would lose half the digits.
    x, y = rng.standard_normal((2, 5, 20))
    assert features.frechet(x, x) == pytest.approx(0.0, abs=1e-12)
    assert features.frechet(x, x + 1.0) == pytest.approx(20.0, rel=1e-12)
    assert features.frechet(x, y) == pytest.approx(by_square_root(x, y), rel=1e-4)


def test_frechet_under_rotation_scale_and_order():
    turn, value = ortho_group.rvs(4, random_state=0), features.frechet(X, Y)
    assert features.frechet(Y, X) == pytest.approx(value, rel=1e-10)
    assert features.frechet(X @ turn + 7.0, Y @ turn + 7.0) == pytest.approx(value, rel=1e-10)
    assert features.frechet(3.0 * X, 3.0 * Y) == pytest.approx(9.0 * value, rel=1e-10)
    assert features.frechet(X[::-1], Y) == pytest.approx(value, rel=1e-10)


def kid_by_loops(x, y):
    within = [polynomial_kernel(rows, degree=3)[~np.eye(len(rows), dtype=bool)].mean() for rows in (x, y)]
    return sum(within) - 2 * polynomial_kernel(x, y, degree=3).mean()


def test_kid_against_scikit_learn():
    value, p = features.kid(X, Y)
    assert value == pytest.approx(kid_by_loops(X, Y), rel=1e-9)
    assert np.isnan(p)


def test_kid_has_no_bias(rng):
    values = [features.kid(*rng.standard_normal((2, 8, 3)))[0] for _ in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert np.min(values) < 0


def test_kid_sees_the_third_moment(rng):
    # Means and covariances agree: the Frechet distance is blind, the cubic kernel is not.
    skewed, even = rng.exponential(size=(3000, 1)) - 1.0, rng.standard_normal((3000, 1))
    even = (even - even.mean()) / even.std() * skewed.std() + skewed.mean()
    assert features.frechet(skewed, even) < 1e-3
    assert features.kid(skewed, even, n_permutations=49)[1] == 0.02


def test_kid_p_is_uniform_without_a_difference(rng):
    p = [features.kid(*rng.standard_normal((2, 20, 2)), n_permutations=49, seed=i)[1] for i in range(60)]
    assert 0.35 < np.mean(p) < 0.65
    assert features.kid(X, Y, 9, seed=1) == features.kid(X, Y, 9, seed=1)


def test_kid_and_nearest_rows_in_blocks(monkeypatch):
    whole = features.kid(X, Y, n_permutations=9), features.nearest_row_ratio(X, Y, X[:20])
    monkeypatch.setattr(distance.blocks.rows_within, "__defaults__", (1000,))
    assert features.kid(X, Y, n_permutations=9) == pytest.approx(whole[0], rel=1e-9)
    assert features.nearest_row_ratio(X, Y, X[:20]) == pytest.approx(whole[1], rel=1e-12)


def test_total_variation_by_counting():
    a, b = [0, 0, 1, 2], [2, 2, 2, 3, 3]
    assert features.class_total_variation(a, b, 4) == pytest.approx(0.5 * (0.5 + 0.25 + 0.35 + 0.4))
    assert features.class_total_variation(a, b, 9) == features.class_total_variation(b, a, 9)
    assert features.class_total_variation(a, a[::-1], 3) == 0.0
    assert features.class_total_variation([0, 1], [2, 3], 4) == 1.0


def test_total_variation_of_one_distribution(rng):
    values = [features.class_total_variation(*rng.integers(0, 10, (2, 500)), 10) for _ in range(200)]
    assert np.mean(values) == pytest.approx(np.sqrt(10 / (np.pi * 500)), rel=0.1)


def test_nearest_rows_against_all_distances(rng):
    samples, train, held_out = (
        rng.standard_normal((31, 5)),
        rng.standard_normal((90, 5)),
        X[:, [0, 1, 2, 3, 0]],
    )
    expected = np.median(cdist(samples, train).min(axis=1)) / np.median(cdist(held_out, train).min(axis=1))
    assert features.nearest_row_ratio(samples, train, held_out) == pytest.approx(expected, rel=1e-12)
    halves = [rows.astype(np.float32) for rows in (samples, train, held_out)]
    assert features.nearest_row_ratio(*halves) == pytest.approx(expected, rel=1e-5)


def test_copies_and_strangers(rng):
    train, held_out, new = rng.standard_normal((3, 400, 6)).astype(np.float32)
    assert features.nearest_row_ratio(train[:100], train, held_out) == 0.0
    assert features.nearest_row_ratio(train[:100] + 1e-3, train, held_out) < 0.01
    assert features.nearest_row_ratio(new, train, held_out) == pytest.approx(1.0, abs=0.1)
    assert features.nearest_row_ratio(new + 9, train, held_out) > 3.0


def test_a_scale_and_a_shift_change_no_ratio(rng):
    samples, train, held_out = rng.standard_normal((3, 50, 3))
    ratio = features.nearest_row_ratio(samples, train, held_out)
    moved = features.nearest_row_ratio(5 * samples + 2, 5 * train + 2, 5 * held_out + 2)
    assert moved == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (lambda: features.frechet(X, Y[:, :2]), ShapeError, r"must have shape \(m, 4\)"),
        (lambda: features.frechet(X, Y[:1]), DataError, "at least 2 rows each; got 60 and 1"),
        (lambda: features.frechet(X, Y * np.nan), DataError, "must be finite"),
        (lambda: features.kid(X[:1], Y), DataError, "at least 2 rows each"),
        (lambda: features.kid(X, Y, n_permutations=-1), SettingError, "n_permutations must be at least 0"),
        (lambda: features.class_total_variation([0], [3], 3), DataError, "labels_b must be whole numbers"),
        (lambda: features.class_total_variation([-1], [0], 3), DataError, "labels_a must be whole numbers"),
        (lambda: features.class_total_variation([0.5], [0], 3), DataError, "whole numbers from 0 to 2"),
        (lambda: features.class_total_variation([0], [0], 0), SettingError, "n_classes must be at least 1"),
        (lambda: features.nearest_row_ratio(X, Y, X[:, :1]), ShapeError, r"must have shape \(k, 4\)"),
        (lambda: features.nearest_row_ratio(X[:, :1], Y, X), ShapeError, r"must have shape \(n, 4\)"),
        (lambda: features.nearest_row_ratio(X, Y, Y[:9]), DataError, "held_out must differ from train"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(asked, error, words):
    with pytest.raises(error, match=words) as refusal:
        asked()
    assert isinstance(refusal.value, DimaError)
    assert "\n" not in str(refusal.value)


def test_inputs_are_left_alone(rng):
    rows = rng.standard_normal((3, 20, 2)).astype(np.float32)
    before = rows.copy()
    features.nearest_row_ratio(*rows)
    features.kid(rows[0], rows[1])
    assert_close(rows, before)
