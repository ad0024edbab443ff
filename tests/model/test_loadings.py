"""Loadings against the matrix of a linear map, and derivatives of a model against differences."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from close import assert_close
from dima.errors import NotFittedError, ShapeError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.manifold_map import ManifoldMap
from model.mixed import table


def differences(decode, Z, step=1e-3):
    moves = np.eye(Z.shape[1]) * step
    return np.stack([(decode(Z + move) - decode(Z - move)) / (2 * step) for move in moves], axis=2)


@pytest.fixture(scope="module")
def hybrid(rows):
    return ManifoldAutoencoder(4, gplm={"m": 80}, dmap={"k": 60}, d_diffusion=2, prior=None).fit(rows)


@pytest.mark.parametrize("split", [0, 2, 4])
def test_the_parts_derivatives_are_the_limit_of_differences(rows, split):
    both = ManifoldMap(DMAP(4, k=40), GPLM(50), split).fit(rows)
    codes = both.training_codes(rows)[0][:5]
    spread = codes.std(axis=0)
    moved = differences(lambda Z: both.decode(Z * spread), codes / spread)
    assert_close(both.jacobian(codes) * spread, moved, atol=1e-4)


def test_a_models_derivatives_are_the_limit_of_differences(hybrid, rows):
    Z = hybrid.transform(rows[:6])
    slopes = hybrid.jacobian(Z)
    assert_close(slopes, differences(hybrid.decoded, Z), atol=1e-4)
    assert_close(hybrid.metric_tensor(Z), np.einsum("aXx,aXy->axy", slopes, slopes), atol=1e-8)


def test_loadings_of_a_linear_model_are_its_matrix(rng):
    X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 6)) + 0.1 * rng.standard_normal((200, 6))
    model, pca = ManifoldAutoencoder(3, d_diffusion=0, prior=None).fit(X), PCA(3).fit(X)
    spread = pca.transform(X).std(axis=0)
    found = model.loadings_
    signs = np.sign((found.values * pca.components_.T).sum(axis=0))
    assert_close(found.values, signs * pca.components_.T * spread, atol=1e-4)
    assert_close(found.steadiness, np.ones((6, 3)), atol=1e-9)
    # Of a linear map alone: what a step of one spread adds to what is decoded.
    assert_close(found.values.T, model.decoded(np.eye(3)) - model.decoded(np.zeros((3, 3))), atol=1e-9)
    assert found.names == [f"column {number}" for number in range(1, 7)]


def test_loadings_are_the_root_mean_square_with_the_sign_of_the_mean(hybrid):
    slopes = differences(hybrid.decoded, hybrid.latents_)
    size, mean = np.sqrt(np.square(slopes).mean(axis=0)), slopes.mean(axis=0)
    found = hybrid.loadings_
    assert_close(np.abs(found.values), size, atol=1e-3)
    certain = np.abs(mean) > 1e-3
    assert certain.mean() > 0.5
    assert np.array_equal(np.sign(found.values)[certain], np.sign(mean)[certain])
    assert_close(found.steadiness * size, np.abs(mean), atol=1e-3)


def test_a_column_that_turns_is_not_steady_and_one_that_does_not_move_is_nothing(rng):
    angle = np.pi * rng.random(300)
    X = np.column_stack([np.cos(angle), np.sin(angle), np.ones(300)])
    found = ManifoldAutoencoder(1, d_diffusion=1, prior=None).fit(X).loadings_
    assert_close(found.values[2], np.zeros(1), atol=1e-12)
    assert found.steadiness[0] > 0.8  # on a half circle the cosine only falls,
    assert found.steadiness[1] < 0.2  # and the sine goes up and down


def test_words_are_features_of_their_own():
    frame = table().drop(columns="label")
    model = ManifoldAutoencoder(2, columns="standard", prior=None).fit(frame)
    found = model.loadings_
    assert found.names == ["amount", "count", "is_new", "colour=blue", "colour=green", "colour=red"]
    assert found.values.shape == (6, 2)
    again = ManifoldAutoencoder.from_arrays(*model.to_arrays()).loadings_
    assert_close(again.values, found.values, atol=1e-9)


def test_derivatives_need_a_fit_and_its_width(hybrid):
    for name in ("jacobian", "metric_tensor"):
        with pytest.raises(NotFittedError):
            getattr(ManifoldAutoencoder(2), name)(np.zeros((1, 2)))
        with pytest.raises(ShapeError, match=r"^ManifoldAutoencoder: Z must have shape \(b, 4\)"):
            getattr(hybrid, name)(np.zeros((1, 2)))
    with pytest.raises(NotFittedError):
        _ = ManifoldAutoencoder(2).loadings_
