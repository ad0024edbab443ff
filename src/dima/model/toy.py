"""Toy diffusion of points in the plane, from data to pictures: what `dima toy` does."""

import operator
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dima import check
from dima.data.npy import write_npy
from dima.errors import DataError
from dima.figures import curve, png
from dima.figures import plane as pictures
from dima.files import Content
from dima.latent import toy
from dima.progress import StepRecord, track
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Float64

__all__ = ["FILES", "ToyRun", "diffuse", "plane_points"]

FILES = ("data.png", "forward.png", "loss.png", "samples.png", "reverse.gif", "samples.npy")
_TIMES = 6
_PUBLISHED_STEPS = 1000
_LARGEST_BETA = 0.5  # of more, a step back divides by so little of the point that its error grows without end


class ToyRun(NamedTuple):
    """What a toy run ends with.

    Attributes:
        points: (n, 2) the data.
        forward: clouds (n, 2) of the noising, by their time.
        losses: (epochs,) mean loss of each epoch.
        states: (T + 1, n_samples, 2) the way back from noise, the samples last.
    """

    points: Array
    forward: dict[str, Float64]
    losses: Float64
    states: Float64

    def files(self) -> dict[str, Content]:
        """Pictures, an animation and the samples, by file name."""
        T, samples = len(self.states) - 1, self.states[-1]
        epochs = np.arange(1, len(self.losses) + 1)
        losses = curve.loss(epochs, self.losses, "Loss")
        losses.axes[0].set_xlabel("epoch")
        contents = (
            png(pictures.snapshots({"data": self.points})),
            png(pictures.snapshots(self.forward, "Noise is added")),
            png(losses),
            png(pictures.snapshots({"data": self.points, "samples": samples})),
            pictures.animation(self.states, [f"t = {T - i}" for i in range(T + 1)]),
            lambda handle: write_npy(handle, samples),
        )
        return dict(zip(FILES, contents, strict=True))


def plane_points(values: ArrayLike) -> Array:
    """Checked points (n, 2) of a user's own.

    Raises:
        ShapeError: not two columns.
        DataError: not finite, or all points are equal.
    """
    points = check.array("dima toy", "--data", values, ("n", 2))
    if not Standardizer.of(points).varies.any():
        raise DataError("dima toy: --data must be varying; got equal points. Pass points that differ.")
    return points


def diffuse(  # noqa: PLR0913 each argument is a setting
    points: Array,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    hidden_dim: int,
    T: int,
    beta_start: float,
    beta_end: float,
    n_samples: int,
    seed: int,
    tell: Callable[[StepRecord], None],
) -> ToyRun:
    """Train on points (n, 2) and walk samples back; `tell` hears of every epoch."""
    scale = Standardizer.of(points, common=True)
    standard = scale.apply(points, np.float32)
    keys = [int(key) for key in np.random.SeedSequence(seed).generate_state(4)]
    model = toy.DiffusionModel(2, hidden_dim, 2, keys[0])
    process = _process(T, beta_start, beta_end)
    trainer = toy.Trainer(model, process, standard, keys[1], learning_rate, batch_size)
    losses = []
    for state, record in track(trainer.epochs(epochs), epochs, "training", operator.itemgetter(1)):
        params = state.params
        losses.append(record.loss)
        tell(record)
    states = np.asarray(toy.Sampler(model, process, keys[2]).sample(params, n_samples, keep=True))
    noise = np.random.default_rng(keys[3]).standard_normal(standard.shape, np.float32)
    times = np.unique(np.linspace(0, T, _TIMES).astype(int))
    # After t steps of noise a point stands at step t - 1; before the first it is clean.
    clouds = [np.asarray(process.q_sample(standard, t - 1, noise)) if t else standard for t in times]
    forward = {f"t = {t}": scale.restore(cloud) for t, cloud in zip(times, clouds, strict=True)}
    return ToyRun(points, forward, np.array(losses), scale.restore(states))


def _process(T: int, beta_start: float, beta_end: float) -> toy.DiffusionProcess:
    """The chain in T steps whose betas are those of 1000 steps, larger where steps are fewer."""
    toy.DiffusionProcess(_PUBLISHED_STEPS, beta_start, beta_end)  # refuses betas as they were given
    scaled = (min(beta * _PUBLISHED_STEPS / T, _LARGEST_BETA) for beta in (beta_start, beta_end))
    return toy.DiffusionProcess(T, *scaled)
