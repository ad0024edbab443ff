"""Toy diffusion: the textbook DDPM in pieces small enough to read in one sitting.

    x_t = alpha_t x_0 + sigma_t noise;   a network guesses the noise from (x_t, t);   x_T ~ N(0, 1) is
    walked back step by step

Everything a two-dimensional experiment needs and nothing more; `DDPM` is what to use for work.
Source: Ho, Jain and Abbeel 2020, algorithms 1 and 2.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dima.latent import sample as walker
from dima.noise import solver as solvers
from dima.noise import target as targets
from dima.noise.schedule import Path
from dima.progress import StepRecord
from dima.typing import Array

__all__ = [
    "Chain",
    "Network",
    "ancestral_sample",
    "epochs",
    "init_network",
    "noise_loss",
    "noised",
    "predict_noise",
    "start",
]

Network = dict[str, jax.Array]

_LAYERS = 3  # hidden layers
_WAVES = 5  # octaves of each input


@dataclasses.dataclass(frozen=True)
class Chain:
    """The forward noising chain of a path, for steps t in 1..T."""

    path: Path

    @property
    def T(self) -> int:
        """Number of noising steps."""
        return self.path.T

    def q_sample(self, x0: jax.Array, t: jax.Array, noise: jax.Array) -> jax.Array:
        """Noise clean points `x0` (b, d) to steps `t` (b,) with standard normal `noise` (b, d)."""
        alpha, sigma = (jnp.float32(level)[t][:, None] for level in (self.path.alpha, self.path.sigma))
        return alpha * x0 + sigma * noise


def noised(chain: Chain, x0: Array, times: Array, seed: int) -> list[Array]:
    """Points `x0` (n, d) at each of the `times`, with the same noise."""
    points = jnp.asarray(x0)
    noise = jax.random.normal(jax.random.key(seed), points.shape)
    return [np.asarray(chain.q_sample(points, jnp.full(len(points), t), noise)) for t in times]


def start(x0: Array, hidden_dim: int, seed: int) -> tuple[jax.Array, Network]:
    """Points `x0` (n, d) for `epochs`, and a fresh network of their dimension."""
    points = jnp.asarray(x0)
    return points, init_network(jax.random.key(seed), points.shape[1], hidden_dim)


def init_network(key: jax.Array, d: int, hidden_dim: int) -> Network:
    """Three hidden layers of `hidden_dim`, fed with waves of the point and of its share of time."""
    widths = [(d + 1) * (1 + 2 * _WAVES), *[hidden_dim] * _LAYERS, d]
    keys = jax.random.split(key, len(widths) - 1)
    network: Network = {}
    for i, (draw, fan_in, fan_out) in enumerate(zip(keys, widths[:-1], widths[1:], strict=True)):
        network[f"w{i}"] = jax.random.normal(draw, (fan_in, fan_out)) * fan_in**-0.5
        network[f"b{i}"] = jnp.zeros(fan_out)
    return network


def predict_noise(network: Network, x: jax.Array, time_share: jax.Array) -> jax.Array:
    """The guess (b, d) of the noise in `x` (b, d) at `time_share` t / T (b,)."""
    # Waves of the inputs sharpen edges more than a wider network does (Tancik et al. 2020).
    inputs = jnp.concatenate([x, time_share[:, None]], axis=1)
    waves = [f(2.0**k * inputs) for k in range(_WAVES) for f in (jnp.sin, jnp.cos)]
    h = jnp.concatenate([inputs, *waves], axis=1)
    for i in range(_LAYERS):
        h = jax.nn.silu(h @ network[f"w{i}"] + network[f"b{i}"])
    return h @ network[f"w{_LAYERS}"] + network[f"b{_LAYERS}"]


def noise_loss(network: Network, chain: Chain, x0: jax.Array, key: jax.Array) -> jax.Array:
    """Mean squared error of the guessed noise, at steps drawn evenly."""
    key_t, key_noise = jax.random.split(key)
    t = jax.random.randint(key_t, (len(x0),), 1, chain.T + 1)
    noise = jax.random.normal(key_noise, x0.shape)
    guess = predict_noise(network, chain.q_sample(x0, t, noise), t / chain.T)
    return jnp.square(guess - noise).mean()


def epochs(
    network: Network, chain: Chain, data: jax.Array, batch_size: int, learning_rate: float, seed: int
) -> Iterator[tuple[Network, StepRecord]]:
    """Train with Adam for ever, one shuffled pass over `data` (n, d) at a time.

    Yields the network and the epoch's number, mean loss and the seconds since the start.
    """
    adam = optax.adam(learning_rate)
    learnt, began = (network, adam.init(network)), time.perf_counter()
    batch_size = min(batch_size, len(data))

    @jax.jit
    def one_epoch(learnt: tuple[Network, optax.OptState], key: jax.Array) -> Any:
        key_order, key_steps = jax.random.split(key)
        order = jax.random.permutation(key_order, len(data))
        batches = data[order[: len(data) // batch_size * batch_size].reshape(-1, batch_size)]

        def step(learnt: tuple[Network, optax.OptState], drawn: tuple[jax.Array, jax.Array]) -> Any:
            network, state = learnt
            loss, gradient = jax.value_and_grad(noise_loss)(network, chain, *drawn)
            updates, state = adam.update(gradient, state)
            return (optax.apply_updates(network, updates), state), loss

        learnt, losses = jax.lax.scan(step, learnt, (batches, jax.random.split(key_steps, len(batches))))
        return learnt, losses.mean()

    for epoch in itertools.count():
        learnt, loss = one_epoch(learnt, jax.random.fold_in(jax.random.key(seed), epoch))
        yield learnt[0], StepRecord(epoch + 1, float(loss), time.perf_counter() - began)


def ancestral_sample(network: Network, chain: Chain, n: int, d: int, seed: int) -> jax.Array:
    """Walk `n` points back from pure noise; all states (T + 1, n, d), the samples last."""
    table = solvers.build("ddpm", chain.path.alpha[::-1], chain.path.sigma[::-1])
    return _walk(network, walker.rows(table), walker.sample_keys(seed, 0, n), d)


@functools.partial(jax.jit, static_argnames="d")
def _walk(network: Network, rows: walker.Rows, keys: jax.Array, d: int) -> jax.Array:
    def denoise(x: jax.Array, row: walker.Rows) -> jax.Array:
        time_share = jnp.full(len(x), 1 - row.number / len(rows.C))
        guess = functools.partial(predict_noise, network, time_share=time_share)
        return targets.estimate("eps", guess, x, row.alpha, row.sigma)

    start = walker.standard_normal(keys, 0, d)
    return walker.walk(rows, denoise, start, lambda i: walker.standard_normal(keys, i + 1, d), keep=True)
