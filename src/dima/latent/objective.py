"""What a training step of the vector denoiser minimises: its draws, its levels and its squared errors.

Every draw is a function of (seed, step): `fold_in(key, step)` gives the batch, the levels, the noise and
which conditions are kept back.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from msgspec import Meta

from dima.latent.denoiser import Parameters, apply
from dima.noise import target as targets
from dima.noise.schedule import signal_and_noise
from dima.settings import OneOf

# fmt: off
__all__ = [
    "CHUNK", "LEVELS", "Draws", "Dropout", "EmaDecay", "EpsRoot", "Examples", "LearningRate", "Levels",
    "Patience", "Plan", "RecordEvery", "Steps", "Target", "VerboseEvery", "Weight", "draws_of",
    "held_out_loss", "point_losses", "step_loss",
]
# fmt: on

_LOGNORMAL = (0.5, 1.2)  # mean and spread of log(alpha / sigma)
_SHARE = 16  # points that share a level where the batch size allows
_CHECKS = 32  # batches of a held-out check
CHUNK = 500  # steps of one compiled scan, and between two records unless asked otherwise, at the most
_RECORDS = 20  # records of a run at the least, where it has as many steps
_POINT_DRAWS = 128  # noisy copies of a point over which its loss is a mean


def _along_schedule(u: jax.Array, levels: jax.Array) -> jax.Array:
    return jnp.interp(u * (len(levels) - 1), jnp.arange(len(levels)), levels)


def _lognormal(u: jax.Array, levels: jax.Array) -> jax.Array:
    center, spread = _LOGNORMAL
    return jnp.clip(center + spread * ndtri(u), levels[-1], levels[0])


# How shares u of training fall on log-SNR: evenly along the schedule, or with log(sigma / alpha) normal,
# which spends them where data are told from noise (Karras et al. 2022, table 1).
LEVELS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "schedule": _along_schedule,
    "lognormal": _lognormal,
}


Levels = Annotated[str, OneOf(*LEVELS), Meta(description="where training draws its noise levels")]
Target = Annotated[str, OneOf(*targets.TARGETS), Meta(description="what the network predicts")]
Weight = Annotated[str, OneOf(*targets.WEIGHTS), Meta(description="weight of noise levels in the loss")]
EpsRoot = Annotated[
    float, Meta(gt=0, description="below Adam's root; at 1e-8 training is smooth in its points")
]
Steps = Annotated[
    int, Meta(ge=0, description="training steps; two for each point, 300 to 30,000, if not given")
]
LearningRate = Annotated[float, Meta(gt=0, description="peak step size of Adam")]
EmaDecay = Annotated[float, Meta(ge=0, lt=1, description="decay of the parameter average")]
VerboseEvery = Annotated[int, Meta(ge=0, description="log the loss about every so many steps; 0 never")]
RecordEvery = Annotated[
    int, Meta(ge=1, description="training steps between records of the loss; chosen if not given")
]
Patience = Annotated[
    int, Meta(ge=1, description="stop when a held-out tenth has not improved for so many checks")
]
Dropout = Annotated[float, Meta(ge=0, lt=1, description="share of points shown without their condition")]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fixed for a training run; hashable, so that equal plans share one compilation."""

    n_iter: int
    batch_size: int
    learning_rate: float
    ema_decay: float
    target: str
    weight: str = "uniform"
    record_every: int | None = None
    levels: str = "schedule"
    eps_root: float = 1e-34  # changes no number, but leaves a slope where a gradient is zero
    kept_back: float = 0.0  # share of points that are shown without their condition

    @property
    def every(self) -> int:
        """Steps between two records."""
        return self.record_every or min(CHUNK, max(1, self.n_iter // _RECORDS))

    @property
    def share(self) -> int:
        """Points of a batch that share a noise level; a divisor of the batch size."""
        return math.gcd(self.batch_size, _SHARE)


class Examples(NamedTuple):
    """What steps are computed on.

    Attributes:
        points: (n, d) standardised points.
        levels: (T,) lambda of the training levels, falling.
        key: of the draws.
        conditions: (n, c) what is known of each point, or None.
        weights: (n,) weight of each point in the loss, or None for ones.
    """

    points: jax.Array
    levels: jax.Array
    key: jax.Array
    conditions: jax.Array | None = None
    weights: jax.Array | None = None


class Draws(NamedTuple):
    """The random numbers of a step: rows of the batch, their noise, the shift of the levels.

    Where there are such, also whether each row keeps its condition, and the weight of each row.
    """

    rows: jax.Array
    noise: jax.Array
    shift: jax.Array
    kept: jax.Array | None = None
    weights: jax.Array | None = None


def _draw(plan: Plan, examples: Examples, key: jax.Array) -> Draws:
    n, d = examples.points.shape
    which, shift, added = jax.random.split(key, 3)
    # The types are named so that a run in float64 has the same draws.
    rows = jax.random.randint(which, (plan.batch_size,), 0, n, jnp.int32)
    noise = jax.random.normal(added, (plan.batch_size, d), jnp.float32)
    kept = None
    if examples.conditions is not None:
        # A key of its own: the other draws are those of a training without conditions.
        kept = jax.random.bernoulli(jax.random.fold_in(key, 1), 1 - plan.kept_back, (plan.batch_size,))
    weights = None if examples.weights is None else examples.weights[rows]
    return Draws(rows, noise, jax.random.uniform(shift, dtype=jnp.float32), kept, weights)


def draws_of(plan: Plan, length: int, step: jax.Array, examples: Examples) -> Draws:
    """The draws of the `length` steps from a step on, with one leading axis."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(examples.key, step + jnp.arange(length))
    return jax.vmap(lambda own: _draw(plan, examples, own))(keys)


def step_loss(parameters: Parameters, plan: Plan, examples: Examples, draws: Draws) -> jax.Array:
    """Mean squared error of the target at stratified levels."""
    # One level in each of as many equal strata: the law of uniform draws with less variance. Points
    # that share a level share its embedding, a third of the work.
    count = plan.batch_size // plan.share
    u = (jnp.arange(count) + draws.shift) / count
    log_snr, x0, condition = LEVELS[plan.levels](u, examples.levels), examples.points[draws.rows], None
    if examples.conditions is not None and draws.kept is not None:
        condition = jnp.where(draws.kept[:, None], examples.conditions[draws.rows], jnp.nan)
    errors = _errors(parameters, plan, x0, draws.noise, log_snr, condition)
    return (errors if draws.weights is None else draws.weights[:, None] * errors).mean()


@functools.partial(jax.jit, static_argnames="plan")
def held_out_loss(plan: Plan, parameters: Parameters, examples: Examples) -> jax.Array:
    """Loss on points that training does not see, over the same draws at every call."""
    draws = jax.vmap(lambda own: _draw(plan, examples, own))(jax.random.split(examples.key, _CHECKS))
    return jax.vmap(lambda own: step_loss(parameters, plan, examples, own))(draws).mean()


@functools.partial(jax.jit, static_argnames="plan")
def point_losses(
    plan: Plan, parameters: Parameters, points: jax.Array, levels: jax.Array, key: jax.Array
) -> jax.Array:
    """Loss (b,) of each point (b, d): the mean over noisy copies at levels spread as in training.

    The copies of all points carry the same draws, a function of the key alone.
    """
    u = (jnp.arange(_POINT_DRAWS) + 0.5) / _POINT_DRAWS
    noise = jax.random.normal(key, (_POINT_DRAWS, points.shape[1]), jnp.float32)

    def loss(point: jax.Array) -> jax.Array:
        copies = jnp.broadcast_to(point, noise.shape)
        return _errors(parameters, plan, copies, noise, LEVELS[plan.levels](u, levels), None).mean()

    return jax.lax.map(loss, points, batch_size=_POINT_DRAWS)


def _errors(
    parameters: Parameters,
    plan: Plan,
    x0: jax.Array,
    noise: jax.Array,
    log_snr: jax.Array,
    condition: jax.Array | None,
) -> jax.Array:
    """Squared errors (b, d) of the target, weighted by level; each level serves consecutive points."""
    alpha, sigma = signal_and_noise(jnp.repeat(log_snr, len(x0) // len(log_snr))[:, None])
    answer = apply(parameters, alpha * x0 + sigma * noise, log_snr, condition)
    wanted = targets.predicted(plan.target, x0, noise, alpha, sigma)
    return targets.loss_weight(plan.weight, plan.target, alpha, sigma) * jnp.square(answer - wanted)
