import io
import sys

import numpy as np
from matplotlib.image import imread

from dima.figures import png
from dima.figures.scatter import scatter
from dima.figures.style import blank


def test_dots_per_inch_set_the_size():
    drawn = imread(io.BytesIO(png(blank(2.0, 1.0), dpi=50)))
    assert drawn.shape[:2] == (50, 100)


def test_the_same_figure_gives_the_same_bytes():
    points = np.random.default_rng(0).standard_normal((40, 2))
    assert png(scatter(points)) == png(scatter(points))


def test_no_global_list_of_figures_is_touched():
    png(scatter(np.zeros((3, 2))))
    assert "matplotlib.pyplot" not in sys.modules
