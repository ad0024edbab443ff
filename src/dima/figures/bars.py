"""Bars under one another: a share for each name, on one axis from 0 to 1."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dima import check
from dima.figures.style import ACCENT, CONTRAST, INK, TEXT_SIZE, blank, dress

__all__ = ["shares"]

# Inches.
_ROW = 0.26
_FRAME = 1.1
_WIDTH = 6.4


def shares(values: Mapping[str, float], title: str = "", label: str = "") -> Figure:
    """Shares by name, the first on top, bars from 0 to 1; the number beside each is told as it is.

    A value outside [0, 1] ends at the edge, in another colour.

    Args:
        values: name -> share.
        title: above the bars.
        label: of the axis.

    Raises:
        DataError: there is none, or one is not finite.

    Example:
        >>> [text.get_text() for text in shares({"mid": 0.1, "skips": 1.25}).axes[0].texts]
        ['0.100', '1.250']
    """
    given = check.array("shares", "values", list(values.values()), ("n",))
    figure = blank(_WIDTH, _FRAME + _ROW * len(given))
    plane = figure.add_subplot()
    dress(plane, title, (label, ""))
    plane.grid(visible=False, axis="y")
    places = np.arange(len(given))
    drawn = np.clip(given, 0.0, 1.0)
    colors = [ACCENT if value == inside else CONTRAST for value, inside in zip(given, drawn, strict=True)]
    plane.barh(places, drawn, height=0.7, color=colors)
    for place, value, end in zip(places, given, drawn, strict=True):
        # Beyond the end of its bar, or of the axis: never on the colour.
        plane.annotate(
            f"{value:.3f}",
            (end, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=TEXT_SIZE - 1.5,
            color=INK,
            annotation_clip=False,
        )
    plane.set_yticks(places, list(values), color=INK)
    plane.set_ylim(len(given) - 0.4, -0.6)
    plane.set_xlim(0.0, 1.0)
    return figure
