import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dima.figures.style import CATEGORIES, INK, MUTED, PAPER, blank, dress


def luminance(colour):
    """Relative luminance by WCAG 2.2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], channels))


def contrast(first, second):
    light, dark = sorted([luminance(first), luminance(second)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_can_be_read_on_paper():
    assert contrast(INK, PAPER) > 7.0
    assert contrast(MUTED, PAPER) > 4.5


# What red- and green-blind readers see of linear RGB: Vienot, Brettel, Mollon 1999.
SIGHTS = {
    "all": np.eye(3),
    "red-blind": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "green-blind": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(linear):
    """CIELAB 1976, in which a distance of about 2 can just be told apart."""
    x, y, z = np.cbrt(np.maximum(linear @ XYZ.T / XYZ.sum(axis=1), 0.008856)).T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_categories_differ_whatever_the_sight(sight):
    linear = np.array([to_rgb(colour) for colour in CATEGORIES]) ** 2.2
    seen = lab(np.clip(linear @ np.array(SIGHTS[sight]).T, 0.0, 1.0))
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15.0


def test_dress_names_the_axes():
    plane = blank(3, 2).add_subplot()
    dress(plane, "Title", ("step", "loss (nats)"))
    assert plane.get_title(loc="left") == "Title"
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("step", "loss (nats)")
    assert not plane.spines["top"].get_visible()
