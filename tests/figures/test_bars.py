import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError
from dima.figures import png
from dima.figures.bars import shares

VALUES = {"down": 0.25, "mid": -0.5, "up": 1.0, "skips": 1.75}


def test_bars_end_at_their_share_or_at_the_edge_and_tell_it_as_it_is():
    plane = shares(VALUES, "Leverage", "share").axes[0]
    assert_close([bar.get_width() for bar in plane.patches], [0.25, 0.0, 1.0, 1.0])
    assert [text.get_text() for text in plane.texts] == ["0.250", "-0.500", "1.000", "1.750"]
    assert [text.get_text() for text in plane.get_yticklabels()] == list(VALUES)
    assert (plane.get_title(loc="left"), plane.get_xlabel()) == ("Leverage", "share")
    assert plane.get_xlim() == (0.0, 1.0)


def test_what_lies_outside_has_another_colour():
    inside, below, whole, beyond = (bar.get_facecolor() for bar in shares(VALUES).axes[0].patches)
    assert inside == whole != beyond == below


def test_the_first_is_on_top_and_more_bars_make_a_taller_page():
    few, many = shares(VALUES), shares({str(i): 0.5 for i in range(20)})
    bottom, top = few.axes[0].get_ylim()
    assert bottom > top
    assert many.get_figheight() > few.get_figheight()
    assert png(many, dpi=40).startswith(b"\x89PNG")


@pytest.mark.parametrize("values", [{}, {"a": np.nan}])
def test_what_is_refused(values):
    with pytest.raises(DataError, match=r"shares: .* must "):
        shares(values)
