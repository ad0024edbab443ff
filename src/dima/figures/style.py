"""The look all pictures share: colours that colour-blind readers tell apart, quiet axes."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# fmt: off
__all__ = [
    "ACCENT", "BACKDROP", "CATEGORIES", "CONTRAST", "FAINT", "INK", "MUTED", "PAPER", "TEXT_SIZE",
    "TITLE_SIZE", "blank", "dress",
]
# fmt: on

PAPER = "#ffffff"
INK = "#1f2933"
MUTED = "#64707d"
FAINT = "#dfe4e8"
ACCENT = "#1f6fb2"
BACKDROP = "#aab4be"
CONTRAST = "#e1701a"
# The ten of Petroff 2021 (arXiv 2107.02270), made for colour-blind readers, and two that keep as
# far from each of them as they keep from each other.
# fmt: off
CATEGORIES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59",
    "#e76300", "#b9ac70", "#717581", "#92dadd", "#3030c8", "#14202b",
)
# fmt: on
TITLE_SIZE = 11.5
TEXT_SIZE = 9.5


def blank(width: float, height: float, has_layout: bool = True) -> Figure:
    """An empty figure of a size in inches, outside pyplot's global list of figures."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08) if has_layout else None
    return Figure(figsize=(width, height), facecolor=PAPER, layout=layout)


def dress(axes: Axes, title: str = "", labels: tuple[str, str] = ("", "")) -> None:
    """Give axes the shared look: title to the left, two thin spines, a faint grid."""
    if title:
        axes.set_title(title, loc="left", fontsize=TITLE_SIZE, color=INK, pad=10, weight="bold")
    axes.set_xlabel(labels[0], fontsize=TEXT_SIZE, color=MUTED)
    axes.set_ylabel(labels[1], fontsize=TEXT_SIZE, color=MUTED)
    axes.tick_params(colors=MUTED, labelsize=TEXT_SIZE - 1, length=0, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(visible=True, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
