import itertools
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from close import assert_close
from dima.errors import DataError, ShapeError
from dima.figures import png
from dima.figures.marginals import marginals
from dima.figures.style import BACKDROP, CONTRAST

WORDS = {0: ["red", "white", "rosé"]}


@pytest.fixture
def heights(rng):
    return rng.normal(170.0, 8.0, (200, 1)), rng.normal(172.0, 8.0, (50, 1))


def steps(panel):
    """Edges, and shares of the real and of the generated rows."""
    behind, above = (one.get_data() for one in panel.patches if isinstance(one, StepPatch))
    return behind.edges, above.edges, behind.values, above.values


def bars(panel):
    """Labels, and heights of the real and of the generated bars."""
    by_colour = [
        [bar.get_height() for bar in panel.patches if to_hex(bar.get_facecolor()) == colour]
        for colour in (BACKDROP, CONTRAST)
    ]
    return [text.get_text() for text in panel.get_xticklabels()], *by_colour


def test_numbers_are_counted_in_common_bins(heights):
    edges, same, behind, above = steps(marginals(*heights, ["height"]).axes[0])
    assert_close(edges, same)
    assert (edges[0] < heights[0].min(), edges[-1] > heights[0].max()) == (True, True)
    assert_close([behind.sum(), above.sum()], [1.0, 1.0], atol=1e-12)
    assert (behind[0], behind[-1]) == (0.0, 0.0)  # beyond the range of real rows
    expected = [np.mean((heights[0] >= low) & (heights[0] < high)) for low, high in itertools.pairwise(edges)]
    assert_close(behind, expected, atol=1e-12)


def test_a_generated_number_far_out_is_seen_and_takes_no_room(heights):
    real, fake = heights
    fake[:5] = 1e9
    edges, _, behind, above = steps(marginals(real, fake, ["height"]).axes[0])
    assert edges[-1] < 250.0
    assert above[-1] >= 0.1
    assert behind[-1] == 0.0


def test_words_stand_under_their_bars():
    real, fake = np.array([[0.0], [0], [1], [2]]), np.array([[2.0], [2]])
    assert bars(marginals(real, fake, ["colour"], WORDS).axes[0]) == (
        ["red", "white", "rosé"],
        [0.5, 0.25, 0.25],
        [0.0, 0.0, 1.0],
    )


def test_few_values_get_a_bar_each_and_those_between_do_not_hide():
    real, fake = np.array([[1.0], [2], [2], [3]]), np.array([[2.0], [2.5]])
    labels, behind, above = bars(marginals(real, fake, ["rooms"]).axes[0])
    assert labels == ["1", "2", "2.5", "3"]
    assert behind == [0.25, 0.5, 0.0, 0.25]
    assert above == [0.0, 0.5, 0.5, 0.0]
    many = np.linspace(1.0, 3.0, 40)[:, None]
    assert len(steps(marginals(real, many, ["rooms"]).axes[0])) == 4


def test_the_rarest_of_many_words_share_a_bar():
    words = {0: [f"village {at}" for at in range(20)]}
    counts = np.arange(20) + 1
    real = np.repeat(np.arange(20.0), counts)[:, None]
    labels, behind, _ = bars(marginals(real, real[:7], ["village"], words).axes[0])
    assert (len(labels), labels[-1]) == (12, "other")
    assert sum(behind) == pytest.approx(1.0)
    assert behind[-2] == pytest.approx(20 / counts.sum())


def test_long_words_are_turned_and_long_names_cut():
    real = np.array([[0.0], [1.0]])
    words = {0: ["a sparkling white", "b"]}
    panel = marginals(real, real, ["the colour of the wine as sold"], words).axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["a sparkling…", "b"]
    assert len(panel.get_title(loc="left")) == 23
    assert [text.get_rotation() for text in panel.get_xticklabels()] == [0.0, 0.0]
    turned = marginals(real, real, ["x"], {0: ["a sparkling white", "b", "c"]}).axes[0]
    assert {text.get_rotation() for text in turned.get_xticklabels()} == {60.0}


def test_at_most_24_columns_are_drawn_and_the_legend_says_so(rng):
    table = rng.normal(size=(30, 26))
    names = [f"c{at}" for at in range(26)]
    figure = marginals(table, table[:9], names)
    assert [panel.get_title(loc="left") for panel in figure.axes] == names[:24]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["real (30)", "generated (9)", "first 24 of 26 columns"]
    few = marginals(table[:, :2], table[:9, :2], names[:2])
    assert len(few.legends[0].get_texts()) == 2
    assert few.get_figheight() < figure.get_figheight()


def test_odd_columns_are_drawn_without_a_warning():
    real = np.stack([np.full(20, 5.0), np.full(20, np.nan), np.linspace(0, 1e-9, 20)], axis=1)
    fake = np.stack([np.full(8, 5.0), np.full(8, np.nan), np.full(8, 1e18)], axis=1)
    gaps = np.where(np.eye(20, 3, dtype=bool), np.nan, np.arange(60.0).reshape(20, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = marginals(np.hstack([real, gaps]), np.hstack([fake, gaps[:8] * np.nan]), list("abcdef"))
        assert png(figure, dpi=40).startswith(b"\x89PNG")
    assert bars(figure.axes[0]) == (["5"], [1.0], [1.0])
    assert figure.axes[1].patches[:] == []
    assert steps(figure.axes[3])[3].sum() == 0.0


def test_the_same_rows_give_the_same_picture(heights):
    assert png(marginals(*heights, ["height"]), dpi=40) == png(marginals(*heights, ["height"]), dpi=40)


def test_what_is_refused():
    with pytest.raises(ShapeError, match="marginals: names must be 2, one a column; got 1"):
        marginals(np.ones((3, 2)), np.ones((3, 2)), ["a"])
    with pytest.raises(ShapeError, match="marginals: fake must have shape"):
        marginals(np.ones((3, 2)), np.ones((3, 1)), ["a", "b"])
    with pytest.raises(DataError, match="marginals: real must hold"):
        marginals(np.ones((0, 2)), np.ones((3, 2)), ["a", "b"])
