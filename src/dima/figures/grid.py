"""Pictures of images: many in a grid, or versions of the same ones in labelled rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dima import check
from dima.errors import DataError, SettingError, ShapeError
from dima.figures.style import FAINT, INK, MUTED, TEXT_SIZE, TITLE_SIZE, blank
from dima.typing import Array, ArrayLike

__all__ = ["images", "rows"]

# All lengths on the page are inches.
_TILE = 0.6
_GAP = 0.07
_MARGIN = 0.12
_HEADING = 0.36
_LABEL = 0.17
_LETTER = 0.08


class _Page(NamedTuple):
    """A figure whose plane counts inches from the top left, and where its tiles stand."""

    figure: Figure
    plane: Axes
    left: float
    top: float
    pitch: float  # from the top of a row to that of the next
    tall: float


def images(
    images: ArrayLike, n_columns: int, title: str = "", labels: Sequence[object] | None = None
) -> Figure:
    """Images (n, h, w) in a grid, row by row; one value range for all, larger is darker.

    Images (n, h, w, 3) are red, green and blue from 0 to 1.

    Each of the `labels`, one for each image, is written above it.

    Raises:
        ShapeError: images are not (n, h, w) or (n, h, w, 3), or labels are not as many.
        DataError: there is no image, or no finite pixel.
        SettingError: n_columns is below 1.
    """
    pixels = check.array("images", "images", images, _shape(images), finite=False)
    if n_columns < 1:
        raise SettingError(f"images: n_columns must be at least 1; got {n_columns}. Pass for example 10.")
    if labels is not None and len(labels) != len(pixels):
        rule = f"as many as the {len(pixels)} images; got {len(labels)}. Pass one label for each image."
        raise ShapeError(f"images: labels must be {rule}")
    limits = _range("images", pixels)
    n_columns = min(n_columns, len(pixels))
    n_rows = -(-len(pixels) // n_columns)
    page = _page((n_rows, n_columns), pixels.shape[1:3], title, above=0.0 if labels is None else _LABEL)
    for place, image in enumerate(pixels):
        row, column = divmod(place, n_columns)
        x, y = _draw(page, image, (row, column), limits)
        if labels is not None:
            label = str(labels[place])
            page.plane.text(x + _TILE / 2, y - 0.04, label, ha="center", fontsize=8, color=MUTED)
    return page.figure


def rows(rows: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Rows of images (n, h, w) or (n, h, w, 3) under their labels, a column a sample: originals and so on.

    The value range is that of the first row, so that rows compare honestly: what goes beyond it is
    clipped, and a faded row looks faded.

    Raises:
        ShapeError: a row is not (n, h, w), or has another shape than the first.
        DataError: there is no row, no image, or no finite pixel in the first row.
    """
    if not rows:
        raise DataError("rows: the figure must have at least one row; got none. Pass images.")
    pixels: dict[str, Array] = {}
    shape = _shape(next(iter(rows.values())))
    for label, row in rows.items():
        pixels[label] = check.array("rows", repr(label), row, shape, finite=False)
        shape = pixels[label].shape
    first = next(iter(pixels.values()))
    limits = _range("rows", first)
    aside = _LETTER * max(map(len, pixels)) + _MARGIN
    page = _page((len(pixels), len(first)), first.shape[1:3], title, aside=aside)
    for place, (label, row) in enumerate(pixels.items()):
        for column, image in enumerate(row):
            _draw(page, image, (place, column), limits)
        at = (page.left - _MARGIN, page.top + place * page.pitch + page.tall / 2)
        page.plane.text(*at, label, ha="right", va="center", fontsize=TEXT_SIZE, color=INK)
    return page.figure


def _shape(images: ArrayLike) -> check.Shape:
    return ("n", "h", "w", 3) if np.ndim(images) == 4 else ("n", "h", "w")


def _range(owner: str, pixels: Array) -> tuple[float, float]:
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        raise DataError(f"{owner}: some pixel must be finite; got NaN or inf alone. Pass numbers.")
    return float(finite.min()), float(finite.max())


def _page(
    grid: tuple[int, int], image: tuple[int, ...], title: str, *, above: float = 0.0, aside: float = 0.0
) -> _Page:
    """An empty page for a grid (rows, columns) of tiles, with room above and left of them."""
    tall = _TILE * image[0] / image[1]
    pitch = tall + _GAP + above
    left, top = _MARGIN + aside, _MARGIN + above + (_HEADING if title else 0.0)
    # A title that is wider than the tiles must still fit; its letters are larger and bold.
    wide = max(left + grid[1] * (_TILE + _GAP), 1.5 * _LETTER * len(title)) + _MARGIN
    high = top + grid[0] * pitch - above + _MARGIN
    figure = blank(wide, high, has_layout=False)
    plane = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0.0, wide), ylim=(high, 0.0))
    plane.set_axis_off()
    plane.text(_MARGIN, _MARGIN + 0.16, title, fontsize=TITLE_SIZE, weight="bold", color=INK)
    return _Page(figure, plane, left, top, pitch, tall)


def _draw(page: _Page, image: Array, at: tuple[int, int], limits: tuple[float, float]) -> tuple[float, float]:
    """Draw one image into the tile (row, column); return the tile's top left corner."""
    x, y = page.left + at[1] * (_TILE + _GAP), page.top + at[0] * page.pitch
    shades: dict[str, Any] = {"cmap": "gray_r", "vmin": limits[0], "vmax": limits[1]}
    extent = (x, x + _TILE, y + page.tall, y)
    page.plane.imshow(image, extent=extent, interpolation="nearest", aspect="auto", **shades)
    # Images often end in paper white: a hairline says where.
    page.plane.add_patch(Rectangle((x, y), _TILE, page.tall, fill=False, edgecolor=FAINT, linewidth=0.6))
    return x, y
