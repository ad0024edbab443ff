import io

import numpy as np
import pytest
from matplotlib.image import imread

from close import assert_close
from dima.errors import DataError, SettingError, ShapeError
from dima.figures import png
from dima.figures.grid import images, rows

DIGITS = np.random.default_rng(0).random((7, 4, 5))


def tiles(figure):
    return figure.axes[0].get_images()


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_images_stand_row_by_row():
    figure = images(DIGITS, 3, "Seven", labels=list("abcdefg"))
    assert texts(figure) == ["Seven", *"abcdefg"]
    lefts, rights, bottoms, tops = np.array([tile.get_extent() for tile in tiles(figure)]).T
    assert len({*np.round(lefts, 6)}) == 3
    assert len({*np.round(tops, 6)}) == 3
    assert (np.diff(tops[::3]) > 0).all()
    assert_close((bottoms - tops) / (rights - lefts), np.full(7, 0.8), rtol=1e-9)
    for tile, image in zip(tiles(figure), DIGITS, strict=True):
        assert_close(tile.get_array(), image)


def test_tiles_lie_on_the_page_and_apart():
    figure = images(DIGITS, 2)
    plane = figure.axes[0]
    boxes = np.array([tile.get_extent() for tile in tiles(figure)])
    assert boxes[:, 0].min() > plane.get_xlim()[0]
    assert boxes[:, 1].max() < plane.get_xlim()[1]
    assert boxes[:, 2].max() < plane.get_ylim()[0]
    assert boxes[0, 1] < boxes[1, 0]
    assert boxes[0, 2] < boxes[2, 3]


def test_one_range_for_all_images():
    limits = {tile.get_clim() for tile in tiles(images(DIGITS, 3))}
    assert limits == {(DIGITS.min(), DIGITS.max())}


def test_rows_take_the_range_of_the_first():
    figure = rows({"original": DIGITS, "faded": DIGITS / 2, "wild": DIGITS * 9}, "Rows")
    assert {tile.get_clim() for tile in tiles(figure)} == {(DIGITS.min(), DIGITS.max())}
    assert texts(figure) == ["Rows", "original", "faded", "wild"]
    assert len(tiles(figure)) == 21


def test_larger_is_darker_on_the_page():
    ramp = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    drawn = imread(io.BytesIO(png(images(ramp, 2), dpi=100)))[..., :3].mean(axis=2)
    left, right = np.array_split(drawn, 2, axis=1)
    middle = drawn.shape[0] // 2
    assert left[middle, left.shape[1] // 2] > 0.95
    assert right[middle, right.shape[1] // 2] < 0.05


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 1, 1), (3, 2, 30), (200, 3, 3)])
def test_any_images_can_be_drawn(shape):
    assert png(images(np.zeros(shape), 20, "A long title for so few images"), dpi=40)


def test_nan_pixels_are_left_blank():
    hole = DIGITS.copy()
    hole[0, 0, 0] = np.nan
    assert np.isfinite(tiles(images(hole, 3))[0].get_clim()).all()


@pytest.mark.parametrize(
    ("pixels", "n_columns", "labels", "kind"),
    [
        (DIGITS[0], 2, None, ShapeError),
        (DIGITS[:0], 2, None, DataError),
        (DIGITS * np.nan, 2, None, DataError),
        (DIGITS, 0, None, SettingError),
        (DIGITS, 2, ["a"], ShapeError),
    ],
)
def test_images_that_are_refused(pixels, n_columns, labels, kind):
    with pytest.raises(kind, match=r"images: .* must "):
        images(pixels, n_columns, labels=labels)


@pytest.mark.parametrize(("given", "kind"), [({}, DataError), ({"a": DIGITS, "b": DIGITS[:3]}, ShapeError)])
def test_rows_that_are_refused(given, kind):
    with pytest.raises(kind, match=r"rows: .* must "):
        rows(given)
