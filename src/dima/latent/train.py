"""Training the vector denoiser: a generator that runs whole chunks of steps inside one `lax.scan`.

Every draw is a function of (seed, step): `fold_in(key, step)` gives the batch, the levels and the
noise, so that a run continued from a state equals one that never stopped.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import ndtri

from dima.blocks import rows_within
from dima.latent.border import from_named, named
from dima.latent.denoiser import Parameters, apply
from dima.noise import target as targets
from dima.noise.schedule import signal_and_noise
from dima.progress import StepRecord
from dima.typing import Arrays

# fmt: off
__all__ = [
    "LEVELS", "Draws", "Engine", "Examples", "Plan", "State", "advance", "draws_of", "held_out_loss",
    "optimiser", "point_losses", "run_steps", "split", "updated",
]
# fmt: on

_WARM_UP = 100  # steps in which the learning rate rises
_LOGNORMAL = (0.5, 1.2)  # mean and spread of log(alpha / sigma)
_SHARE = 4  # points that share a level where the batch size allows
_CHECKS = 32  # batches of a held-out check
_CHUNK = 500  # steps of one compiled scan, and between two records unless asked otherwise, at the most
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

    @property
    def every(self) -> int:
        """Steps between two records."""
        return self.record_every or min(_CHUNK, max(1, self.n_iter // _RECORDS))

    @property
    def share(self) -> int:
        """Points of a batch that share a noise level; a divisor of the batch size."""
        return math.gcd(self.batch_size, _SHARE)


class State(NamedTuple):
    """Everything that training changes; together with (plan, seed) it determines the rest of the run."""

    step: jax.Array
    parameters: Parameters
    ema: Parameters
    optimiser: Any


class Examples(NamedTuple):
    """What steps are computed on: points (n, d), levels, the key of the draws, weights (n,) or none."""

    points: jax.Array
    levels: jax.Array
    key: jax.Array
    weights: jax.Array | None = None


@dataclasses.dataclass(frozen=True)
class Engine:
    """The training of a network on one set of points, as `dima.training` drives it.

    Attributes:
        plan: what is fixed.
        network: parameters before the first step.
        data: (n, d) standardised points.
        held_out: (m, d) points for early stopping.
        levels: (T,) lambda of the training levels, falling; levels between them are drawn too.
        key: random key of the run.
        weights: (n,) weight of each point in the loss; all ones if not given.
    """

    plan: Plan
    network: Parameters
    data: jax.Array
    held_out: jax.Array
    levels: jax.Array
    key: jax.Array
    weights: jax.Array | None = None

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.plan.n_iter

    @property
    def most_steps(self) -> int:
        """Steps of one compiled scan at the most: their draws fit into a block."""
        return min(_CHUNK, _affordable(self.plan, self.data.shape[1]))

    @property
    def examples(self) -> Examples:
        """What its steps are computed on."""
        return Examples(self.data, self.levels, self.key, self.weights)

    def start(self) -> State:
        """The state before the first step."""
        moments = optimiser(self.plan).init(self.network)
        return State(jnp.zeros((), jnp.int32), self.network, self.network, moments)

    def steps(self, state: State) -> Iterator[tuple[State, StepRecord]]:
        """Train on from a state, yielding at every record."""
        began, every, losses = time.perf_counter(), self.plan.every, []
        while (step := int(state.step)) < self.n_steps:
            length = min(self.most_steps, every - step % every, self.n_steps - step)
            state, own = run_steps(self.plan, length, state, self.examples)
            losses.append(np.asarray(own))
            step += length
            if step % every == 0 or step == self.n_steps:
                yield (
                    state,
                    StepRecord(step, float(np.mean(np.concatenate(losses))), time.perf_counter() - began),
                )
                losses = []

    def state_arrays(self, state: State) -> Arrays:
        """Step, parameters, average and optimiser, by name."""
        return named(state)

    def restore(self, arrays: Arrays) -> State:
        """The state that `state_arrays` described."""
        return from_named(self.start(), arrays)

    def held_out_loss(self, state: State) -> float:
        """Loss of the average on the held-out points."""
        return float(held_out_loss(self.plan, state.ema, self.held_out, self.levels, self.key))


def split(data: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A random tenth of the points (n, d) apart for early stopping; a single point serves as both."""
    if len(data) < 2:
        return data, data
    shuffled = data[jax.random.permutation(key, len(data))]
    kept = len(data) - max(1, len(data) // 10)
    return shuffled[:kept], shuffled[kept:]


def _affordable(plan: Plan, d: int) -> int:
    """Steps whose draws fit into a block."""
    return rows_within(4 * plan.batch_size * (d + 1))


def optimiser(plan: Plan) -> optax.GradientTransformation:
    """Adam after clipping, its step size rising first and then falling to nothing."""
    warm_up = min(_WARM_UP, plan.n_iter // 10)
    rate = optax.warmup_cosine_decay_schedule(0.0, plan.learning_rate, warm_up, max(plan.n_iter, 1))
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, eps_root=plan.eps_root))


