"""The vector denoiser: a residual MLP whose blocks are scaled and shifted by the noise level.

    single:  h <- h + W silu((1 + gamma) h + beta),                     (gamma, beta) = FiLM(lambda)
    double:  h <- h + W2 silu(W1 silu((1 + gamma) norm(h) + beta))

A single block (pre-activation residuals, He et al. 2016) trains in half the time; a double one, whose norm
has no parameters, comes closer to the data where there is time for it. Which it is stands in the names
of the parameters. Pure functions over a flat dictionary of arrays; every block starts as the identity and
the head at zero. Sources: FiLM, Perez et al. 2018; conditioning on log-SNR, Karras et al. 2022, table 1;
blocks as in Peebles and Xie 2023, section 3.2, without attention.
"""

import functools
import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from msgspec import Meta

from dima.settings import OneOf

__all__ = ["BLOCKS", "Block", "EmbeddingWidth", "Parameters", "Width", "apply", "init"]

Parameters = dict[str, jax.Array]

Width = Annotated[int, Meta(ge=1, le=65_536, description="width of the network")]
EmbeddingWidth = Annotated[int, Meta(ge=2, le=65_536, description="width of the noise-level embedding")]
BLOCKS = ("single", "double")
Block = Annotated[str, OneOf(*BLOCKS), Meta(description="residual block: single is faster, double finer")]
_FREQUENCIES = (0.25, 16.0)  # per unit of lambda / 4: from its whole range to a hundredth of it


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4, 5, 6))
def init(  # noqa: PLR0913 the sizes
    key: jax.Array,
    d: int,
    hidden_dim: int,
    t_embed_dim: int,
    n_blocks: int,
    block: str = "single",
    n_conditions: int = 0,
) -> Parameters:
    """Draw the parameters for points of `d` coordinates, of which `n_conditions` more numbers are known."""
    shapes = {
        "in": (d, hidden_dim),
        "level1": (t_embed_dim, t_embed_dim),
        "level2": (t_embed_dim, t_embed_dim),
        "film": (t_embed_dim, 2 * n_blocks * hidden_dim),
    }
    for i in range(n_blocks):
        inner = {f"inner{i}": (hidden_dim, hidden_dim)} if block == "double" else {}
        shapes |= inner | {f"block{i}": (hidden_dim, hidden_dim)}
    shapes["out"] = (hidden_dim, d)
    if n_conditions:
        # One number more says that there is a condition.
        shapes |= {"known1": (n_conditions + 1, t_embed_dim), "known2": (t_embed_dim, n_blocks * hidden_dim)}
    zero = {"out", "film", "known2"} | {name for name in shapes if name.startswith("block")}
    parameters: Parameters = {}
    # One draw for all: sixteen small ones take seconds to compile.
    sizes = [0 if name in zero else math.prod(shape) for name, shape in shapes.items()]
    drawn = jax.random.normal(key, (sum(sizes),))
    parts = jnp.split(drawn, np.cumsum(sizes)[:-1])
    for (name, shape), part in zip(shapes.items(), parts, strict=True):
        scaled = part.reshape(shape) * shape[0] ** -0.5 if part.size else jnp.zeros(shape)
        parameters |= {f"{name}/w": scaled, f"{name}/b": jnp.zeros(shape[1])}
    return parameters


def apply(
    parameters: Parameters, x: jax.Array, log_snr: jax.Array, condition: jax.Array | None = None
) -> jax.Array:
    """The network's answer (b, d) at unit-variance states `x` (b, d).

    `log_snr` (l,) gives the levels, each shared by b / l consecutive states; `condition` (b, c) what is known
    of each state, NaN in every column where nothing is.
    """
    level = log_snr[:, None] / 4
    width = parameters["level1/w"].shape[0]
    rates = jnp.geomspace(*_FREQUENCIES, width // 2)
    waves = jnp.concatenate([jnp.sin(level * rates), jnp.cos(level * rates)], axis=-1)
    waves = jnp.pad(waves, ((0, 0), (0, width % 2)))
    level = jax.nn.silu(_linear(parameters, "level2", jax.nn.silu(_linear(parameters, "level1", waves))))
    h = _linear(parameters, "in", x)
    films = _linear(parameters, "film", level).reshape(len(log_snr), 1, -1, 2, h.shape[-1])
    shifts = _shifts(parameters, condition, len(log_snr))
    for i in range(films.shape[2]):
        gamma, beta = films[:, :, i, 0], films[:, :, i, 1]
        beta = beta if shifts is None else beta + shifts[:, :, i]
        is_double = f"inner{i}/w" in parameters
        inner = (_normalised(h) if is_double else h).reshape(len(log_snr), -1, h.shape[-1])
        inner = jax.nn.silu((1 + gamma) * inner + beta).reshape(h.shape)
        if is_double:
            inner = jax.nn.silu(_linear(parameters, f"inner{i}", inner))
        h = h + _linear(parameters, f"block{i}", inner)
    return _linear(parameters, "out", h)


def _shifts(parameters: Parameters, condition: jax.Array | None, n_levels: int) -> jax.Array | None:
    """What is known of the states, as shifts (l, b / l, blocks, width); None in a network without."""
    if "known1/w" not in parameters:
        return None
    if condition is None:
        condition = jnp.full((n_levels, len(parameters["known1/w"]) - 1), jnp.nan)
    is_given = ~jnp.isnan(condition).any(axis=1, keepdims=True)
    known = jnp.where(is_given, jnp.concatenate([condition, is_given], axis=1), 0.0)
    shifts = _linear(parameters, "known2", jax.nn.silu(_linear(parameters, "known1", known)))
    return shifts.reshape(n_levels, len(known) // n_levels, -1, parameters["in/b"].shape[0])


def _normalised(h: jax.Array) -> jax.Array:
    """Each row with mean 0 and variance 1."""
    h = h - h.mean(axis=-1, keepdims=True)
    return h * jax.lax.rsqrt(jnp.square(h).mean(axis=-1, keepdims=True) + 1e-5)


def _linear(parameters: Parameters, name: str, x: jax.Array) -> jax.Array:
    return x @ parameters[f"{name}/w"] + parameters[f"{name}/b"]
