import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, ShapeError
from dima.figures import png
from dima.figures.curve import loss, spectrum


def lines(figure):
    return figure.axes[0].get_lines()


def test_spectrum_shows_every_eigenvalue_by_mode():
    values = np.array([0.9, 0.7, 0.4])
    figure = spectrum(values, "Spectrum")
    for line in lines(figure):
        assert_close(line.get_xydata(), [[1, 0.9], [2, 0.7], [3, 0.4]])
    plane = figure.axes[0]
    assert plane.get_title(loc="left") == "Spectrum"
    assert plane.get_xlabel() == "mode"
    assert plane.get_ylim()[0] == 0.0
    assert plane.get_yscale() == "linear"


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 1e-3], "log"), ([1.0, 0.5], "linear"), ([1.0, 0.0], "linear"), ([1.0, -0.1], "linear")],
)
def test_a_wide_spectrum_is_logarithmic(values, scale):
    plane = spectrum(values).axes[0]
    assert plane.get_yscale() == scale
    assert plane.get_ylim()[0] <= min(values)


@pytest.mark.parametrize("values", [[0.5], [0.0, 0.0], np.linspace(1, 0.5, 500)])
def test_any_spectrum_can_be_drawn(values):
    assert png(spectrum(values), dpi=40).startswith(b"\x89PNG")


def test_a_short_run_is_drawn_as_it_is():
    (line,) = lines(loss([10, 20, 30], [3, 2, 1]))
    assert_close(line.get_xydata(), [[10, 3], [20, 2], [30, 1]])


def test_a_long_run_gets_its_running_mean():
    values = np.random.default_rng(0).random(1000)
    raw, smooth = lines(loss(np.arange(1000), values))
    assert_close(raw.get_ydata(), values)
    expected = [values[max(i - 39, 0) : i + 1].mean() for i in range(1000)]
    assert_close(smooth.get_ydata(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("steps", "losses", "kind"),
    [
        ([1, 2], [1.0], ShapeError),
        ([[1]], [[1.0]], ShapeError),
        ([], [], DataError),
        ([1, 2], [1.0, np.nan], DataError),
    ],
)
def test_what_is_refused(steps, losses, kind):
    with pytest.raises(kind, match=r"loss: .* must "):
        loss(steps, losses)
