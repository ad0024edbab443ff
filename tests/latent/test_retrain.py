import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima import DDPM
from dima.errors import DataError, ShapeError
from dima.latent import retrain
from dima.latent.retrain import losses_by_weights, retrained_losses
from latent.unrolling import D, N, losses_after, small_engine, small_queries

SETTINGS = {"n_iter": 10, "hidden_dim": 6, "t_embed_dim": 4, "batch_size": 8}


def test_models_trained_together_equal_models_trained_alone(monkeypatch):
    monkeypatch.setattr(retrain, "_together", lambda engine: 2)
    weights = (np.random.default_rng(2).random((4, N)) < 0.5).astype(float)
    with jax.enable_x64(True):
        together = losses_by_weights(small_engine("float64"), small_queries("float64"), jnp.asarray(weights))
        alone = np.stack([losses_after(row) for row in weights])
    assert together.shape == (4, 3)
    assert np.ptp(together, axis=0).min() > 1e-3
    assert_close(together, alone, rtol=1e-9)


def test_a_point_without_weight_may_be_anything():
    # Its place in the batches stays, its numbers do not matter.
    engine = small_engine()
    weights = jnp.ones((1, N)).at[0, 3].set(0.0)
    points = engine.examples.points
    others = [
        dataclasses.replace(engine, examples=engine.examples._replace(points=data))
        for data in (points, points.at[3].add(1.0))
    ]
    first, second = (losses_by_weights(other, small_queries(), weights) for other in others)
    assert_close(first, second)
    assert np.abs(losses_by_weights(others[1], small_queries(), jnp.ones((1, N))) - first).min() > 1e-5


def test_weights_of_one_give_the_fitted_model():
    Z = np.random.default_rng(0).standard_normal((N, D)) * [1, 5] + 3
    prior = DDPM(**SETTINGS).fit(Z)
    found = retrained_losses(prior.fit_, Z, Z[:2], np.ones((1, N)))
    half = retrained_losses(prior.fit_, Z, Z[:2], np.eye(1, N))
    engine = retrain.engine_of(prior.fit_, Z)
    queries = jnp.asarray((Z[:2] - prior.fit_.scale.center) / prior.fit_.scale.unit, "float32")
    key = retrain.query_key(engine)
    levels = engine.examples.levels
    expected = retrain.objective.point_losses(engine.plan, prior.parameters_, queries, levels, key)
    assert_close(found[0], expected, rtol=1e-5)
    assert np.abs(half - found).min() > 1e-5


def test_weights_are_checked():
    Z = np.random.default_rng(0).standard_normal((N, D))
    fit = DDPM(**SETTINGS).fit(Z).fit_
    with pytest.raises(DataError, match="points must be those of the fit"):
        retrained_losses(fit, Z + 1, Z, np.ones((2, N)))
    with pytest.raises(ShapeError, match=r"weights must have shape \(k, 12\)"):
        retrained_losses(fit, Z, Z, np.ones((2, N + 1)))
    with pytest.raises(DataError, match="weights must be at least 0; got -1"):
        retrained_losses(fit, Z, Z, -np.ones((2, N)))
