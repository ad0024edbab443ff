"""Pictures and the report: functions return a matplotlib Figure or bytes, and open no window."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["png"]


def png(figure: "Figure", dpi: int = 110) -> bytes:
    """Draw a figure as PNG at `dpi` dots per inch; the same figure gives the same bytes."""
    drawn = io.BytesIO()
    # The canvas of a bare Figure hands a .png to Agg, which needs no display.
    figure.savefig(drawn, format="png", dpi=dpi, metadata={"Software": None})
    return drawn.getvalue()
