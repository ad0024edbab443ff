"""The vector denoiser: a residual MLP whose blocks are scaled and shifted by the noise level.

    h = W x;   h <- h + W silu((1 + gamma) h + beta),   (gamma, beta) = FiLM(lambda)

One product a block (pre-activation residuals, He et al. 2016) and no layer norm: at width 128 it
trains in half the time of two products with norms, and samples of digits' latents are as good.
Pure functions over a flat dictionary of arrays; every block starts as the identity and the head at
zero. Sources: FiLM, Perez et al. 2018; conditioning on log-SNR, Karras et al. 2022, table 1.
"""

import functools

import jax
import jax.numpy as jnp

__all__ = ["Parameters", "apply", "init"]

Parameters = dict[str, jax.Array]

_FREQUENCIES = (0.25, 16.0)  # per unit of lambda / 4: from its whole range to a hundredth of it


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4))
def init(key: jax.Array, d: int, hidden_dim: int, t_embed_dim: int, blocks: int) -> Parameters:
    """Draw the parameters for points of `d` coordinates."""
    shapes = {
        "in": (d, hidden_dim),
        "level1": (t_embed_dim, t_embed_dim),
        "level2": (t_embed_dim, t_embed_dim),
        "film": (t_embed_dim, 2 * blocks * hidden_dim),
    }
    for i in range(blocks):
        shapes[f"block{i}"] = (hidden_dim, hidden_dim)
    shapes["out"] = (hidden_dim, d)
    zero = {"out", "film"} | {name for name in shapes if name.startswith("block")}
    parameters: Parameters = {}
    for name, draw in zip(shapes, jax.random.split(key, len(shapes)), strict=True):
        fan_in, fan_out = shapes[name]
        scale = 0.0 if name in zero else fan_in**-0.5
        parameters[f"{name}/w"] = scale * jax.random.normal(draw, (fan_in, fan_out))
        parameters[f"{name}/b"] = jnp.zeros(fan_out)
    return parameters


def apply(parameters: Parameters, x: jax.Array, log_snr: jax.Array) -> jax.Array:
    """The network's answer (b, d) at unit-variance states `x` (b, d).

    `log_snr` (l,) gives the levels, each shared by b / l consecutive states.
    """
    level = log_snr[:, None] / 4
    width = parameters["level1/w"].shape[0]
    rates = jnp.geomspace(*_FREQUENCIES, width // 2)
    waves = jnp.concatenate([jnp.sin(level * rates), jnp.cos(level * rates)], axis=-1)
    waves = jnp.pad(waves, ((0, 0), (0, width % 2)))
    level = jax.nn.silu(_linear(parameters, "level2", jax.nn.silu(_linear(parameters, "level1", waves))))
    h = _linear(parameters, "in", x)
    films = _linear(parameters, "film", level).reshape(len(log_snr), 1, -1, 2, h.shape[-1])
    for i in range(films.shape[2]):
        gamma, beta = films[:, :, i, 0], films[:, :, i, 1]
        inner = h.reshape(len(log_snr), -1, h.shape[-1])
        inner = jax.nn.silu((1 + gamma) * inner + beta).reshape(h.shape)
        h = h + _linear(parameters, f"block{i}", inner)
    return _linear(parameters, "out", h)


def _linear(parameters: Parameters, name: str, x: jax.Array) -> jax.Array:
    return x @ parameters[f"{name}/w"] + parameters[f"{name}/b"]
