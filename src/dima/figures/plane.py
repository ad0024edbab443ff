"""Points in the plane over time: rows of snapshots, and an animation as GIF bytes."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dima.figures import png, style
from dima.typing import Array, ArrayLike

__all__ = ["animation", "snapshots"]

_FRAMES = 40
_FRAME_TIME = 80  # milliseconds
_LAST_FRAME_TIME = 2000
_DOTS = 2000  # points shown; more only blacken the picture


def snapshots(clouds: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Clouds of points (n, 2) side by side on equal axes, each under its name."""
    shown = {name: np.asarray(points)[:_DOTS] for name, points in clouds.items()}
    reach = max(float(np.abs(points).max()) for points in shown.values()) * 1.05 or 1.0
    figure = style.blank(2.4 * len(shown), 2.9)
    for i, (name, points) in enumerate(shown.items()):
        axes = figure.add_subplot(1, len(shown), i + 1)
        axes.plot(*points.T, ".", markersize=1.5, alpha=0.6)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        axes.set_title(name, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def animation(states: Array, names: list[str]) -> bytes:
    """An animated GIF of clouds (steps, n, 2), some 40 frames long; the last stays for two seconds."""
    # Pillow comes with matplotlib; only an animation needs it.
    from PIL import Image

    at = np.unique(np.linspace(0, len(states) - 1, _FRAMES).astype(int))
    reach = float(np.abs(states[0]).max())
    frames = []
    for i in at:
        figure = snapshots({names[i]: np.clip(states[i], -reach, reach)})
        frames.append(Image.open(io.BytesIO(png(figure, dpi=120))).convert("P"))
    drawn = io.BytesIO()
    times = [_FRAME_TIME] * (len(frames) - 1) + [_LAST_FRAME_TIME]
    frames[0].save(drawn, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return drawn.getvalue()
