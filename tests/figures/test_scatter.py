import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from dima.errors import DataError, ShapeError
from dima.figures import png
from dima.figures.scatter import overlay, scatter
from dima.figures.style import CATEGORIES

XY = np.random.default_rng(0).standard_normal((60, 2))


def legend(figure):
    box = figure.axes[0].get_legend()
    return [text.get_text() for text in box.get_texts()] if box else None


def colours(figure):
    """Colour of each point, found by its position."""
    (dots,) = figure.axes[0].collections
    at = {tuple(xy): tuple(face) for xy, face in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)}
    return [at[tuple(xy)] for xy in XY]


def test_every_point_is_drawn_once():
    figure = scatter(XY, title="Points", axes=("x (mm)", "y (mm)"))
    (dots,) = figure.axes[0].collections
    assert sorted(map(tuple, dots.get_offsets())) == sorted(map(tuple, XY))
    plane = figure.axes[0]
    assert plane.get_title(loc="left") == "Points"
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("x (mm)", "y (mm)")
    assert legend(figure) is None


@pytest.mark.parametrize("kind", [int, float, str, object, bool])
def test_few_classes_have_a_legend_and_their_own_colours(kind):
    labels = (np.arange(60) % 2).astype(kind)
    figure = scatter(XY, labels)
    assert legend(figure) == [
        str(name) for name in (int(x) if kind is float else x for x in np.unique(labels))
    ]
    found = colours(figure)
    assert found[0][:3] == to_rgba(CATEGORIES[0])[:3]
    assert found[1][:3] == to_rgba(CATEGORIES[1])[:3]
    assert found[::2] == [found[0]] * 30


def test_many_words_keep_the_largest_classes():
    labels = np.array([*"aaabbbccc", *"defghijklmnopq", *"a" * 37])
    names = legend(scatter(XY, labels))
    assert len(names) == 12
    assert {"a", "b", "c"} <= set(names)
    assert names[-1] == "other"


@pytest.mark.parametrize("labels", [np.arange(60), np.linspace(0, 1, 60), np.arange(60) % 2 + 0.5])
def test_numbers_have_a_colour_bar(labels):
    figure = scatter(XY, labels)
    assert legend(figure) is None
    assert len(figure.axes) == 2
    (dots,) = figure.axes[0].collections
    assert dots.get_clim() == (labels.min(), labels.max())


def test_short_names_stand_among_their_points():
    figure = scatter(XY, np.arange(60) % 2)
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert texts["1"] == pytest.approx(tuple(np.median(XY[1::2], axis=0)))
    assert not scatter(XY, np.where(np.arange(60) % 2, "left", "right")).axes[0].texts


def test_overlay_draws_real_points_behind():
    figure = overlay(XY, XY[:7] + 1, "Both")
    behind, above = figure.axes[0].collections
    assert (len(behind.get_offsets()), len(above.get_offsets())) == (60, 7)
    assert legend(figure)[0] == "real (60)"


def test_overlay_has_the_plane_of_its_real_points():
    alone, both = scatter(XY, axes=("u", "v")), overlay(XY, [[0, 0], [90, 0], [0, -90]], axes=("u", "v"))
    (first,), (second,) = alone.axes, both.axes
    assert (first.get_xlim(), first.get_ylim()) == (second.get_xlim(), second.get_ylim())
    assert (second.get_xlabel(), second.get_ylabel()) == ("u", "v")
    assert legend(both) == ["real (60)", "generated (3, 2 outside)"]
    assert legend(overlay(XY, XY[:7])) == ["real (60)", "generated (7)"]


@pytest.mark.parametrize("n", [1, 2, 20_000])
def test_any_number_of_points_can_be_drawn(n):
    figure = scatter(np.zeros((n, 2)), np.zeros(n))
    assert isinstance(figure, Figure)
    assert png(figure, dpi=40).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("points", "labels", "kind"),
    [
        (XY[:, :1], None, ShapeError),
        (XY[0], None, ShapeError),
        (XY[:0], None, DataError),
        (XY, np.arange(3), ShapeError),
    ],
)
def test_what_is_refused(points, labels, kind):
    with pytest.raises(kind, match=r"scatter: .* must "):
        scatter(points, labels)
