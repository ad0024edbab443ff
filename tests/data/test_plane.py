import numpy as np
import pytest

from close import assert_close
from dima.data.plane import PLANES, points
from dima.errors import SettingError

N = 4000


def two_moons(X):
    x, y = X.T / 1.5 + np.array([[0.5], [0.25]])
    upper, lower = np.abs(np.hypot(x, y) - 1), np.abs(np.hypot(x - 1, y - 0.5) - 1)
    return np.minimum(upper, lower) < 0.4


def eight_gaussians(X):
    angle = np.round(np.arctan2(X[:, 1], X[:, 0]) / (np.pi / 4)) * np.pi / 4
    return np.hypot(*(X.T - 2 * np.stack([np.cos(angle), np.sin(angle)]))) < 0.9


def checkerboard(X):
    cell = np.floor(X + 2)
    return (cell.sum(axis=1) % 2 == 0) & (cell >= 0).all(axis=1) & (cell < 4).all(axis=1)


def near_spiral(X, angles, radius, width):
    curve = radius(angles) * np.stack([np.cos(angles), np.sin(angles)])
    return np.hypot(*(X.T[:, :, None] - curve[:, None])).min(axis=1) < width


def spiral(X):
    angles = np.linspace(0, 3 * np.pi, 500)
    arms = [near_spiral(X * sign, angles, lambda angle: angle / 4, 0.45) for sign in (1, -1)]
    return arms[0] | arms[1]


def swiss_roll(X):
    return near_spiral(X, np.linspace(1.5 * np.pi, 4.5 * np.pi, 500), lambda angle: angle / 5, 0.45)


def pinwheel(X):
    # Turned back by what their radius turns them, the blades lie along five rays.
    radius = np.hypot(*X.T) / 2
    angle = np.arctan2(X[:, 1], X[:, 0]) - 0.25 * np.exp(radius)
    across = radius * np.abs(np.sin(5 * angle / 2)) * 2 / 5
    return (across < 0.6) & (radius < 2.8)


def rings(X):
    radius = np.hypot(*X.T)
    return np.abs(radius[:, None] - [0.7, 1.4, 2.1]).min(axis=1) < 0.35


def gaussian(X):
    shape = np.array([[1.0, 0.0], [0.6, 0.5]])
    return np.linalg.norm(np.linalg.solve(shape, (X - [1.0, -0.5]).T), axis=0) < 5.5


SUPPORTS = {
    "gaussian": gaussian,
    "two-moons": two_moons,
    "eight-gaussians": eight_gaussians,
    "checkerboard": checkerboard,
    "spiral": spiral,
    "swiss-roll": swiss_roll,
    "pinwheel": pinwheel,
    "rings": rings,
}


def test_every_set_has_a_known_support():
    assert set(SUPPORTS) == set(PLANES)


@pytest.mark.parametrize("name", PLANES)
def test_points_lie_inside_the_support_and_not_everywhere(name):
    X = points(name, N)
    assert SUPPORTS[name](X).all()
    if name not in ("gaussian", "pinwheel"):
        low, high = X.min(axis=0), X.max(axis=0)
        spread = np.random.default_rng(0).uniform(low, high, (N, 2))
        assert SUPPORTS[name](spread).mean() < 0.9


@pytest.mark.parametrize("name", PLANES)
def test_shape_and_seeds(name):
    X = points(name, 50, seed=3)
    assert X.shape == (50, 2)
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    assert_close(points(name, 50, seed=3), X)
    assert not np.isclose(points(name, 50, seed=4), X).all(axis=1).any()


@pytest.mark.parametrize("name", PLANES)
def test_one_point(name):
    assert points(name, 1).shape == (1, 2)


def test_moments_of_the_gaussian():
    X = points("gaussian", 20000).astype(float)
    assert_close(X.mean(axis=0), [1.0, -0.5], atol=0.03)
    assert_close(np.cov(X.T), [[1.0, 0.6], [0.6, 0.61]], atol=0.03)


def test_every_dark_square_is_visited_alike():
    cells, counts = np.unique(np.floor(points("checkerboard", 8000)), axis=0, return_counts=True)
    assert len(cells) == 8
    assert_close(counts / 8000, np.full(8, 1 / 8), atol=0.015)


def test_rings_are_evenly_spread_along_them():
    ring = np.round(np.hypot(*points("rings", 8000).T) / 0.7)
    assert_close([(ring == i).mean() for i in (1, 2, 3)], np.array([1, 2, 3]) / 6, atol=0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("moons", 5), "one of gaussian, two-moons, .*; got 'moons'"),
        (("rings", 0), "n must be at least 1; got 0"),
    ],
)
def test_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        points(*wrong)
