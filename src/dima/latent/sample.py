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

__all__ = ["FREE", "Guide", "Rows", "rows", "sample_keys", "solve", "standard_normal", "walk"]

_FAR_SHARE = 0.95  # of the coordinates that dynamic bounds leave uncut


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


class Guide(NamedTuple):
    """What the clean estimates of a walk are held to, in standardised units.

    Attributes:
        condition: (b, c) what is known of each sample, as `denoiser.apply` takes it.
        known: (b, d) coordinates that keep their values, NaN where they are free.
        bounds: (2, d) range that the clean estimate is cut to.
        weight: of guidance, away from the clean estimate without the condition; without a condition away
            from that of a standard normal, the weak model of standardised data.
        is_dynamic: whether a sample that leaves the range is drawn in as a whole instead.
    """

    condition: jax.Array | None = None
    known: jax.Array | None = None
    bounds: jax.Array | None = None
    weight: float | None = None
    is_dynamic: bool = False


FREE = Guide()


@functools.partial(jax.jit, static_argnames="target")
def solve(
    parameters: Parameters, target: str, table: Rows, x: jax.Array, keys: jax.Array, guide: Guide = FREE
) -> jax.Array:
    """Walk the table with the trained denoiser, held to a guide; `keys` (b,) are the samples' own."""

    def estimate(x: jax.Array, row: Rows, condition: jax.Array | None) -> jax.Array:
        network = functools.partial(apply, parameters, log_snr=row.log_snr[None], condition=condition)
        return targets.estimate(target, network, x, row.alpha, row.sigma)

    def denoise(x: jax.Array, row: Rows) -> jax.Array:
        D = estimate(x, row, guide.condition)
        if guide.weight is not None:
            of_gaussian = row.alpha / (row.alpha**2 + row.sigma**2) * x
            weak = of_gaussian if guide.condition is None else estimate(x, row, None)
            D = targets.guided(D, weak, guide.weight)
        if guide.bounds is not None:
            D = _within(D, guide.bounds, guide.is_dynamic)
        # A coordinate whose clean estimate is its known value walks down the noise of that value exactly.
        return D if guide.known is None else jnp.where(jnp.isnan(guide.known), D, guide.known)

    return walk(table, denoise, x, lambda i: standard_normal(keys, i + 1, x.shape[1]))


def _within(D: jax.Array, bounds: jax.Array, is_dynamic: bool | jax.Array) -> jax.Array:
    """Clean estimates (b, d) within bounds (2, d): coordinate by coordinate, or each sample as a whole.

    As a whole, a sample is drawn towards the middle until only its farthest twentieth is cut.
    Source: Saharia et al. 2022, section 2.3 (dynamic thresholding).
    """
    middle, reach = bounds.mean(axis=0), (bounds[1] - bounds[0]) / 2
    off = (D - middle) / jnp.where(reach > 0, reach, 1.0)  # a flat axis is cut to its middle
    far = jnp.maximum(jnp.quantile(jnp.abs(off), _FAR_SHARE, axis=1, keepdims=True), 1.0)
    far = jnp.where(is_dynamic, far, 1.0)
    return middle + jnp.clip(off, -far, far) / far * reach


@functools.partial(jax.jit, static_argnums=(1, 2))
def sample_keys(seed: int, start: int, stop: int) -> jax.Array:
    """Keys of the samples numbered start..stop."""
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(start, stop))


@functools.partial(jax.jit, static_argnums=2)
def standard_normal(keys: jax.Array, i: jax.Array | int, d: int) -> jax.Array:
    """Draw number `i` (b, d) of each of the samples that own `keys` (b,)."""
    return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, i), (d,)))(keys)
