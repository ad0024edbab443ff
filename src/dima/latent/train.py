"""Training the vector denoiser: a generator that runs whole chunks of steps inside one `lax.scan`.

What a step minimises is `objective`; here is how: Adam, its step sizes, the average of the parameters.
Every draw is a function of (seed, step), so that a run continued from a state equals one that never stopped.
"""

import dataclasses
import functools
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dima.blocks import rows_within
from dima.latent.border import from_named, named
from dima.latent.denoiser import Parameters
from dima.latent.objective import CHUNK, Draws, Examples, Plan, draws_of, held_out_loss, step_loss
from dima.progress import StepRecord
from dima.typing import Arrays

__all__ = ["Engine", "State", "advance", "begun", "run_steps", "split", "updated"]

_WARM_UP = 100  # steps in which the learning rate rises


class State(NamedTuple):
    """Everything that training changes; together with (plan, seed) it determines the rest of the run."""

    step: jax.Array
    parameters: Parameters
    ema: Parameters
    optimiser: Any


@dataclasses.dataclass(frozen=True)
class Engine:
    """The training of a network on one set of points, as `dima.training` drives it.

    Attributes:
        plan: what is fixed.
        network: parameters before the first step.
        examples: what its steps are computed on; levels between those given are drawn too.
        held_out: the same of points for early stopping.
    """

    plan: Plan
    network: Parameters
    examples: Examples
    held_out: Examples

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.plan.n_iter

    @property
    def most_steps(self) -> int:
        """Steps of one compiled scan at the most: their draws fit into a block."""
        return min(CHUNK, _affordable(self.plan, self.examples.points.shape[1]))

    def start(self) -> State:
        """The state before the first step."""
        return begun(self.plan, self.network)

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
        return float(held_out_loss(self.plan, state.ema, self.held_out))


def split(examples: Examples, key: jax.Array) -> tuple[Examples, Examples]:
    """A random tenth of the points apart for early stopping; a single point serves as both."""
    n = len(examples.points)
    if n < 2:
        return examples, examples
    order, kept = jax.random.permutation(key, n), n - max(1, n // 10)

    def of(rows: jax.Array) -> Examples:
        own = (None if one is None else one[rows] for one in (examples.conditions, examples.weights))
        return Examples(examples.points[rows], examples.levels, examples.key, *own)

    return of(order[:kept]), of(order[kept:])


def _affordable(plan: Plan, d: int) -> int:
    """Steps whose draws fit into a block."""
    return rows_within(4 * plan.batch_size * (d + 1))


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    """Adam after clipping, its step size rising first and then falling to nothing."""
    warm_up = min(_WARM_UP, plan.n_iter // 10)
    rate = optax.warmup_cosine_decay_schedule(0.0, plan.learning_rate, warm_up, max(plan.n_iter, 1))
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, eps_root=plan.eps_root))


def begun(plan: Plan, network: Parameters) -> State:
    """The state before the first step, around a network as it is."""
    return State(jnp.zeros((), jnp.int32), network, network, _optimiser(plan).init(network))


@functools.partial(jax.jit, static_argnames=("plan", "length"))
def run_steps(plan: Plan, length: int, state: State, examples: Examples) -> tuple[State, jax.Array]:
    """The state `length` steps on, and the loss (length,) of each step."""

    def step(state: State, draws: Draws) -> tuple[State, jax.Array]:
        return advance(plan, state, examples, draws)

    # All of the chunk's draws at once: both cores share them, and the loop is spared small kernels.
    return jax.lax.scan(step, state, draws_of(plan, length, state.step, examples))


def advance(plan: Plan, state: State, examples: Examples, draws: Draws) -> tuple[State, jax.Array]:
    """The state a step on, and the loss of the step."""
    loss, gradient = jax.value_and_grad(step_loss)(state.parameters, plan, examples, draws)
    return updated(plan, state, gradient), loss


def updated(plan: Plan, state: State, gradient: Parameters) -> State:
    """The state after a step along a gradient."""
    updates, moments = _optimiser(plan).update(gradient, state.optimiser)
    parameters = optax.apply_updates(state.parameters, updates)
    # The average forgets the start as fast as it can afford (k-diffusion's inverse power 2/3).
    decay = jnp.minimum(plan.ema_decay, 1 - (2.0 + state.step) ** (-2 / 3))
    ema = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.ema, parameters)
    return State(state.step + 1, parameters, ema, moments)
