"""Retraining a vector diffusion model with other weights of its training points.

A point is removed by weight 0 with everything else equal: start, order, noise. The models of a group train
together over the same draws.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError
from dima.latent import border, objective, train
from dima.latent.ddpm_fit import DDPMFit
from dima.latent.unrolled import engine_of, query_key
from dima.typing import Array, ArrayLike

__all__ = ["losses_by_weights", "retrained_losses"]

_ARRAYS = 5  # of the size of the network that a training holds: itself, average, two moments, gradient
_AXES: tuple[Any, ...] = (None, 0, 0, 0)  # models of a group stand at one step, so that they share its draws
_WIDE = 16  # arrays (batch, width) that a step keeps


def retrained_losses(fit: DDPMFit, points: ArrayLike, queries: ArrayLike, weights: ArrayLike) -> Array:
    """Loss of each query under the models trained with the weights given.

    Args:
        fit: `DDPM.fit_`; its settings are those of the training.
        points: (n, d) latents it was fitted to.
        queries: (q, d) latents.
        weights: (k, n) weight of each point in the loss of each model; 0 removes it, 1 leaves it.

    Returns:
        (k, q) losses under the averaged network, over the same draws for all.

    Raises:
        SettingError: as `dima.latent.unrolled.engine_of`.
        ShapeError, DataError: an array cannot be used, the points are not those of the fit, or a weight is
            negative.

    Example:
        >>> from dima import DDPM
        >>> Z = np.random.default_rng(0).standard_normal((50, 2))
        >>> fit = DDPM(n_iter=5, hidden_dim=8).fit(Z).fit_
        >>> retrained_losses(fit, Z, Z[:3], np.ones((2, 50))).shape
        (2, 3)
    """
    owner = "retrained_losses"
    asked = check.array(owner, "queries", queries, ("q", len(fit.scale.center)))
    engine = engine_of(fit, points)
    given = check.array(owner, "weights", weights, ("k", len(engine.examples.points)))
    if given.min() < 0:
        raise DataError(f"{owner}: weights must be at least 0; got {given.min():g}. Remove points with 0.")
    with jax.default_device(border.device(fit.settings["device"])):
        standard = jnp.asarray(fit.scale.apply(asked, np.float32))
        return losses_by_weights(engine, standard, jnp.asarray(given, jnp.float32))


def losses_by_weights(engine: train.Engine, queries: jax.Array, weights: jax.Array) -> Array:
    """Loss (k, q) of standardised queries (q, d) after training with each row of weights (k, n)."""
    blocks = row_blocks(len(weights), _together(engine))
    return np.concatenate([np.asarray(_trained(engine, queries, weights[rows])) for rows in blocks])


def _trained(engine: train.Engine, queries: jax.Array, weights: jax.Array) -> jax.Array:
    """Losses (k, q) of models that train at once."""
    start = engine.start()
    states = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], len(weights), axis=0), start)
    states = states._replace(step=start.step)
    for part in row_blocks(engine.n_steps, engine.most_steps):
        states = _run_group(engine.plan, part.stop - part.start, states, engine.examples, weights)
    key = query_key(engine)
    return jnp.stack(
        [
            objective.point_losses(engine.plan, ema, queries, engine.examples.levels, key)
            for ema in ({name: value[i] for name, value in states.ema.items()} for i in range(len(weights)))
        ]
    )


@functools.partial(jax.jit, static_argnames=("plan", "length"))
def _run_group(
    plan: objective.Plan, length: int, states: train.State, examples: objective.Examples, weights: jax.Array
) -> train.State:
    def run(state: train.State, own: jax.Array) -> train.State:
        return train.run_steps(plan, length, state, examples._replace(weights=own))[0]

    each = train.State(*_AXES)
    return jax.vmap(run, in_axes=(each, 0), out_axes=each)(states, weights)


def _together(engine: train.Engine) -> int:
    """Models that train at once."""
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(engine.network))
    width = engine.network["in/b"].nbytes
    return rows_within(_ARRAYS * size + _WIDE * engine.plan.batch_size * width)
