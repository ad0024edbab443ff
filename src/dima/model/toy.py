"""Toy diffusion of points in the plane, from data to pictures: what `dima toy` does."""

import itertools
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
from dima.noise.schedule import path
from dima.progress import StepRecord, track
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Float64

__all__ = ["ToyRun", "diffuse", "plane_points"]

_TIMES = 6


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
        return {
            "data.png": png(pictures.snapshots({"data": self.points})),
            "forward.png": png(pictures.snapshots(self.forward, "Noise is added")),
            "loss.png": png(curve.loss(epochs, self.losses, "Loss")),
            "samples.png": png(pictures.snapshots({"data": self.points, "samples": samples})),
            "reverse.gif": pictures.animation(self.states, [f"t = {T - i}" for i in range(T + 1)]),
            "samples.npy": lambda handle: write_npy(handle, samples),
        }


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
    # The textbook's chain keeps no floor of signal.
    chain = toy.Chain(path("linear", T, beta_start=beta_start, beta_end=beta_end, eps=0.0))
    scale = Standardizer.of(points, common=True)
    standard, network = toy.start(scale.apply(points, np.float32), hidden_dim, seed)
    passes = itertools.islice(toy.epochs(network, chain, standard, batch_size, learning_rate, seed), epochs)
    losses = []
    for trained, record in track(passes, epochs, "training", operator.itemgetter(1)):
        network = trained
        losses.append(record.loss)
        tell(record)
    states = scale.restore(np.asarray(toy.ancestral_sample(network, chain, n_samples, 2, seed)))
    times = np.unique(np.linspace(0, T, _TIMES).astype(int))
    clouds = toy.noised(chain, scale.apply(points, np.float32), times, seed)
    forward = {f"t = {t}": scale.restore(cloud) for t, cloud in zip(times, clouds, strict=True)}
    return ToyRun(points, forward, np.array(losses), states)
