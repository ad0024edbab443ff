"""Intervals of a whole manifold autoencoder: the decoder's own, split conformal ones of PCA, coverage."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA

from close import assert_close
from dima import ManifoldAutoencoder
from dima.data import manifolds
from dima.errors import SettingError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.manifold_map import ManifoldMap
from dima.model.principal import rests


def test_without_principal_components_they_are_those_of_the_decoder(rows):
    both = ManifoldMap(DMAP(3, k=40), GPLM(50), 3).fit(rows)
    codes = both.encode(rows[:9] + 0.5)
    _, low, high = both.gplm.predict(codes, return_interval=0.8)
    assert_close(2 * both.half_widths(codes, 0.8), high - low, rtol=1e-9)


def test_of_principal_components_they_are_quantiles_of_what_those_of_other_rows_leave(rows):
    both, n = ManifoldMap(DMAP(3, k=40), GPLM(50), 0).fit(rows), len(rows)
    left = np.empty(rows.shape)
    for part in range(5):
        out = np.arange(n) % 5 == part
        pca = PCA(3).fit(rows[~out])
        left[out] = rows[out] - pca.inverse_transform(pca.transform(rows[out]))
    assert_close(rests(rows.astype(float) - rows.mean(axis=0), 3), left, atol=1e-3)
    expected = np.quantile(np.abs(left), 0.9, axis=0)
    found = both.half_widths(both.encode(rows[:2]), 0.9)
    assert_close(found[0], found[1])
    assert np.median(np.abs(found[0] / np.maximum(expected, 0.1) - 1)) < 0.1  # rows stand in other folds


def shuffled(X):
    return np.random.default_rng(1).permutation(X)


def digits():
    X = shuffled(manifolds.digits()[0])
    return X[:900, np.ptp(X, axis=0) > 8]


SETS = {
    "S-curve": (lambda: manifolds.s_curve(1500, seed=3)[0], {}),
    "digits": (digits, {}),
    "linear": (lambda: shuffled(load_diabetes().data), {"columns": "standard"}),
    "ranks": (lambda: shuffled(load_diabetes().data[:, [0, 2, 3, 4, 5]]), {"columns": "rank"}),
}


@pytest.mark.parametrize("name", SETS)
def test_nine_of_ten_new_values_lie_inside(name):
    make, settings = SETS[name]
    X = make()
    n = 2 * len(X) // 3
    model = ManifoldAutoencoder(2, prior=None, **settings).fit(X[:n])
    low, high = model.interval(model.transform(X[n:]), 0.9)
    inside = ((low <= X[n:]) & (X[n:] <= high)).mean()
    assert 0.87 < inside < 0.93
    narrow = model.interval(model.transform(X[n:]), 0.5)
    assert (narrow[1] - narrow[0]).mean() < 0.7 * (high - low).mean()


@pytest.mark.parametrize("columns", ["raw", "rank"])
def test_words_have_no_bounds_and_leave_those_of_numbers(columns):
    inside = []
    for seed in range(3):
        X = np.random.default_rng(seed).permutation(load_diabetes().data)[:, :6]
        table = pd.DataFrame(X).drop(columns=1).assign(sex=np.where(X[:, 1] > 0, "f", "m"))
        model = ManifoldAutoencoder(2, prior=None, columns=columns).fit(table[:300])
        low, high = model.interval(model.transform(table[300:]), 0.9)
        assert np.isnan(low[:, 5]).all()
        assert np.isnan(high[:, 5]).all()
        numbers = X[300:, [0, 2, 3, 4, 5]]
        inside.append((low[:, :5] <= numbers) & (numbers <= high[:, :5]))
    assert 0.87 < np.mean(inside) < 0.93


def test_too_few_rows_say_nothing(rows):
    model = ManifoldAutoencoder(1, prior=None, columns="rank", d_diffusion=0).fit(rows[:8, 20:23])
    low, high = model.interval([[0.0]])
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()


def test_what_is_refused(rows):
    model = ManifoldAutoencoder(2, prior=None).fit(rows[:60, 20:30])
    with pytest.raises(SettingError, match=r"^ManifoldAutoencoder.interval: level must be .* < 1; got 1.5"):
        model.interval([[0.0, 0.0]], 1.5)
