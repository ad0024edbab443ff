import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from close import assert_close
from dima.errors import DataError, SettingError
from dima.metrics.mixture import fit_mixture


def bic_by_hand(mixture, X):
    """-2 log likelihood + log(n) free parameters, from SciPy's normal density."""
    k, d = mixture.means_.shape
    spread = {
        "full": lambda at: mixture.covariances_[at],
        "tied": lambda at: mixture.covariances_,
        "diag": lambda at: np.diag(mixture.covariances_[at]),
    }[mixture.covariance_type]
    densities = [
        weight * stats.multivariate_normal(mean, spread(at)).pdf(X)
        for at, (weight, mean) in enumerate(zip(mixture.weights_, mixture.means_, strict=True))
    ]
    triangle = d * (d + 1) // 2
    free = k - 1 + k * d + {"full": k * triangle, "tied": triangle, "diag": k * d}[mixture.covariance_type]
    return -2 * np.log(np.sum(densities, axis=0)).sum() + free * np.log(len(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_choice_is_that_of_a_loop_over_all():
    X = load_iris().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    tried = [
        GaussianMixture(k, covariance_type=kind, reg_covar=1e-4, random_state=3).fit(X)
        for k in range(1, 6)
        for kind in ("diag", "full", "tied")
    ]
    best = min(tried, key=lambda mixture: bic_by_hand(mixture, X))
    found = fit_mixture(X, seed=3, most=5)
    assert (found.n_components, found.covariance_type) == (best.n_components, best.covariance_type)
    assert_close(found.means_, best.means_)


def test_three_clear_clusters_are_found(rng):
    centres = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    found = fit_mixture(np.repeat(centres, 80, axis=0) + rng.standard_normal((240, 2)))
    assert found.n_components == 3
    nearest = np.linalg.norm(found.means_[:, None] - centres, axis=2)
    assert nearest.min(axis=0).max() < 0.5
    assert_close(found.weights_, [1 / 3] * 3, atol=0.02)


def test_one_gaussian_is_one_component_with_its_covariance(rng):
    X = rng.multivariate_normal([1.0, -2.0], [[2.0, 1.5], [1.5, 2.0]], 500)
    found = fit_mixture(X)
    assert found.n_components == 1
    assert_close(np.squeeze(found.covariances_), np.cov(X.T, bias=True) + 1e-4 * np.eye(2), atol=1e-9)


DEGENERATE = {
    "a constant column": np.stack([np.linspace(-2, 2, 40), np.full(40, 7.0)], axis=1),
    "all constant": np.ones((12, 3)),
    "two rows": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "repeated rows": np.repeat([[0.0, 0.0], [1.0, 2.0]], 20, axis=0),
    "more columns than rows": np.random.default_rng(0).standard_normal((9, 30)),
    "single precision": np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32),
}


@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_rows_are_fitted_and_drawn_without_a_warning(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_mixture(rows)
    assert found.n_components <= max(1, len(rows) // 3)
    assert found.n_components <= len(np.unique(rows, axis=0))
    draws = found.sample(200)[0]
    assert draws.shape == (200, rows.shape[1])
    assert np.abs(draws).max() < 20


def test_a_constant_column_stays_within_the_ridge():
    draws = fit_mixture(DEGENERATE["a constant column"]).sample(500)[0]
    assert np.abs(draws[:, 1] - 7.0).max() < 5 * 1e-2  # five deviations of sqrt(1e-4)


def test_the_seed_decides_and_most_is_kept(rng):
    X = rng.uniform(size=(120, 2))
    assert_close(fit_mixture(X, seed=1, most=4).means_, fit_mixture(X, seed=1, most=4).means_)
    assert fit_mixture(np.repeat(np.eye(5), 9, axis=0), most=2).n_components <= 2


@pytest.mark.parametrize(
    ("rows", "most", "kind", "message"),
    [
        ([[1.0, 2.0]], 3, DataError, "X must hold at least 2 rows; got 1"),
        ([[1.0], [np.nan]], 3, DataError, "X must be finite"),
        ([[1.0], [2.0]], 0, SettingError, "most must be at least 1; got 0"),
    ],
)
def test_what_is_refused(rows, most, kind, message):
    with pytest.raises(kind, match=f"fit_mixture: {message}"):
        fit_mixture(rows, most=most)
