import jax
import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima.latent import denoiser
from dima.latent.denoiser import init

apply = jax.jit(denoiser.apply)
LEVELS = jnp.linspace(-20, 20, 6)


@pytest.fixture(params=denoiser.BLOCKS)
def block(request):
    return request.param


def drawn(t_embed_dim=8, block="single"):
    """Parameters as training may leave them: nothing is zero."""
    shapes = jax.eval_shape(lambda key: init(key, 3, 16, t_embed_dim, 2, block), jax.random.key(0))
    random = np.random.default_rng(1)
    return {
        name: jnp.asarray(random.normal(0, 0.4, value.shape), jnp.float32) for name, value in shapes.items()
    }


def states():
    return jnp.asarray(np.random.default_rng(2).standard_normal((12, 3)), jnp.float32)


def test_zero_before_training(block):
    parameters = init(jax.random.key(0), 3, 16, 8, 2, block)
    assert_close(apply(parameters, 100 * states(), LEVELS), np.zeros((12, 3)))


def test_finite_at_every_level_and_far_away(block):
    answer = apply(drawn(block=block), 1e3 * states(), LEVELS)
    assert answer.shape == (12, 3)
    assert answer.dtype == jnp.float32
    assert np.isfinite(answer).all()


def test_a_level_shared_equals_the_level_repeated(block):
    shared = apply(drawn(block=block), states(), LEVELS)
    assert_close(shared, apply(drawn(block=block), states(), jnp.repeat(LEVELS, 2)), atol=1e-5)


def test_one_level_for_all():
    level = LEVELS[2:3]
    repeated = apply(drawn(), states(), jnp.repeat(level, 12))
    assert_close(apply(drawn(), states(), level), repeated, atol=1e-5)


def test_a_state_is_answered_alone(block):
    whole = apply(drawn(block=block), states(), LEVELS[:1])
    assert_close(apply(drawn(block=block), states()[7:8], LEVELS[:1]), whole[7:8], atol=1e-5)


def test_levels_are_told_apart():
    # All pairs of a hundred levels over the range training draws from.
    level = jnp.linspace(-8, 8, 100)
    answer = np.asarray(apply(drawn(), jnp.ones((100, 3)), level))
    gap = np.abs(answer[:, None] - answer).max(axis=-1) + np.eye(100)
    assert gap.min() > 1e-3


@pytest.mark.parametrize("width", [2, 3])
def test_any_width_of_the_embedding(width):
    assert np.isfinite(apply(drawn(t_embed_dim=width), states(), LEVELS)).all()


def test_draws_are_a_function_of_the_key():
    one, same, other = (init(jax.random.key(seed), 3, 16, 8, 2) for seed in (0, 0, 1))
    assert all((one[name] == same[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)


def test_a_double_block_is_two_products_about_a_norm():
    p = {name: np.asarray(value, np.float64) for name, value in drawn(block="double").items()}
    x, level = np.asarray(states(), np.float64), 0.3
    silu = lambda v: v / (1 + np.exp(-v))  # noqa: E731 used here alone
    linear = lambda name, v: v @ p[f"{name}/w"] + p[f"{name}/b"]  # noqa: E731 used here alone
    rates = np.geomspace(0.25, 16.0, 4)
    waves = np.concatenate([np.sin(level / 4 * rates), np.cos(level / 4 * rates)])
    film = linear("film", silu(linear("level2", silu(linear("level1", waves))))).reshape(2, 2, 16)
    h = linear("in", x)
    for i, (gamma, beta) in enumerate(film):
        normed = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + 1e-5)
        h = h + linear(f"block{i}", silu(linear(f"inner{i}", silu((1 + gamma) * normed + beta))))
    answer = apply(drawn(block="double"), states(), jnp.asarray([level]))
    assert_close(answer, linear("out", h), atol=1e-3, rtol=1e-3)


def test_conditions_shift_blocks_only_where_they_are_given():
    fresh = init(jax.random.key(0), 3, 16, 8, 2, "single", 2)
    random = np.random.default_rng(1)
    parameters = {
        name: jnp.asarray(random.normal(0, 0.4, of.shape), jnp.float32) for name, of in fresh.items()
    }
    known = jnp.asarray(random.standard_normal((12, 2)), jnp.float32)
    none = apply(parameters, states(), LEVELS)
    given = apply(parameters, states(), LEVELS, known)
    assert (jnp.abs(given - none).max(axis=1) > 1e-3).all()
    unknown = known.at[4].set(jnp.nan)
    some = apply(parameters, states(), LEVELS, unknown)
    assert_close(some[4], none[4], atol=1e-6)
    assert_close(np.delete(some, 4, axis=0), np.delete(given, 4, axis=0), atol=1e-6)


def test_a_condition_of_zero_is_one():
    fresh = init(jax.random.key(0), 3, 16, 8, 2, "single", 2)
    parameters = {name: of + 0.1 for name, of in fresh.items()}
    zero, none = apply(parameters, states(), LEVELS, jnp.zeros((12, 2))), apply(parameters, states(), LEVELS)
    assert float(jnp.abs(zero - none).max()) > 1e-3


def test_before_training_conditions_change_nothing():
    parameters = init(jax.random.key(0), 3, 16, 8, 2, "single", 2)
    assert_close(apply(parameters, states(), LEVELS, jnp.ones((12, 2))), apply(parameters, states(), LEVELS))
