import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from close import assert_close
from dima.latent import toy
from dima.noise.schedule import path

CHAIN = toy.Chain(path("linear", 40))


def test_noising_is_the_chain_in_one_go(rng):
    # Step by step: x <- sqrt(1 - beta) x + sqrt(beta) z gives the same mean and variance.
    alpha, sigma = 1.0, 0.0
    for before, after in itertools.pairwise(CHAIN.path.alpha[:26]):
        kept = after / before
        alpha, sigma = kept * alpha, np.sqrt(kept**2 * sigma**2 + 1 - kept**2)
    x0, noise = rng.standard_normal((2, 5, 2))
    noisy = CHAIN.q_sample(jnp.asarray(x0), jnp.full(5, 25), jnp.asarray(noise))
    assert_close(noisy, alpha * x0 + sigma * noise, atol=1e-5)


def test_snapshots_share_one_noise(rng):
    x0 = rng.standard_normal((6, 2)).astype(np.float32)
    first, last = toy.noised(CHAIN, x0, [0, 40], seed=3)
    noise = jax.random.normal(jax.random.key(3), x0.shape)
    assert_close(first, x0, atol=1e-6)
    assert_close(last, CHAIN.q_sample(jnp.asarray(x0), jnp.full(6, 40), noise), atol=1e-6)


def test_a_start_is_the_points_and_a_fresh_network(rng):
    points, network = toy.start(rng.standard_normal((6, 2)), 8, seed=4)
    assert points.shape == (6, 2)
    assert_close(network["w0"], toy.init_network(jax.random.key(4), 2, 8)["w0"])


def test_the_network_has_three_hidden_layers():
    network = toy.init_network(jax.random.key(0), 2, 16)
    assert [network[f"w{i}"].shape[1] for i in range(4)] == [16, 16, 16, 2]


def test_a_guess_of_nothing_costs_the_variance_of_the_noise():
    network = jax.tree.map(jnp.zeros_like, toy.init_network(jax.random.key(0), 2, 16))
    loss = toy.noise_loss(network, CHAIN, jnp.zeros((4000, 2)), jax.random.key(1))
    assert float(loss) == pytest.approx(1.0, abs=0.05)


def test_an_epoch_is_one_shuffled_pass_of_adam(rng):
    data = jnp.asarray(rng.standard_normal((8, 2)), jnp.float32)
    network = toy.init_network(jax.random.key(0), 2, 8)
    trained, record = next(toy.epochs(network, CHAIN, data, 4, 1e-2, seed=5))
    key_order, key_steps = jax.random.split(jax.random.fold_in(jax.random.key(5), 0))
    batches = data[jax.random.permutation(key_order, 8)].reshape(2, 4, 2)
    adam, losses = optax.adam(1e-2), []
    state = adam.init(network)
    for batch, key in zip(batches, jax.random.split(key_steps, 2), strict=True):
        loss, gradient = jax.value_and_grad(toy.noise_loss)(network, CHAIN, batch, key)
        updates, state = adam.update(gradient, state)
        network, losses = optax.apply_updates(network, updates), [*losses, float(loss)]
    assert record.loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert_close(trained["w3"], network["w3"], atol=1e-5)


def test_samples_of_a_gaussian_have_its_moments(rng):
    data = jnp.asarray(rng.standard_normal((4000, 2)) @ np.array([[1.0, 0.3], [0.0, 0.6]]), jnp.float32)
    network = toy.init_network(jax.random.key(0), 2, 64)
    for trained, _ in itertools.islice(toy.epochs(network, CHAIN, data, 256, 2e-3, seed=0), 60):
        network = trained
    states = toy.ancestral_sample(network, CHAIN, 3000, 2, seed=1)
    assert states.shape == (41, 3000, 2)
    assert_close(np.cov(states[0].T), np.eye(2), atol=0.1)
    assert_close(np.cov(states[-1].T), np.cov(data.T), atol=0.15)
    assert_close(toy.ancestral_sample(network, CHAIN, 3, 2, seed=1)[-1], states[-1, :3], atol=1e-3)
