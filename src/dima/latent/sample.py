"""Walking a solver table with `lax.scan`, and the denoiser as a function of a table's rows.

Noise is a function of (seed, sample, row): a sample does not depend on the batch it is drawn in.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

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
    number: jax.Array


Denoise = Callable[[jax.Array, Rows], jax.Array]
Draw = Callable[[jax.Array], jax.Array]


def rows(table: SolverTable) -> Rows:
    """Convert a table once, to float32."""
    columns = (table.alpha[:-1], table.sigma[:-1], table.log_snr, table.M, table.C)
    return Rows._make([*(jnp.asarray(column, jnp.float32) for column in columns), jnp.arange(table.steps)])


def walk(table: Rows, denoise: Denoise, x: jax.Array, draw: Draw, keep: bool = False) -> jax.Array:
    """Walk the table.

    Args:
        table: the rows.
        denoise: (x, row) -> clean estimate D.
        x: state before the first row.
        draw: row number -> standard normal draws of the shape of `x`.
        keep: return every state on the way.

    Returns:
        The state after the last row, or with `keep` all states (S + 1, ...), the start first.

    Example:
        >>> from dima.noise import solver
        >>> table = rows(solver.build("ddim", [0.0, 0.6, 1.0], [1.0, 0.8, 0.0]))
        >>> walk(table, lambda x, row: 2.0 + 0 * x, jnp.ones(3), jnp.zeros_like).tolist()
        [2.0, 2.0, 2.0]
    """

    def step(state: tuple[jax.Array, ...], row: Rows) -> tuple[tuple[jax.Array, ...], Any]:
        anchor, x, *history = state
        history = [denoise(x, row), *history[:-1]]
        terms = jnp.stack([anchor, x, *history])
        anchor, x = jnp.tensordot(row.M, terms, axes=1)
        x = x + row.C * draw(row.number)
        return (anchor, x, *history), x if keep else None

    depth = table.M.shape[-1] - 2
    final, states = jax.lax.scan(step, (x, x, *[jnp.zeros_like(x)] * depth), table)
    return jnp.concatenate([x[None], states]) if keep else final[1]


@functools.partial(jax.jit, static_argnames="target")
def solve(
    parameters: Parameters,
    target: str,
    table: Rows,
    x: jax.Array,
    keys: jax.Array,
    guidance: float | None = None,
) -> jax.Array:
    """Walk the table with the trained denoiser; `keys` (b,) are the samples' own.

    With `guidance`, away from the clean estimate of a standard normal, the weak model of standardised data.
    """

    def denoise(x: jax.Array, row: Rows) -> jax.Array:
        network = functools.partial(apply, parameters, log_snr=row.log_snr[None])
        D = targets.estimate(target, network, x, row.alpha, row.sigma)
        if guidance is None:
            return D
        weak = row.alpha / (row.alpha**2 + row.sigma**2) * x
        return targets.guided(D, weak, guidance)

    return walk(table, denoise, x, lambda i: standard_normal(keys, i + 1, x.shape[1]))


@functools.partial(jax.jit, static_argnums=(1, 2))
def sample_keys(seed: int, start: int, stop: int) -> jax.Array:
    """Keys of the samples numbered start..stop."""
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(start, stop))


@functools.partial(jax.jit, static_argnums=2)
def standard_normal(keys: jax.Array, i: jax.Array | int, d: int) -> jax.Array:
    """Draw number `i` (b, d) of each of the samples that own `keys` (b,)."""
    return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, i), (d,)))(keys)
