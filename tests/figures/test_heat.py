import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, ShapeError
from dima.figures import png
from dima.figures.heat import cells

VALUES = np.array([[0.5, -1.0], [0.0, 2.0], [0.25, 0.125]])


def test_each_number_has_its_cell_and_one_scale_is_even_about_zero():
    plane = cells(VALUES, ["a", "b", "c"], ["one", "two"], "Loadings").axes[0]
    assert_close(plane.images[0].get_array(), VALUES)
    assert plane.images[0].get_clim() == (-2.0, 2.0)
    texts = {text.get_position(): text.get_text() for text in plane.texts}
    assert texts[1, 0] == "-1.00"
    assert texts[0, 2] == "0.25"
    assert [text.get_text() for text in plane.get_yticklabels()] == ["a", "b", "c"]
    bottom, top = plane.get_ylim()
    assert bottom > top  # the first row is on top
    assert plane.get_title(loc="left") == "Loadings"


def test_long_names_are_cut_and_more_cells_make_a_larger_page():
    plane = cells(VALUES[:1], ["x" * 60], ["one", "two"]).axes[0]
    assert plane.get_yticklabels()[0].get_text() == "x" * 25 + "..."
    few, many = cells(VALUES[:1], ["a"], ["b", "c"]), cells(np.ones((9, 20)), list("123456789"), ["x"] * 20)
    assert many.get_figheight() > few.get_figheight()
    assert many.get_figwidth() > few.get_figwidth()
    assert png(few, dpi=40).startswith(b"\x89PNG")


def test_zeros_alone_are_white():
    assert cells([[0.0]], ["a"], ["b"]).axes[0].images[0].get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "error"), [([[np.nan]], DataError), ([[1.0, 2.0]], ShapeError), ([], ShapeError)]
)
def test_what_is_refused(values, error):
    with pytest.raises(error, match=r"^cells: values must "):
        cells(values, ["a"], ["b"])
