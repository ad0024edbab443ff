"""A table as colours: one cell for each number, blue below zero, red above, white at it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dima import check
from dima.figures.style import INK, PAPER, TEXT_SIZE, blank, dress
from dima.typing import ArrayLike

__all__ = ["cells"]

# Inches.
_CELL = (0.62, 0.26)
_FRAME = (1.4, 0.9)
_LETTER = 0.075
_LETTERS = 28  # of a name
_DARK = 0.6  # of the range, from which a number is written in white


def cells(values: ArrayLike, rows: Sequence[str], columns: Sequence[str], title: str = "") -> Figure:
    """Numbers (r, c) as coloured cells with the number in each, on one scale that is even about zero.

    Args:
        values: the numbers.
        rows: a name for each row, the first on top.
        columns: a name for each column.
        title: above the cells.

    Raises:
        ShapeError: names are not as many as rows and columns.
        DataError: there is no number, or one is not finite.

    Example:
        >>> figure = cells([[0.5, -1.0]], ["height"], ["latent 1", "latent 2"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0.50', '-1.00']
    """
    given = check.array("cells", "values", values, (len(rows), len(columns)))
    limit = float(np.abs(given).max()) or 1.0
    names = [name if len(name) <= _LETTERS else f"{name[: _LETTERS - 3]}..." for name in rows]
    width = _FRAME[0] + _CELL[0] * len(columns) + _LETTER * max(map(len, names))
    figure = blank(width, _FRAME[1] + _CELL[1] * len(rows))
    plane = figure.add_subplot()
    dress(plane, title)
    plane.imshow(given, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(given):
        color = PAPER if abs(value) > _DARK * limit else INK
        size = TEXT_SIZE - 1.5
        plane.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=size, color=color)
    plane.set_yticks(range(len(rows)), names, color=INK)
    plane.set_xticks(range(len(columns)), list(columns), color=INK, rotation=45, ha="right")
    plane.grid(visible=False)
    plane.spines[:].set_visible(False)
    return figure
