"""Attribution by gradients of the vector denoiser: TRAK, and the variant made for diffusion.

    scores = Phi_q (Phi'Phi + lambda 1)^-1 Phi'

A row of Phi holds the gradient of an example's output by the parameters, randomly projected. With the loss
as the output, Phi'Phi stands for the curvature and the scores are influence functions; with the squared norm
of the network's answer they predict retrainings of diffusion models better, though nothing derives them.
Sources: Park, Georgiev, Ilyas, Leclerc and Madry 2023, arXiv 2303.14186 (TRAK); Zheng, Pang, Du, Jiang and
Lin 2024, arXiv 2311.00500, section 4 (D-TRAK).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import cho_factor, cho_solve

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError, SettingError
from dima.latent import border, denoiser
from dima.latent.ddpm import DDPM
from dima.latent.ddpm_fit import DDPMFit, path_of
from dima.latent.objective import LEVELS
from dima.noise import target as targets
from dima.noise.schedule import signal_and_noise
from dima.typing import ArrayLike, Float32, Float64

__all__ = ["OUTPUTS", "gradient_features", "trak"]

OUTPUTS = ("loss", "norm")
_HELD = 3  # float32 copies of a gradient and of the activations, at the most

_Sides = dict[str, tuple[jax.Array, jax.Array]]


def gradient_features(  # noqa: PLR0913 one argument for each choice of the published method
    prior: DDPM,
    Z: ArrayLike,
    output: str = "loss",
    levels: int = 10,
    draws: int = 1,
    side: int = 16,
    seed: int = 0,
) -> Float32:
    """Projected gradients (b, p) of what a fitted diffusion model makes of points `Z` (b, d).

    The output is averaged over noise levels as training draws them, evenly spread, and over draws of the
    noise, the same for all points: compare features of equal settings and seed alone. A linear layer's
    gradient, biases as one more input, is projected from both sides to at most side x side numbers by
    Gaussian matrices that keep inner products on average; a side no wider than that is left as it is.
    Source of the two-sided projection: Choe et al. 2024, arXiv 2405.13954 (LoGra), section 3.

    Args:
        prior: a fitted model.
        Z: points, in the units of those it was fitted to.
        output: "loss", the weighted training loss, or "norm", the mean square of the network's answer.
        levels: number of noise levels.
        draws: of the noise at each level.
        side: numbers kept of each side of a layer; p is at most side^2 a layer.
        seed: of the noise and the projection.

    Raises:
        NotFittedError: before `fit`.
        ShapeError, DataError: as `DDPM.refine`.
        SettingError: the output is unknown, or a number is not positive.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((50, 2))
        >>> prior = DDPM(n_iter=20, hidden_dim=8, t_embed_dim=4).fit(Z)
        >>> gradient_features(prior, Z[:3], levels=2, side=2).shape
        (3, 32)
    """
    owner = "gradient_features"
    fit: DDPMFit = check.fitted(prior)
    points = check.points(prior, Z, reset=False)
    if output not in OUTPUTS:
        raise SettingError(f"{owner}: output must be one of {', '.join(OUTPUTS)}; got {output!r}.")
    for name, value in (("levels", levels), ("draws", draws), ("side", side)):
        if value < 1:
            raise SettingError(f"{owner}: {name} must be at least 1; got {value}. Raise it.")
    with jax.default_device(border.device(fit.settings["device"])):
        key = jax.random.key(seed)
        noise = jax.random.normal(jax.random.fold_in(key, 0), (levels * draws, points.shape[1]))
        sides = _projection(fit.network, side, jax.random.fold_in(key, 1))
        standard = jnp.asarray(fit.scale.apply(points, np.float32))
        what = output, fit.settings["target"], fit.settings["weight"]
        size = rows_within(_bytes(fit.network, len(noise)))
        found = _features(what, size, fit.network, sides, _levels(fit, levels), noise, standard)
    return np.asarray(found)


def trak(queries: ArrayLike, training: ArrayLike, ridge: float = 1.0) -> Float64:
    """Scores (q, n) from the features (q, p) of queries and those (n, p) of all training examples.

    The predicted increase of the loss of a query when an example is left out, in units of its own.

    Args:
        queries: their `gradient_features`.
        training: those of the training examples, by the same settings; may be a `np.memmap`.
        ridge: lambda in units of the mean eigenvalue of Phi'Phi, its trace over min(n, p); above 0. Scores
            of networks that can learn their data by heart want 1 or more: hold several to `lds`.

    Raises:
        ShapeError: the widths differ.
        DataError: not finite, or training features that are all zero.
        SettingError: ridge is not positive.

    Example:
        >>> trak([[1.0, 0.0]], [[2.0, 0.0], [0.0, 2.0]])
        array([[0.25, 0.  ]])
    """
    owner = "trak"
    asked = check.array(owner, "queries", queries, ("q", "p")).astype(np.float64, copy=False)
    known = check.array(owner, "training", training, ("n", asked.shape[1]))
    if not 0 < ridge < np.inf:
        raise SettingError(f"{owner}: ridge must be positive and finite; got {ridge}. Pass some 1.")
    # Features of a trained network are small; scores are the same in any unit but their own.
    unit = float(np.abs(known).max())
    if unit == 0:
        raise DataError(f"{owner}: training must hold more than zeros; got none. Train the model first.")
    gram = np.zeros((known.shape[1], known.shape[1]))
    blocks = list(row_blocks(len(known), rows_within(8 * known.shape[1])))
    for rows in blocks:
        part = known[rows].astype(np.float64) / unit
        gram += part.T @ part
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / min(known.shape)
    solved = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), asked.T / unit).T / unit
    return np.concatenate([solved @ known[rows].astype(np.float64).T for rows in blocks], axis=1)


def _levels(fit: DDPMFit, count: int) -> jax.Array:
    """Levels (count,) of lambda, one in the middle of each equal share of training."""
    u = (jnp.arange(count) + 0.5) / count
    path = jnp.asarray(path_of(fit.settings).log_snr[1:], jnp.float32)
    return LEVELS[fit.settings["levels"]](u, path)


def _layers(network: denoiser.Parameters) -> list[str]:
    """Names of the linear layers, in a fixed order."""
    return sorted(name.removesuffix("/w") for name in network if name.endswith("/w"))


def _projection(network: denoiser.Parameters, side: int, key: jax.Array) -> _Sides:
    """For each layer what its inputs with a one behind, and its outputs, are projected by."""
    names, sides = _layers(network), _Sides()
    for name, own in zip(names, jax.random.split(key, len(names)), strict=True):
        fan_in, fan_out = network[f"{name}/w"].shape
        first, second = jax.random.split(own)
        sides[name] = _one_side(first, fan_in + 1, side), _one_side(second, fan_out, side)
    return sides


def _one_side(key: jax.Array, width: int, side: int) -> jax.Array:
    return jnp.eye(width) if width <= side else jax.random.normal(key, (width, side)) / side**0.5


def _bytes(network: denoiser.Parameters, states: int) -> int:
    """Working memory of one point."""
    parameters = sum(value.size for value in network.values())
    answers = sum(value.size for value in network.values() if value.ndim == 1)  # a bias for each
    return 4 * _HELD * (parameters + states * answers)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _features(  # noqa: PLR0913 what jit must see
    what: tuple[str, str, str],
    size: int,
    network: denoiser.Parameters,
    sides: _Sides,
    log_snr: jax.Array,
    noise: jax.Array,
    standard: jax.Array,
) -> jax.Array:
    """Features (b, p) of standardised points (b, d), `size` at a time."""

    def one(x0: jax.Array) -> jax.Array:
        gradient = jax.grad(_output)(network, what, log_snr, noise, x0)
        return jnp.concatenate([_projected(gradient, name, *sides[name]) for name in _layers(network)])

    return jax.lax.map(one, standard, batch_size=size)


def _projected(gradient: denoiser.Parameters, name: str, left: jax.Array, right: jax.Array) -> jax.Array:
    with_bias = jnp.concatenate([gradient[f"{name}/w"], gradient[f"{name}/b"][None]])
    return (left.T @ with_bias @ right).ravel()


def _output(
    network: denoiser.Parameters, what: tuple[str, str, str], log_snr: jax.Array, noise: jax.Array, x0: Any
) -> jax.Array:
    """The output of one point (d,), mean over levels, draws and coordinates."""
    output, target, weight = what
    alpha, sigma = signal_and_noise(jnp.repeat(log_snr, len(noise) // len(log_snr))[:, None])
    answer = denoiser.apply(network, alpha * x0 + sigma * noise, log_snr)
    if output == "norm":
        return jnp.square(answer).mean()
    wanted = targets.predicted(target, x0, noise, alpha, sigma)
    return (targets.loss_weight(weight, target, alpha, sigma) * jnp.square(answer - wanted)).mean()
