"""Log-density of points under the probability flow of the trained denoiser.

With y = x / sigma and lambda = log(alpha / sigma) the flow and the density along it are

    dy/dlambda = e^lambda D(x),      d log p(y)/dlambda = -alpha tr(dD/dx)

integrated from the data's end to the noise's by the classical Runge-Kutta method. The trace is exact:
latents have few dimensions. Source: Song et al. 2021 (score SDE), section 4.3, in the terms of D.
"""

import functools

import jax
import jax.numpy as jnp

from dima.latent.denoiser import Parameters, apply
from dima.noise import target as targets
from dima.noise.schedule import signal_and_noise

__all__ = ["log_density"]


@functools.partial(jax.jit, static_argnames=("target", "steps"))
def log_density(
    parameters: Parameters,
    target: str,
    z: jax.Array,
    ends: tuple[float, float],
    steps: int,
    condition: jax.Array | None = None,
) -> jax.Array:
    """Log-density (b,) of standardised points `z` (b, d), in nats.

    Args:
        parameters: the trained network.
        target: what it predicts.
        z: points, taken as the means of states at the cleanest level.
        ends: lambda of the cleanest level and of the noisiest.
        steps: Runge-Kutta steps, evenly spread in lambda; four evaluations each.
        condition: (b, c) what is known of each point; the density is then that given it.
    """
    clean, noisy = ends
    d = z.shape[1]
    step = (noisy - clean) / steps

    def slope(y: jax.Array, level: jax.Array) -> tuple[jax.Array, jax.Array]:
        alpha, sigma = signal_and_noise(level)

        def estimate(x: jax.Array, known: jax.Array | None) -> jax.Array:
            own = None if known is None else known[None]
            network = functools.partial(apply, parameters, log_snr=level[None], condition=own)
            return targets.estimate(target, network, x[None], alpha, sigma)[0]

        def slopes(x: jax.Array, known: jax.Array | None) -> tuple[jax.Array, jax.Array]:
            return estimate(x, known), jax.jacfwd(estimate)(x, known)

        D, derivative = jax.vmap(slopes, (0, None if condition is None else 0))(y * sigma, condition)
        return alpha / sigma * D, -alpha * jnp.trace(derivative, axis1=1, axis2=2)

    def advance(state: tuple[jax.Array, jax.Array], i: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        y, gained = state
        level = clean + i * step
        k1, g1 = slope(y, level)
        k2, g2 = slope(y + step / 2 * k1, level + step / 2)
        k3, g3 = slope(y + step / 2 * k2, level + step / 2)
        k4, g4 = slope(y + step * k3, level + step)
        y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return (y, gained + step / 6 * (g1 + 2 * g2 + 2 * g3 + g4)), None

    # y at the clean end is z e^lambda, so log p(z) = log p(y) + d lambda.
    start = (z * jnp.exp(clean), jnp.zeros(len(z)))
    (y, gained), _ = jax.lax.scan(advance, start, jnp.arange(steps))
    # At the noisy end x = sigma y is a standard normal, up to the little signal that is left.
    _, sigma = signal_and_noise(noisy)
    prior = -0.5 * jnp.square(y * sigma).sum(axis=1) - d / 2 * jnp.log(2 * jnp.pi) + d * jnp.log(sigma)
    return prior - gained + d * clean
