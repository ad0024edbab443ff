"""`dima toy`: diffusion of points in the plane, from data to pictures."""

import itertools
import operator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.cli.use import table
from dima.data import plane, read
from dima.errors import DataError, ShapeError
from dima.figures import curve, png
from dima.figures import plane as pictures
from dima.latent import toy
from dima.noise.schedule import path
from dima.progress import track
from dima.typing import Array

__all__ = ["toy_diffusion"]

Set = Literal[
    "gaussian", "two-moons", "eight-gaussians", "checkerboard", "spiral", "swiss-roll", "pinwheel", "rings"
]
Positive = Annotated[int, Parameter(validator=Number(gte=1))]

_POINTS = 10_000
_SAMPLES = 2000
_TIMES = 6


def toy_diffusion(  # noqa: PLR0913 each argument is a flag
    name: Set = "gaussian",
    /,
    *,
    epochs: Annotated[Positive, Parameter(help="passes over the data")] = 200,
    batch_size: Annotated[Positive, Parameter(help="points in a training step")] = 512,
    learning_rate: Annotated[float, Parameter(help="step size of Adam", validator=Number(gt=0))] = 1e-3,
    hidden_dim: Annotated[Positive, Parameter(help="width of the three hidden layers")] = 128,
    T: Annotated[Positive, Parameter(name="--T", help="noising steps")] = 100,
    beta_start: Annotated[float, Parameter(help="first beta of the chain, per 1000 steps")] = 1e-4,
    beta_end: Annotated[float, Parameter(help="last beta of the chain, per 1000 steps")] = 2e-2,
    data: Annotated[str | None, Parameter(help="your own points, two columns, instead of a set")] = None,
    to: Annotated[Path, Parameter(name=["--output", "-o"], help="folder to write")] = Path("dima-toy"),
    common: Common = EVERYWHERE,
) -> None:
    """Train a small diffusion model on points in the plane and draw what happens.

    Writes data.png, forward.png (the noising at six times), loss.png, samples.png (beside the data),
    reverse.gif (the way back from noise) and samples.npy. JAX alone; nothing opens a window.
    """
    seed = common.seed or 0
    points = plane.points(name, _POINTS, seed) if data is None else _given(table(data, False, common).values)
    # The textbook's chain keeps no floor of signal.
    chain = toy.Chain(path("linear", T, beta_start=beta_start, beta_end=beta_end, floor=0.0))
    folder = targets.folder(to, "dima toy")
    mean, scale = points.mean(axis=0), points.std()
    standard, network = toy.start((points - mean) / scale, hidden_dim, seed)
    passes = toy.epochs(network, chain, standard, batch_size, learning_rate, seed)
    losses = []
    bounded = itertools.islice(passes, epochs)
    with common.bars():
        for trained, record in track(bounded, epochs, "training", operator.itemgetter(1)):
            network = trained
            losses.append(record.loss)
            if not common.quiet and not common.as_json and record.step % max(1, epochs // 10) == 0:
                output.lines(f"epoch {record.step:5d}   mean loss {record.loss:.4f}")
    states = np.asarray(toy.ancestral_sample(network, chain, _SAMPLES, 2, seed)) * scale + mean
    _draw(folder, points, _forward(chain, points, seed), np.array(losses), states)
    read.save_table(folder / "samples.npy", states[-1])
    if common.as_json:
        output.json({"folder": folder, "epochs": epochs, "loss": losses[-1], "samples": len(states[-1])})
    elif not common.quiet:
        output.lines(
            f"Written to {folder}: data, forward, loss and samples as .png, reverse.gif, samples.npy"
        )


def _forward(chain: toy.Chain, points: Array, seed: int) -> dict[str, Array]:
    mean, scale = points.mean(axis=0), points.std()
    times = np.unique(np.linspace(0, chain.T, _TIMES).astype(int))
    clouds = toy.noised(chain, (points - mean) / scale, times, seed)
    return {f"t = {t}": cloud * scale + mean for t, cloud in zip(times, clouds, strict=True)}


def _draw(folder: Path, points: Array, forward: dict[str, Array], losses: Array, states: Array) -> None:
    T = len(states) - 1
    drawn = {
        "data.png": png(pictures.snapshots({"data": points})),
        "forward.png": png(pictures.snapshots(forward, "Noise is added")),
        "loss.png": png(curve.loss(np.arange(1, len(losses) + 1), losses, "Loss")),
        "samples.png": png(pictures.snapshots({"data": points, "samples": states[-1]})),
        "reverse.gif": pictures.animation(states, [f"t = {T - i}" for i in range(T + 1)]),
    }
    for name, content in drawn.items():
        (folder / name).write_bytes(content)


def _given(values: Array) -> Array:
    if values.shape[1] != 2:
        raise ShapeError(
            f"dima toy: columns of --data must be two; got {values.shape[1]}. "
            "Pass two columns; dima fit takes any number."
        )
    points = np.asarray(values, np.float32)
    if not np.isfinite(points).all() or points.std() == 0:
        raise DataError(
            "dima toy: --data must be finite and varying; got NaN, inf or equal points. "
            "Drop the rows that are not finite, or pass other points."
        )
    return points
