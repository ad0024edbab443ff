"""Walking a solver table with `lax.scan`, and the denoiser as a function of a table's rows.

Noise is a function of (seed, sample, row): a sample does not depend on the batch it is drawn in.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dima.latent.denoiser import Parameters, apply
from dima.noise import target as targets
from dima.noise.solver import SolverTable

__all__ = ["Rows", "rows", "sample_keys", "solve", "standard_normal", "walk"]


class Rows(NamedTuple):
    """A solver table as JAX arrays, one leading axis over the rows."""

    alpha: jax.Array
    sigma: jax.Array
    log_snr: jax.Array
    M: jax.Array
    C: jax.Array


Denoise = Callable[[jax.Array, Rows], jax.Array]
Draw = Callable[[jax.Array], jax.Array]


def rows(table: SolverTable) -> Rows:
    """Convert a table once, to float32."""
    columns = (table.alpha[:-1], table.sigma[:-1], table.log_snr, table.M, table.C)
    return Rows(*(jnp.asarray(column, jnp.float32) for column in columns))


def walk(table: Rows, denoise: Denoise, x: jax.Array, draw: Draw) -> jax.Array:
    """Walk the table.

    Args:
        table: the rows.
        denoise: (x, row) -> clean estimate D.
        x: state before the first row.
        draw: row number -> standard normal draws of the shape of `x`.
    """

    def step(state: tuple[jax.Array, ...], at: tuple[Rows, jax.Array]) -> tuple[tuple[jax.Array, ...], None]:
        row, i = at
        anchor, x, *history = state
        history = [denoise(x, row), *history[:-1]]
        terms = jnp.stack([anchor, x, *history])
        anchor, x = jnp.tensordot(row.M, terms, axes=1)
        return (anchor, x + row.C * draw(i), *history), None

    depth = table.M.shape[-1] - 2
    state = (x, x, *[jnp.zeros_like(x)] * depth)
    final, _ = jax.lax.scan(step, state, (table, jnp.arange(len(table.C))))
    return final[1]


@functools.partial(jax.jit, static_argnames="target")
def solve(parameters: Parameters, target: str, table: Rows, x: jax.Array, keys: jax.Array) -> jax.Array:
    """Walk the table with the trained denoiser; `keys` (b,) are the samples' own."""

    def denoise(x: jax.Array, row: Rows) -> jax.Array:
        # The network knows unit-variance states only; other paths are the same up to this scale.
        scale = jnp.hypot(row.alpha, row.sigma)
        answer = apply(parameters, x / scale, row.log_snr[None])
        level = row.alpha / scale, row.sigma / scale
        estimate: jax.Array = targets.clean(target, x / scale, answer, *level)
        return estimate

    return walk(table, denoise, x, lambda i: standard_normal(keys, i + 1, x.shape[1]))


@functools.partial(jax.jit, static_argnums=(1, 2))
def sample_keys(seed: int, start: int, stop: int) -> jax.Array:
    """Keys of the samples numbered start..stop."""
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(start, stop))


@functools.partial(jax.jit, static_argnums=2)
def standard_normal(keys: jax.Array, i: jax.Array | int, d: int) -> jax.Array:
    """Draw number `i` (b, d) of each of the samples that own `keys` (b,)."""
    return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, i), (d,)))(keys)
