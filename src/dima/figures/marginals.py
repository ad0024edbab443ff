"""Each column of a table alone: real rows beside generated ones, in small histograms and bars."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dima import check
from dima.errors import ShapeError
from dima.figures.style import BACKDROP, CONTRAST, INK, MUTED, TEXT_SIZE, blank, dress
from dima.typing import Array, ArrayLike

__all__ = ["marginals"]

_MOST = 24
_ACROSS = 4
_PANEL = (2.1, 1.5)  # inches
_LEGEND = 0.5
_NARROWEST = 3.6
_BARS = 12  # different values that still have a bar each
_BINS = (8, 30)
_LETTERS = 23  # of a name above its panel
_ROOM = 24  # letters of words, as long as the longest, that fit side by side
_WORD = 12
_OTHER = "other"


class _Bars(NamedTuple):
    """Words or values of a column, and for either set the share of rows (v,) that hold each."""

    labels: list[str]
    real: Array
    fake: Array


def marginals(
    real: ArrayLike,
    fake: ArrayLike,
    names: Sequence[str],
    words: Mapping[int, Sequence[str]] | None = None,
) -> Figure:
    """Shares of rows in each column, real ones filled and generated ones as a line or a second bar.

    Numbers are counted in common bins over the range of real rows; generated ones beyond it, however far,
    are in one more bin at that end. Words, and numbers of which both sets together hold at most 12
    different ones, get a bar each; of more words the 11 most frequent do, beside "other". Of more than 24
    columns the first 24 are drawn, and the legend says so. NaN is left out.

    Args:
        real: rows (n, D).
        fake: rows (m, D).
        names: of the D columns.
        words: those of a column by its position; the column holds the index of each.

    Raises:
        DimaError: as `check.array`; a ShapeError if names are not as many as columns.

    Example:
        >>> figure = marginals([[0.1, 0], [0.7, 1]], [[0.4, 1]], ["height", "colour"], {1: ["blue", "red"]})
        >>> [panel.get_title(loc="left") for panel in figure.axes]
        ['height', 'colour']
    """
    real = check.array("marginals", "real", real, finite=False)
    fake = check.array("marginals", "fake", fake, ("m", real.shape[1]), finite=False)
    if len(names) != real.shape[1]:
        raise ShapeError(f"marginals: names must be {real.shape[1]}, one a column; got {len(names)}.")
    shown, words = min(len(names), _MOST), words or {}
    across = min(shown, _ACROSS)
    down = -(-shown // across)
    figure = blank(max(across * _PANEL[0], _NARROWEST), down * _PANEL[1] + _LEGEND)
    for at in range(shown):
        panel = figure.add_subplot(down, across, at + 1)
        _draw(panel, real[:, at], fake[:, at], words.get(at))
        panel.set_title(_short(names[at], _LETTERS), loc="left", fontsize=TEXT_SIZE, color=INK)
    _legend(figure, len(real), len(fake), f"first {shown} of {len(names)} columns" * (len(names) > shown))
    return figure


def _draw(panel: Axes, real: Array, fake: Array, words: Sequence[str] | None) -> None:
    dress(panel)
    panel.grid(visible=False)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    real, fake = real[np.isfinite(real)], fake[np.isfinite(fake)]
    values = np.unique(np.concatenate([real, fake]))
    if words is not None:
        _draw_bars(panel, _bars(real, fake, np.arange(len(words)), list(words)))
    elif 0 < len(values) <= _BARS:
        _draw_bars(panel, _bars(real, fake, values, [f"{value:.4g}" for value in values]))
    elif len(values):
        _draw_steps(panel, real, fake)


def _draw_steps(panel: Axes, real: Array, fake: Array) -> None:
    edges = _edges(real if len(real) else fake, min(len(real), len(fake)))
    inside = [np.clip(values, edges[0], edges[-1]) for values in (real, fake)]
    behind, above = (np.histogram(values, edges)[0] / max(1, len(values)) for values in inside)
    panel.stairs(behind, edges, fill=True, color=BACKDROP, alpha=0.75)
    panel.stairs(above, edges, color=CONTRAST, linewidth=1.3)
    panel.set_ylim(0.0, 1.08 * max(behind.max(), above.max()))
    panel.xaxis.set_major_locator(MaxNLocator(3))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")


def _edges(values: Array, n: int) -> Array:
    """Bins over the range of values, by Rice's rule for n rows, and one beyond either end."""
    low, high = float(values.min()), float(values.max())
    bins = int(np.clip(2.0 * np.cbrt(n), *_BINS))
    # A little wider, so that the largest value is not beyond its own range.
    width = 1.000001 * (high - low or abs(high) or 1.0) / bins
    return np.linspace(low - width, low + (bins + 1) * width, bins + 3)


def _bars(real: Array, fake: Array, values: Array, labels: list[str]) -> _Bars:
    """Shares of each value; of more than 12 those of the most frequent, and the rest in one."""
    behind, above = ((rows[:, None] == values).sum(axis=0) / max(1, len(rows)) for rows in (real, fake))
    if len(values) <= _BARS:
        return _Bars(labels, behind, above)
    kept = np.sort(np.argsort(-behind - above, kind="stable")[: _BARS - 1])
    rest = [np.append(shares[kept], shares.sum() - shares[kept].sum()) for shares in (behind, above)]
    return _Bars([*(labels[at] for at in kept), _OTHER], *rest)


def _draw_bars(panel: Axes, bars: _Bars) -> None:
    places = np.arange(len(bars.labels))
    panel.bar(places - 0.2, bars.real, 0.4, color=BACKDROP)
    panel.bar(places + 0.2, bars.fake, 0.4, color=CONTRAST)
    panel.set_xlim(-0.75, len(places) - 0.25)
    labels = [_short(label, _WORD) for label in bars.labels]
    look: dict[str, Any] = {"color": MUTED}
    if max(map(len, labels)) * len(labels) > _ROOM:
        look |= {"rotation": 60, "ha": "right", "rotation_mode": "anchor", "fontsize": TEXT_SIZE - 2}
    panel.set_xticks(places, labels, **look)


def _legend(figure: Figure, n: int, m: int, note: str) -> None:
    told = {f"real ({n:,})": Patch(color=BACKDROP), f"generated ({m:,})": Patch(color=CONTRAST)}
    if note:
        told[note] = Patch(alpha=0.0)
    look: dict[str, Any] = {"fontsize": TEXT_SIZE, "labelcolor": INK, "frameon": False}
    figure.legend(list(told.values()), list(told), loc="outside upper left", ncols=len(told), **look)


def _short(word: object, letters: int) -> str:
    text = str(word)
    return text if len(text) <= letters else text[: letters - 1] + "…"
