"""What one evaluation of a network learns of a solver's whole walk: pairs, their regression, one `DirectFit`.

    pairs (x_T, Phi(x_T)), Phi a solver without fresh noise;   G(x_T) = D of the network at the highest level

The network starts as the teacher's, so that G starts as the teacher's answer in one step.
Sources: regression on pairs, Luhman and Luhman 2021, arXiv 2101.02388; pseudo-Huber loss with a width that
grows as the root of d, Song and Dhariwal 2024, arXiv 2310.14189, section 3.3.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dima import training
from dima.blocks import row_blocks
from dima.latent import border, objective, sample, train
from dima.latent.ddpm_fit import DDPMFit, path_of
from dima.latent.denoiser import Parameters, apply
from dima.metrics.reconstruction import error_over_variance
from dima.noise import sampling
from dima.noise import target as targets
from dima.noise.solver import SolverTable
from dima.progress import StepRecord, track
from dima.training.checkpoint import fingerprint
from dima.typing import Array, Arrays, Float32, Float64

__all__ = ["DirectFit", "Engine", "Pairs", "explained", "fit_direct", "make_pairs", "steps_of", "table_of"]

_STEPS = 20  # of the solver, where T allows
_TOGETHER = 16384  # pairs walked at a time
_HELD_OUT = 4096  # pairs that training does not see, and as many of the others on which a level is chosen
_MIDDLES = 16  # levels among which the middle one is chosen
_HUBER = 0.03  # width of the loss over the root of d, in standard deviations
_NOT_OF_THE_RUN = {"verbose_every", "middle", "force"}  # they change no number of the network


class Pairs(NamedTuple):
    """States at the highest level and where the solver takes them, (n, d) each, standardised."""

    start: jax.Array
    end: jax.Array


@dataclasses.dataclass(frozen=True)
class DirectFit:
    """What `DirectPrior.fit` learns.

    Attributes:
        settings: those it was fitted with.
        teacher: the model it was distilled from, which takes the second step.
        network: the averaged (EMA) parameters of the one evaluation.
        losses: (records, 2) training steps done and mean loss since the record before.
        r2: share of the variance of the solver's ends that the network explains on held-out pairs.
        middle: level of the teacher's chain from which the second step starts.
    """

    settings: dict[str, Any]
    teacher: DDPMFit
    network: Parameters
    losses: Float64
    r2: float
    middle: int

    def first(self, n: int, seed: int, noise: Float32 | None = None) -> Array:
        """Points (n, d) by one evaluation: of the noise that the seed draws, or of given noise (n, d)."""
        table = sampling.table(path_of(self.teacher.settings), solver="ddim", steps=1)
        start = None if noise is None else (noise * np.float32(table.start_std), 0.0)
        # The student is a model like the teacher, asked at the highest level alone.
        return dataclasses.replace(self.teacher, network=self.network).walk(table, n, seed, start)

    def second(self, Z: Array, seed: int) -> Array:
        """The teacher's clean estimate of points `Z` (n, d) with the seed's noise put back to `middle`."""
        table = sampling.refining_table(path_of(self.teacher.settings), self.middle, "ddim", steps=1)
        start = self.teacher.scale.apply(Z, np.float32) * np.float32(table.alpha[0])
        return self.teacher.walk(table, len(Z), seed, (start, float(table.sigma[0])))


def fit_direct(
    settings_used: dict[str, Any],
    teacher: DDPMFit,
    folder: str | Path | None = None,
    watch: Callable[[DirectFit, int], None] = lambda fit, number: None,
) -> DirectFit:
    """Distil a teacher, in a run folder if one is given; `watch` sees it grow, with r2 and middle at 0."""

    def fit_of(state: train.State, history: Float64) -> DirectFit:
        return DirectFit(settings_used, teacher, state.ema, history, 0.0, 0)

    key = jax.random.key(settings_used["seed"])
    n, batch = settings_used["n_pairs"], min(settings_used["batch_size"], settings_used["n_pairs"])
    with jax.default_device(border.device(teacher.settings["device"])):
        pairs = make_pairs(teacher, table_of(settings_used, teacher), key, n + _HELD_OUT)
        held_out = Pairs(pairs.start[n:], pairs.end[n:])
        rate, decay = settings_used["learning_rate"], settings_used["ema_decay"]
        plan = objective.Plan(settings_used["n_iter"], batch, rate, decay, teacher.settings["target"])
        network = {name: jnp.asarray(value) for name, value in teacher.network.items()}
        top = _row(sampling.table(path_of(teacher.settings), solver="ddim", steps=1))
        engine = Engine(plan, network, Pairs(pairs.start[:n], pairs.end[:n]), held_out, top, key)
        run = _run(settings_used, teacher, folder)
        run = dataclasses.replace(
            run, watch=lambda now: watch(fit_of(now.state, now.table), len(now.history))
        )
        trained = training.train(engine, run)
        fit = fit_of(trained.state, trained.history)
        r2 = explained(engine.answer(fit.network, held_out.start), held_out.end)
        middle = settings_used["middle"] or _middle(engine, fit)
    return dataclasses.replace(fit, r2=r2, middle=middle)


def steps_of(settings_used: dict[str, Any], T: int) -> int:
    """Steps of the walk that is distilled from a teacher of T levels."""
    return settings_used["steps"] or min(_STEPS, T)


def table_of(settings_used: dict[str, Any], teacher: DDPMFit) -> SolverTable:
    """The walk that is distilled."""
    path = path_of(teacher.settings)
    steps = steps_of(settings_used, path.T)
    return sampling.table(path, solver=settings_used["solver"], steps=steps, eta=settings_used["eta"])


def make_pairs(teacher: DDPMFit, table: SolverTable, key: jax.Array, n: int) -> Pairs:
    """The first `n` pairs of a key: pair i does not depend on how many are made."""
    rows, target, d = sample.rows(table), teacher.settings["target"], len(teacher.scale.center)
    starts, ends = [], []
    for block in track(row_blocks(n, _TOGETHER), -(-n // _TOGETHER), "pairs"):
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(block.start, block.stop))
        start = sample.standard_normal(keys, 0, d) * jnp.float32(table.start_std)
        starts.append(start)
        ends.append(sample.solve(teacher.network, target, rows, start, keys))
    # An axis that never varied ends at its mean.
    return Pairs(jnp.concatenate(starts), jnp.concatenate(ends) * teacher.scale.varies)


def explained(answer: Array | jax.Array, wanted: Array | jax.Array) -> float:
    """Share of the variance of rows `wanted` (n, d) that `answer` (n, d) explains; 1 is all of it.

    Example:
        >>> wanted = np.array([[0.0], [2.0]])
        >>> explained(wanted, wanted), explained(np.ones((2, 1)), wanted)
        (1.0, 0.0)
    """
    wanted = np.asarray(wanted)
    return 1.0 - error_over_variance(wanted, np.asarray(answer), wanted.mean(axis=0, dtype=np.float64))


@dataclasses.dataclass(frozen=True)
class Engine:
    """The regression on pairs, as `dima.training` drives it.

    Attributes:
        plan: what is fixed.
        network: parameters before the first step: the teacher's.
        pairs: what is learnt from.
        held_out: what is not.
        top: the highest level, as a row of a table.
        key: random key of the run.
    """

    plan: objective.Plan
    network: Parameters
    pairs: Pairs
    held_out: Pairs
    top: sample.Rows
    key: jax.Array

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.plan.n_iter

    def start(self) -> train.State:
        """The state before the first step."""
        return train.begun(self.plan, self.network)

    def steps(self, state: train.State) -> Iterator[tuple[train.State, StepRecord]]:
        """Train on from a state, yielding at every record."""
        began, every = time.perf_counter(), self.plan.every
        while (step := int(state.step)) < self.n_steps:
            length = min(every - step % every, self.n_steps - step)
            state, losses = _chunk(self.plan, length, state, self.pairs, self.top, self.key)
            loss = float(np.mean(np.asarray(losses)))
            yield state, StepRecord(step + length, loss, time.perf_counter() - began)

    def state_arrays(self, state: train.State) -> Arrays:
        """Step, parameters, average and optimiser, by name."""
        return border.named(state)

    def restore(self, arrays: Arrays) -> train.State:
        """The state that `state_arrays` described."""
        return border.from_named(self.start(), arrays)

    def held_out_loss(self, state: train.State) -> float:
        """Loss of the average on the held-out pairs."""
        return float(_loss(state.ema, self.plan.target, self.top, self.held_out))

    def answer(self, network: Parameters, start: jax.Array) -> jax.Array:
        """G (b, d) of states (b, d) at the highest level."""
        return _estimate(network, self.plan.target, self.top, start)


@functools.partial(jax.jit, static_argnames=("plan", "length"))
def _chunk(
    plan: objective.Plan, length: int, state: train.State, pairs: Pairs, top: sample.Rows, key: jax.Array
) -> tuple[train.State, jax.Array]:
    def step(state: train.State, _: None) -> tuple[train.State, jax.Array]:
        own = jax.random.fold_in(key, state.step)
        rows = jax.random.randint(own, (plan.batch_size,), 0, len(pairs.start), jnp.int32)
        batch = Pairs(pairs.start[rows], pairs.end[rows])
        loss, gradient = jax.value_and_grad(_loss)(state.parameters, plan.target, top, batch)
        return train.updated(plan, state, gradient), loss

    return jax.lax.scan(step, state, None, length)


@functools.partial(jax.jit, static_argnames="target")
def _loss(network: Parameters, target: str, top: sample.Rows, pairs: Pairs) -> jax.Array:
    """Pseudo-Huber distance of the answers to the ends, one distance a pair."""
    width = _HUBER * pairs.end.shape[1] ** 0.5
    square = jnp.square(_estimate(network, target, top, pairs.start) - pairs.end).sum(axis=1)
    return (jnp.sqrt(square + width**2) - width).mean()


@functools.partial(jax.jit, static_argnames="target")
def _estimate(network: Parameters, target: str, row: sample.Rows, x: jax.Array) -> jax.Array:
    answer = functools.partial(apply, network, log_snr=row.log_snr[None])
    return targets.estimate(target, answer, x, row.alpha, row.sigma)


def _middle(engine: Engine, fit: DirectFit) -> int:
    """The level at which the teacher's second step comes nearest to the ends of pairs of training."""
    path, start, end = path_of(fit.teacher.settings), *(part[:_HELD_OUT] for part in engine.pairs)
    first = engine.answer(fit.network, start)
    noise = start / float(np.hypot(path.alpha[-1], path.sigma[-1]))
    teacher = {name: jnp.asarray(value) for name, value in fit.teacher.network.items()}

    def share(level: int) -> float:
        row = _row(sampling.refining_table(path, level, "ddim", steps=1))
        state = row.alpha * first + row.sigma * noise
        return explained(_estimate(teacher, engine.plan.target, row, state), end)

    # Evenly in lambda: what a good first step still lacks is mended at low noise, where levels are many.
    known = path.log_snr[1:-1]
    wanted = np.linspace(known[0], known[-1], _MIDDLES)
    levels = 1 + np.abs(known - wanted[:, None]).argmin(axis=1)
    return max((int(level) for level in levels), key=share)


def _row(table: SolverTable) -> sample.Rows:
    """The only row of a table of one step."""
    return jax.tree.map(lambda column: column[0], sample.rows(table))


def _run(settings_used: dict[str, Any], teacher: DDPMFit, folder: str | Path | None) -> training.Run:
    identity = {name: value for name, value in settings_used.items() if name not in _NOT_OF_THE_RUN}
    weights = np.concatenate([np.ravel(teacher.network[name]) for name in sorted(teacher.network)])
    return training.Run(
        "DirectPrior",
        patience=settings_used["patience"],
        folder=folder,
        identity=identity | {"teacher": fingerprint(weights)},
        log_every=settings_used["verbose_every"],
    )
