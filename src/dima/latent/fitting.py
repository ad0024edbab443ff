"""A whole training run around the generator: progress, early stopping, checkpoints, the parameters served."""

import dataclasses
import logging
import operator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dima.errors import NumericsError, sentence
from dima.latent import checkpoint, train
from dima.latent.denoiser import Parameters
from dima.progress import StepRecord, track
from dima.typing import Float64

__all__ = ["Run", "Standing", "fit"]

_log = logging.getLogger("dima")


@dataclasses.dataclass(frozen=True)
class Run:
    """What surrounds the training of a network.

    Attributes:
        plan: what training itself is told.
        patience: held-out checks without improvement after which to stop; None to train to the end.
        every: steps between log lines, 0 for none.
        checkpoint: folder to keep up to date and to go on from, or None.
        belongs: what a checkpoint must agree with to be gone on from.
    """

    plan: train.Plan
    patience: int | None
    every: int
    checkpoint: Path | None
    belongs: dict[str, Any]


class Standing(NamedTuple):
    """Where a run stands: all that a checkpoint holds."""

    state: train.State
    served: Parameters
    best: jax.Array
    waited: jax.Array
    history: Float64


def fit(
    run: Run, network: Parameters, data: jax.Array, levels: jax.Array, key: jax.Array
) -> tuple[Parameters, Float64]:
    """Train and return the parameters to serve and the history (chunks, 2) of steps and losses.

    Raises:
        NumericsError: the loss became infinite.
        SettingError: the checkpoint belongs to another run.
        ArtifactError: the checkpoint is damaged or cannot be written.
    """
    data, held_out = _split(data, key, run.patience)
    standing = _start(run, network)
    chunks = train.run(run.plan, standing.state, data, levels, key, run.every)
    if _is_over(run, standing):
        chunks = iter(())
    for state, record in track(chunks, run.plan.n_iter, "training the prior", operator.itemgetter(1)):
        history = np.vstack([standing.history, _told(run, record)])
        standing = _advance(run, standing._replace(history=history), state, held_out, levels, key)
        if run.checkpoint is not None:
            checkpoint.write(run.checkpoint, standing, run.belongs)
        if _is_over(run, standing):
            break
    return standing.served, standing.history


def _start(run: Run, network: Parameters) -> Standing:
    state, never = train.start(run.plan, network), jnp.asarray(jnp.inf)
    fresh = Standing(state, network, never, jnp.asarray(0), np.empty((0, 2)))
    return fresh if run.checkpoint is None else checkpoint.read(run.checkpoint, fresh, run.belongs)


def _advance(
    run: Run,
    standing: Standing,
    state: train.State,
    held_out: jax.Array,
    levels: jax.Array,
    key: jax.Array,
) -> Standing:
    """The standing after a chunk: the latest average is served, or the best on held-out points."""
    if run.patience is None:
        return standing._replace(state=state, served=state.ema)
    loss = train.held_out_loss(run.plan, state.ema, held_out, levels, key)
    if loss < standing.best:
        return Standing(state, state.ema, loss, jnp.asarray(0), standing.history)
    return standing._replace(state=state, waited=standing.waited + 1)


def _is_over(run: Run, standing: Standing) -> bool:
    return run.patience is not None and int(standing.waited) >= run.patience


def _told(run: Run, record: StepRecord) -> tuple[int, float]:
    if not np.isfinite(record.loss):
        fix = "Lower learning_rate."
        raise NumericsError(sentence("DDPM", "the loss", "finite", f"{record.loss}", fix))
    if run.every:
        _log.info("DDPM: step %d of %d, loss %.4f", record.step, run.plan.n_iter, record.loss)
    return record.step, record.loss


def _split(data: jax.Array, key: jax.Array, patience: int | None) -> tuple[jax.Array, jax.Array]:
    """A random tenth apart for early stopping; without it, all points train."""
    if patience is None or len(data) < 2:
        return data, data
    shuffled = data[jax.random.permutation(key, len(data))]
    kept = len(data) - max(1, len(data) // 10)
    return shuffled[:kept], shuffled[kept:]
