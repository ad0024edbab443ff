"""Lines over steps: the loss of a training run, the eigenvalues of a diffusion map."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dima import check
from dima.figures.style import ACCENT, blank, dress
from dima.typing import Array, ArrayLike

__all__ = ["loss", "spectrum"]

# Beyond this ratio of largest to smallest a linear axis hides the small end.
_LOG_RATIO = 30.0
_STEPS = (1, 2, 5, 10)


def spectrum(eigenvalues: ArrayLike, title: str = "") -> Figure:
    """Eigenvalues (d,) by mode; the axis starts at 0 unless they span more than a factor of 30.

    Raises:
        ShapeError: not one axis.
        DataError: empty, or not finite.
    """
    values = check.array("spectrum", "eigenvalues", eigenvalues, ("d",))
    mode = np.arange(1, len(values) + 1)
    figure, plane = _axes(title, ("mode", "eigenvalue"))
    plane.plot(mode, values, color=ACCENT, linewidth=1.2, alpha=0.45)
    plane.plot(mode, values, "o", color=ACCENT, markersize=6.0 if len(values) <= 40 else 3.0, clip_on=False)
    plane.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=_STEPS))
    margin = 0.025 * max(len(values), 20)
    plane.set_xlim(1.0 - margin, len(values) + margin)
    if _needs_log(values):
        plane.set_yscale("log")
    else:
        plane.set_ylim(min(0.0, values.min()), max(values.max() * 1.05, 1e-12))
    return figure


def loss(steps: ArrayLike, losses: ArrayLike, title: str = "") -> Figure:
    """Loss over training steps, both (n,); a long noisy run also gets its running mean.

    Raises:
        ShapeError: not one axis, or of different lengths.
        DataError: empty, or not finite.
    """
    at = check.array("loss", "steps", steps, ("n",))
    values = check.array("loss", "losses", losses, at.shape)
    figure, plane = _axes(title, ("training step", "loss"))
    window = len(values) // 25
    if window > 1:
        plane.plot(at, values, color=ACCENT, linewidth=0.8, alpha=0.3)
        plane.plot(at, _running_mean(values, window), color=ACCENT, linewidth=1.8)
    else:
        marker = "o" if len(values) <= 12 else ""
        plane.plot(at, values, color=ACCENT, linewidth=1.8, marker=marker, markersize=4)
    if _needs_log(values):
        plane.set_yscale("log")
    plane.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=_STEPS))
    plane.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    return figure


def _axes(title: str, labels: tuple[str, str]) -> tuple[Figure, Axes]:
    figure = blank(6.4, 3.4)
    plane = figure.add_subplot()
    dress(plane, title, labels)
    plane.grid(visible=False, axis="x")
    return figure, plane


def _needs_log(values: Array) -> bool:
    return bool(values.min() > 0.0 and values.max() > _LOG_RATIO * values.min())


def _running_mean(values: Array, window: int) -> Array:
    """Mean of the last `window` values at each place, of all so far at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
