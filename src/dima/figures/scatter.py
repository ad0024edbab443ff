"""Points in the plane: coloured by class or value, or two sets over each other."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from dima import check
from dima.errors import ShapeError
from dima.figures.style import ACCENT, BACKDROP, CATEGORIES, CONTRAST, INK, MUTED, TEXT_SIZE, blank, dress
from dima.typing import Array, ArrayLike

__all__ = ["overlay", "scatter"]

_OTHER = "other"
_SHORT = 3  # letters of a name that can be written among the points


def scatter(
    points: ArrayLike,
    labels: ArrayLike | None = None,
    title: str = "",
    axes: tuple[str, str] = ("", ""),
) -> Figure:
    """Points (n, 2), coloured by label.

    Args:
        points: (n, 2).
        labels: (n,) or None. At most 12 different whole numbers or words get a legend; more words
            keep the 11 largest classes and "other"; other numbers get a colour bar.
        title: above the picture.
        axes: names of the two axes, with units where they have any.

    Raises:
        ShapeError: points are not (n, 2), or labels not (n,).
        DataError: there is no point.

    Example:
        >>> figure = scatter([[0, 0], [1, 2], [3, 1]], ["a", "a", "b"], title="Three points")
        >>> figure.get_size_inches().tolist()
        [6.4, 5.2]
    """
    xy = check.array("scatter", "points", points, ("n", 2), finite=False)
    figure = blank(6.4, 5.2)
    plane = figure.add_subplot()
    dress(plane, title, axes)
    if labels is None:
        _dots(plane, xy, ACCENT)
        return figure
    values = np.ravel(labels)
    if len(values) != len(xy):
        rule = f"as many as the {len(xy)} points; got {len(values)}. Pass one label for each point."
        raise ShapeError(f"scatter: labels must be {rule}")
    if _is_continuous(values):
        bar = figure.colorbar(_dots(plane, xy, values), ax=plane, shrink=0.8, aspect=28, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=MUTED, labelsize=TEXT_SIZE - 1, length=0)
        return figure
    names, codes = _classes(values)
    _dots(plane, xy, to_rgba_array(CATEGORIES[: len(names)])[codes])
    _legend(plane, dict(zip(names, CATEGORIES, strict=False)))
    _name_classes(plane, xy, names, codes)
    return figure


def overlay(real: ArrayLike, fake: ArrayLike, title: str = "", axes: tuple[str, str] = ("", "")) -> Figure:
    """Two sets of points (n, 2) and (m, 2) in one plane: real ones behind, generated ones on top.

    The plane is that of `scatter` of the real ones alone; generated ones beyond it are counted in the legend.

    Raises:
        ShapeError: one of them is not (n, 2).
        DataError: one of them is empty.
    """
    behind = check.array("overlay", "real", real, ("n", 2), finite=False)
    above = check.array("overlay", "fake", fake, ("m", 2), finite=False)
    figure = blank(6.4, 5.2)
    plane = figure.add_subplot()
    dress(plane, title, axes)
    _dots(plane, behind, BACKDROP)
    ends = np.array([plane.get_xlim(), plane.get_ylim()])
    _dots(plane, above, CONTRAST)
    plane.set(xlim=ends[0], ylim=ends[1])
    n_beyond = int(((above < ends[:, 0]) | (above > ends[:, 1])).any(axis=1).sum())
    drawn = f"generated ({len(above):,}{f', {n_beyond:,} outside' if n_beyond else ''})"
    _legend(plane, {f"real ({len(behind):,})": BACKDROP, drawn: CONTRAST})
    return figure


def _dots(plane: Axes, xy: Array, colours: Array | str) -> PathCollection:
    """One dot a point, smaller where there are many."""
    # Classes take turns being drawn last, so that none hides the others.
    order = np.random.default_rng(0).permutation(len(xy))
    return plane.scatter(
        xy[order, 0],
        xy[order, 1],
        s=float(np.clip(24_000 / len(xy), 3.0, 26.0)),
        c=colours if isinstance(colours, str) else colours[order],
        cmap="viridis" if np.ndim(colours) == 1 else None,
        linewidths=0.0,
        alpha=0.85,
    )


def _is_continuous(values: Array) -> bool:
    if values.dtype.kind not in "iuf":
        return False
    different = np.unique(values)
    return len(different) > len(CATEGORIES) or bool(np.any(different != np.round(different)))


def _classes(values: Array) -> tuple[list[str], Array]:
    """Names of the classes and the class (n,) of each point; the smallest share a place."""
    if values.dtype.kind == "f":
        values = values.astype(np.int64)
    elif values.dtype.kind == "O":
        values = values.astype(str)
    different, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(different) <= len(CATEGORIES):
        return [str(name) for name in different], codes
    kept = np.sort(np.argsort(-counts, kind="stable")[: len(CATEGORIES) - 1])
    place = np.full(len(different), len(kept))
    place[kept] = np.arange(len(kept))
    return [*(str(different[code]) for code in kept), _OTHER], place[codes]


def _name_classes(plane: Axes, xy: Array, names: list[str], codes: Array) -> None:
    """Write short names where their classes lie, so that colour is not the only key to them."""
    if max(map(len, names)) > _SHORT or not np.isfinite(xy).all():
        return
    halo = [Stroke(linewidth=3.0, foreground="white"), Normal()]
    for code, name in enumerate(names):
        x, y = np.median(xy[codes == code], axis=0)
        text = plane.text(x, y, name, fontsize=11, weight="bold", color=INK)
        text.set(ha="center", va="center", path_effects=halo)


def _legend(plane: Axes, colours: dict[str, str]) -> None:
    dots = [
        Line2D([], [], marker="o", linestyle="", markersize=6, color=colour) for colour in colours.values()
    ]
    look: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False}
    look |= {"fontsize": TEXT_SIZE, "labelcolor": INK, "handletextpad": 0.2, "labelspacing": 0.5}
    plane.legend(dots, list(colours), **look)
