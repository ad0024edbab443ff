"""A training small enough to repeat for finite differences, in float64 or float32."""

import jax
import jax.numpy as jnp
import numpy as np

from dima.latent import denoiser, objective, train
from dima.latent.unrolled import query_key
from dima.noise.schedule import path

N, D, STEPS = 12, 2, 30


def small_engine(dtype="float32", weights=None, target="v", **changes):
    """The same draws and start in either precision."""
    rng = np.random.default_rng(0)
    plan = objective.Plan(STEPS, 8, 3e-3, 0.9, target, record_every=STEPS, **changes)
    with jax.enable_x64(False):  # the type of what is drawn changes the numbers
        network = denoiser.init(jax.random.key(0), D, 6, 4, 1)
    levels = path("cosine", 100).log_snr[1:].astype(np.float32)
    arrays = rng.standard_normal((N, D)).astype(np.float32), levels
    points, levels = (jnp.asarray(array, dtype) for array in arrays)
    network = {name: jnp.asarray(value, dtype) for name, value in network.items()}
    examples = objective.Examples(points, levels, jax.random.key(1))
    if weights is not None:
        examples = examples._replace(weights=jnp.asarray(weights, dtype))
    return train.Engine(plan, network, examples, examples)


def small_queries(dtype="float32"):
    return jnp.asarray(np.random.default_rng(1).standard_normal((3, D)).astype(np.float32), dtype)


def losses_after(weights):
    """Query losses after a training of its own in float64: no derivative, no other model beside it."""
    made = small_engine("float64", weights)
    ema = list(made.steps(made.start()))[-1][0].ema
    return np.asarray(
        objective.point_losses(
            made.plan, ema, small_queries("float64"), made.examples.levels, query_key(made)
        )
    )