@functools.partial(jax.jit, static_argnames="plan")
def held_out_loss(
    plan: Plan, parameters: Parameters, data: jax.Array, levels: jax.Array, key: jax.Array
) -> jax.Array:
    """Loss on points (n, d) that training does not see, over the same draws at every call."""
    draws = jax.vmap(lambda own: _draw(plan, data.shape, own))(jax.random.split(key, _CHECKS))
    return jax.vmap(lambda own: _loss(parameters, plan, data, levels, own))(draws).mean()


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
        return _errors(parameters, plan, copies, noise, LEVELS[plan.levels](u, levels)).mean()

    return jax.lax.map(loss, points, batch_size=_POINT_DRAWS)


class Draws(NamedTuple):
    """The random numbers of a step: rows of the batch, their noise, the shift of the levels."""

    rows: jax.Array
    noise: jax.Array
    shift: jax.Array


def _draw(plan: Plan, shape: tuple[int, ...], key: jax.Array) -> Draws:
    n, d = shape
    which, shift, added = jax.random.split(key, 3)
    # The types are named so that a run in float64 has the same draws.
    rows = jax.random.randint(which, (plan.batch_size,), 0, n, jnp.int32)
    noise = jax.random.normal(added, (plan.batch_size, d), jnp.float32)
    return Draws(rows, noise, jax.random.uniform(shift, dtype=jnp.float32))


def draws_of(plan: Plan, length: int, step: jax.Array, examples: Examples) -> Draws:
    """The draws of the `length` steps from a step on, with one leading axis."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(examples.key, step + jnp.arange(length))
    return jax.vmap(lambda own: _draw(plan, examples.points.shape, own))(keys)


@functools.partial(jax.jit, static_argnames=("plan", "length"))
def run_steps(plan: Plan, length: int, state: State, examples: Examples) -> tuple[State, jax.Array]:
    """The state `length` steps on, and the loss (length,) of each step."""

    def step(state: State, draws: Draws) -> tuple[State, jax.Array]:
        own = None if examples.weights is None else examples.weights[draws.rows]
        return advance(plan, state, examples, draws, own)

    # All of the chunk's draws at once: both cores share them, and the loop is spared small kernels.
    return jax.lax.scan(step, state, draws_of(plan, length, state.step, examples))


def advance(
    plan: Plan, state: State, examples: Examples, draws: Draws, weights: jax.Array | None
) -> tuple[State, jax.Array]:
    """The state a step on, and the loss of the step; `weights` (batch,) belong to the drawn rows."""
    points, levels = examples.points, examples.levels
    loss, gradient = jax.value_and_grad(_loss)(state.parameters, plan, points, levels, draws, weights)
    return updated(plan, state, gradient), loss


def updated(plan: Plan, state: State, gradient: Parameters) -> State:
    """The state after a step along a gradient."""
    updates, moments = optimiser(plan).update(gradient, state.optimiser)
    parameters = optax.apply_updates(state.parameters, updates)
    # The average forgets the start as fast as it can afford (k-diffusion's inverse power 2/3).
    decay = jnp.minimum(plan.ema_decay, 1 - (2.0 + state.step) ** (-2 / 3))
    ema = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.ema, parameters)
    return State(state.step + 1, parameters, ema, moments)


def _loss(
    parameters: Parameters,
    plan: Plan,
    data: jax.Array,
    levels: jax.Array,
    draws: Draws,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean squared error of the target at stratified levels."""
    # One level in each of as many equal strata: the law of uniform draws with less variance. Points
    # that share a level share its embedding, a third of the work.
    count = plan.batch_size // plan.share
    u = (jnp.arange(count) + draws.shift) / count
    errors = _errors(parameters, plan, data[draws.rows], draws.noise, LEVELS[plan.levels](u, levels))
    return (errors if weights is None else weights[:, None] * errors).mean()


def _errors(
    parameters: Parameters, plan: Plan, x0: jax.Array, noise: jax.Array, log_snr: jax.Array
) -> jax.Array:
    """Squared errors (b, d) of the target, weighted by level; each level serves consecutive points."""
    alpha, sigma = signal_and_noise(jnp.repeat(log_snr, len(x0) // len(log_snr))[:, None])
    answer = apply(parameters, alpha * x0 + sigma * noise, log_snr)
    wanted = targets.predicted(plan.target, x0, noise, alpha, sigma)
    return targets.loss_weight(plan.weight, plan.target, alpha, sigma) * jnp.square(answer - wanted)
