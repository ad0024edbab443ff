"""Draws brought into line with the data, against scipy's roots, scikit-learn's shrinkage and large draws."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import ks_2samp
from sklearn.covariance import LedoitWolf

from close import assert_close
from dima.model.scatter import Kinds, Scatter, ScatterByClass

ROOT = np.array([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.3, 0.2, 0.4]])


def narrow(n, seed):
    """Draws that have neither mean nor covariance of the data."""
    return np.random.default_rng([seed, 9]).standard_normal((n, 3)) * [0.5, 1.5, 1.0] + 1.0


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(1)
    return np.exp(0.4 * rng.standard_normal((400, 3))) @ ROOT.T - [3.0, 0.0, 5.0]


def drawn(scatter, n=40_000, draw=narrow):
    return scatter.apply(draw(n, 11), np.random.default_rng(12))


@pytest.mark.parametrize("has_residuals", [False, True])
def test_moments_are_those_of_the_data(X, has_residuals, rng):
    residuals = 0.3 * rng.standard_normal((50, 3)) if has_residuals else None
    rows = drawn(Scatter.of(narrow, X, residuals, "moments"))
    spread = X.std(axis=0)
    assert_close(rows.mean(axis=0) / spread, X.mean(axis=0) / spread, atol=0.06)
    scaled = np.cov(X, rowvar=False) / np.outer(spread, spread)
    assert_close(np.cov(rows, rowvar=False) / np.outer(spread, spread), scaled, atol=0.08)


def test_the_map_is_the_closed_form_between_gaussians(X):
    """Of mean and covariance of the very draws it is learnt from."""
    pilot = narrow(500, 3)
    scatter = Scatter.of(lambda n, seed: pilot, X, None, "moments")
    theirs, ours = np.cov(pilot, rowvar=False), np.cov(X, rowvar=False)
    root = np.real(sqrtm(theirs))
    inverse = np.linalg.inv(root)
    assert_close(scatter.matrix, inverse @ np.real(sqrtm(root @ ours @ root)) @ inverse, atol=1e-7)
    mapped = scatter.apply(pilot, np.random.default_rng(0))
    assert_close(mapped.mean(axis=0), X.mean(axis=0), atol=1e-9)
    assert_close(np.cov(mapped, rowvar=False), ours, atol=1e-7)


def test_least_movement_is_no_movement_where_draws_are_the_data(X):
    scatter = Scatter.of(lambda n, seed: X, X, None, "moments")
    assert_close(scatter.matrix, np.eye(3), atol=1e-6)


@pytest.mark.parametrize("has_residuals", [False, True])
def test_marginals_are_those_of_the_data(X, has_residuals):
    rows = drawn(Scatter.of(narrow, X, 0.1 * X if has_residuals else None, "marginals"))
    for axis in range(3):
        assert ks_2samp(rows[:, axis], X[:, axis]).statistic < 0.05


def test_marginals_of_the_very_draws_are_the_quantiles(X):
    pilot = narrow(4000, 3)
    mapped = Scatter.of(lambda n, seed: pilot, X, None, "marginals").apply(pilot, np.random.default_rng(0))
    for axis in range(3):
        assert ks_2samp(mapped[:, axis], X[:, axis]).statistic < 0.01
    inner = np.linspace(0.05, 0.95, 19)
    found, wanted = (np.quantile(each, inner, axis=0) for each in (mapped, X))
    assert_close(found, wanted, atol=0.05)


def test_noise_is_not_that_of_the_draws(X):
    """Though both are drawn by one seed."""

    def draw(n, seed):
        return np.random.default_rng(seed).standard_normal((n, 3))

    scatter = Scatter.of(draw, X, np.random.default_rng(8).standard_normal((200, 3)), "moments")
    rows = scatter.apply(
        narrow(40_000, 5) @ np.diag([2, 2 / 3, 1]) - [2, 2 / 3, 1], np.random.default_rng(12)
    )
    assert_close(rows.std(axis=0) / X.std(axis=0), np.ones(3), atol=0.06)


def test_marginal_maps_rise(X):
    scatter = Scatter.of(narrow, X, None, "marginals")
    for axis in range(3):
        line = np.tile(X.mean(axis=0), (400, 1))
        line[:, axis] = np.linspace(-100, 100, 400)
        only_last = Scatter(quantiles=scatter.quantiles).apply(line, np.random.default_rng(0))
        assert (np.diff(only_last[:, axis]) >= 0).all()
        assert np.diff(only_last[[0, 1, -2, -1], axis])[[0, 2]].min() > 0  # beyond the ends


@pytest.mark.parametrize("m", [8, 60, 500])
def test_the_scatter_is_ledoit_and_wolfs(m, rng):
    residuals = rng.standard_normal((m, 3)) @ ROOT.T + [0.1, 0.0, -0.2]
    scatter = Scatter.of(narrow, np.zeros((5, 3)), residuals, None)
    expected = LedoitWolf().fit(residuals)
    assert_close(scatter.root @ scatter.root.T, expected.covariance_, atol=1e-7)
    assert_close(scatter.shift, residuals.mean(axis=0), atol=1e-12)
    rows = scatter.apply(np.zeros((100_000, 3)), np.random.default_rng(0))
    assert_close(rows.mean(axis=0), residuals.mean(axis=0), atol=0.05)
    assert_close(np.cov(rows, rowvar=False), expected.covariance_, atol=0.12)


def test_nothing_asked_is_nothing_done(X):
    scatter = Scatter.of(narrow, X, None, None)
    assert_close(scatter.apply(X, np.random.default_rng(0)), X)


def test_columns_without_spread_and_residuals_of_zero_stay_finite(X):
    flat = np.column_stack([X[:, :2], np.full(len(X), 4.0)])
    rows = drawn(Scatter.of(narrow, flat, np.zeros((40, 3)), "marginals"), n=200)
    assert np.isfinite(rows).all()
    assert_close(rows[:, 2], np.full(200, 4.0), atol=1e-2)
    same = drawn(Scatter.of(lambda n, seed: np.ones((n, 3)), X, None, "marginals"), n=200)
    assert np.isfinite(same).all()


@pytest.mark.parametrize("match", ["moments", "marginals"])
def test_too_few_rows_are_not_matched(match, X):
    assert Scatter.of(narrow, X[:9], None, match).matrix is None
    assert Scatter.of(narrow, X[:10], None, match).matrix is not None


@pytest.mark.parametrize("wanted", [[0.5, 0.3, 0.2], [0.05, 0.9, 0.05], [0.34, 0.33, 0.33]])
def test_words_are_drawn_as_often_as_they_occur(wanted):
    rng = np.random.default_rng(4)
    words = np.eye(3)[rng.choice(3, 1000, p=wanted)]
    rows = np.column_stack([words, rng.lognormal(size=1000)])

    def draw(n, seed):
        own = np.random.default_rng(seed)
        return own.standard_normal((n, 4)) * 0.3 + [0.4, 0.3, 0.3, 1.0]

    scatter = Scatter.of(draw, rows, None, "marginals", [slice(0, 3)])
    found = drawn(scatter, draw=draw)[:, :3].argmax(axis=1)
    assert_close(np.bincount(found, minlength=3) / len(found), words.mean(axis=0), atol=0.03)


@pytest.fixture(scope="module")
def by_class(X):
    residuals = 0.2 * np.random.default_rng(6).standard_normal(X.shape)
    class_ix = np.r_[np.zeros(250, int), np.ones(145, int), np.full(5, 2)]
    whole = X + 30.0 * class_ix[:, None]

    def draw(n, seed, index):
        return narrow(n, seed)

    return (
        ScatterByClass.fitted(draw, whole, residuals, class_ix, "marginals", Kinds()),
        whole,
        residuals,
        class_ix,
    )


def test_each_class_is_matched_to_its_own_rows(by_class):
    scatter, whole, residuals, class_ix = by_class
    of = np.repeat([0, 1, 2], 4000)
    rows = scatter.apply(narrow(12_000, 1), of, 0)
    for index in (0, 1):
        own = whole[class_ix == index]
        assert_close(rows[of == index].mean(axis=0), own.mean(axis=0), atol=0.15)
    small = scatter.of_class[2]
    expected = LedoitWolf().fit(residuals).covariance_
    assert_close(small.root @ small.root.T, expected, atol=1e-7)
    assert small.matrix is None


def test_order_of_classes_does_not_matter(by_class):
    scatter, *_ = by_class
    of = np.array([1, 0, 1, 0, 0])
    rows = scatter.apply(narrow(5, 1), of, 0)
    assert ((rows.mean(axis=1) > 15) == (of == 1)).all()
    assert_close(rows, scatter.apply(narrow(5, 1), of, 0))


@pytest.mark.parametrize("match", [None, "moments", "marginals"])
@pytest.mark.parametrize("has_residuals", [False, True])
def test_a_saved_one_is_equal(X, match, has_residuals):
    residuals = 0.1 * X if has_residuals else None
    scatter = ScatterByClass.fitted(
        lambda n, seed, index: narrow(n, seed), X, residuals, None, match, Kinds()
    )
    again = ScatterByClass.from_arrays(*scatter.to_arrays())
    none = np.zeros(30, int)
    assert_close(again.apply(narrow(30, 1), none, 5), scatter.apply(narrow(30, 1), none, 5))


@pytest.mark.parametrize("match", ["moments", "marginals"])
def test_an_older_saved_one_is_equal(X, match):
    scatter = ScatterByClass.fitted(lambda n, seed, index: narrow(n, seed), X, None, None, match, Kinds())
    saved, arrays = scatter.to_arrays()
    plain = [
        {key.replace("quantiles", "levels"): value for key, value in one.items()} for one in saved["of_class"]
    ]
    older = {key.replace("quantiles", "levels"): array for key, array in arrays.items()}
    assert any("levels" in key for key in [*plain[0], *older])
    again, none = ScatterByClass.from_arrays({"of_class": plain}, older), np.zeros(30, int)
    assert_close(again.apply(narrow(30, 1), none, 5), scatter.apply(narrow(30, 1), none, 5))


def test_a_saved_one_of_classes_is_equal(by_class):
    scatter, *_ = by_class
    again = ScatterByClass.from_arrays(*scatter.to_arrays())
    of = np.arange(30) % 3
    assert_close(again.apply(narrow(30, 1), of, 5), scatter.apply(narrow(30, 1), of, 5))


@pytest.mark.parametrize("match", [None, "moments", "marginals"])
@pytest.mark.parametrize("few", [4, 40])
def test_draws_keep_what_rows_of_a_class_share(X, match, few):
    """A constant of the second class, and words of which each class has its own."""
    class_ix = np.r_[np.zeros(400 - few, int), np.ones(few, int)]
    words = np.eye(3)[np.where(class_ix == 1, 2, np.arange(400) % 2)]
    rows = np.column_stack([np.where(class_ix == 1, 0.1, X[:, 0]), words])
    residuals = None if match is None else 0.3 * (rows - rows.mean(axis=0))

    def draw(n, seed, index):
        return np.random.default_rng(seed).standard_normal((n, 4))

    scatter = ScatterByClass.fitted(draw, rows, residuals, class_ix, match, Kinds([slice(1, 4)]))
    of = np.arange(600) % 2
    decoded = draw(600, 5, None)
    held = [scatter.held(decoded, of)] + ([] if match is None else [scatter.apply(decoded, of, 0)])
    for drawn_rows in held:
        own = drawn_rows[of == 1]
        assert_close(own[:, 0], np.full(300, 0.1), atol=0)
        assert set(own[:, 1:].argmax(axis=1)) == {2}
        others = drawn_rows[of == 0]
        assert others[:, 0].std() > 0.1
        assert set(others[:, 1:].argmax(axis=1)) == {0, 1}


def test_a_class_of_one_row_is_not_drawn_by_heart(X):
    class_ix = np.r_[np.zeros(399, int), 1]
    scatter = ScatterByClass.fitted(lambda n, seed, index: narrow(n, seed), X, None, class_ix, None, Kinds())
    assert_close(scatter.held(narrow(5, 1), np.ones(5, int)), narrow(5, 1), atol=0)


@pytest.mark.parametrize("few", [1, 2, 9])
def test_a_class_has_no_boolean_that_none_of_its_rows_has(X, few):
    class_ix = np.r_[np.zeros(400 - few, int), np.ones(few, int)]
    rows = np.column_stack([X[:, 0], np.where(class_ix == 1, 1.5, np.arange(400) % 2)])
    draw = np.random.default_rng(1).standard_normal((600, 2))
    scatter = ScatterByClass.fitted(lambda n, *_: draw[:n], rows, None, class_ix, None, Kinds(bools=[1]))
    held, of = scatter.held(draw, np.arange(600) % 2), np.arange(600) % 2
    assert_close(held[of == 1], np.column_stack([draw[of == 1, 0], np.full(300, 1.5)]), atol=0)
    assert_close(held[of == 0], draw[of == 0], atol=0)
