"""Shortest paths against surfaces whose geodesics are known in closed form."""

import numpy as np
import pytest

from close import assert_close
from dima.manifold import geodesic
from dima.manifold.geodesic import Surface, shortest


def surface(decode, slopes, doubt=None):
    """A surface from its map (b, d) -> (b, W) and derivatives (b, W, d), and how dear its steps are."""
    sure = lambda Z: (np.ones(len(Z)), np.zeros_like(Z))  # noqa: E731
    return Surface(decode, lambda Z, v: np.einsum("bWd,bW->bd", slopes(Z), v), doubt or sure)


def on_sphere(Z):
    """Latitude and longitude, so that straight lines of latents are no great circles."""
    (a, b) = Z.T
    return np.column_stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])


def slopes_on_sphere(Z):
    a, b = Z.T
    by_a = np.column_stack([-np.sin(a) * np.cos(b), -np.sin(a) * np.sin(b), np.cos(a)])
    by_b = np.column_stack([-np.cos(a) * np.sin(b), np.cos(a) * np.cos(b), np.zeros_like(a)])
    return np.stack([by_a, by_b], axis=2)


def in_ring(Z):
    """Steps off the ring of radius 1 are up to ten times as dear."""
    radius = np.linalg.norm(Z, axis=1).clip(1e-9)
    off = 9 * (radius - 1) ** 2 / (0.02 + (radius - 1) ** 2)
    by_radius = 9 * 0.02 * 2 * (radius - 1) / (0.02 + (radius - 1) ** 2) ** 2
    return 1 + off, (by_radius / radius)[:, None] * Z


PLANE = surface(lambda Z: Z @ [[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]], lambda Z: np.tile(PLANE_J, (len(Z), 1, 1)))
PLANE_J = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
SPHERE = surface(on_sphere, slopes_on_sphere)
RING = surface(lambda Z: Z, lambda Z: np.tile(np.eye(2), (len(Z), 1, 1)), in_ring)


def test_on_a_plane_paths_are_straight_and_even(rng):
    start, end = rng.standard_normal((2, 4, 2))
    found = shortest(PLANE, start, end, rng.standard_normal((60, 2)), 9)
    share = np.linspace(0, 1, 9)[:, None]
    assert_close(found.path, start[:, None] * (1 - share) + end[:, None] * share, atol=1e-4)
    assert_close(found.length, np.linalg.norm((end - start) @ PLANE_J.T, axis=1), rtol=1e-6)


def test_on_a_sphere_paths_are_great_circles(rng):
    start = np.column_stack([rng.uniform(0.3, 1.0, 6), rng.uniform(0, 0.3, 6)])
    end = np.column_stack([rng.uniform(0.3, 1.0, 6), rng.uniform(1.5, 2.5, 6)])
    nodes = np.column_stack([rng.uniform(0, 1.3, 200), rng.uniform(-0.3, 3, 200)])
    found = shortest(SPHERE, start, end, nodes, 40)
    a, b = on_sphere(start), on_sphere(end)
    assert_close(found.length, np.arccos((a * b).sum(axis=1)), rtol=2e-3)
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b), axis=1, keepdims=True)
    for path, axis in zip(found.path, normal, strict=True):
        assert np.abs(on_sphere(path) @ axis).max() < 0.03
    assert_close(found.path[:, [0, -1]], np.stack([start, end], axis=1))
    apart = np.linalg.norm(np.diff(on_sphere(found.path.reshape(-1, 2)).reshape(6, 40, 3), axis=1), axis=2)
    assert (apart.max(axis=1) < 1.2 * apart.min(axis=1)).all()


def test_a_hole_is_gone_around_the_shorter_way(rng):
    angle = rng.uniform(0, 2 * np.pi, 300)
    nodes = np.column_stack([np.cos(angle), np.sin(angle)])
    ends = np.array([0.0, 2.0, 4.5])
    start, end = np.tile([[1.0, 0.0]], (3, 1)), np.column_stack([np.cos(ends), np.sin(ends)])
    found = shortest(RING, start, end, nodes, 48)
    assert_close(found.length, np.array([0, 2.0, 2 * np.pi - 4.5]), rtol=0.02, atol=1e-9)
    assert (np.abs(np.linalg.norm(found.path[1:], axis=2) - 1) < 0.05).all()


@pytest.mark.parametrize("which", [SPHERE, RING])
def test_the_search_follows_the_slope_of_the_energy(which, rng, monkeypatch):
    paths, seen = rng.uniform(0.5, 1.0, (2, 5, 2)), []
    monkeypatch.setattr(
        geodesic, "minimize", lambda energy, begun, **_: seen.append((energy, begun)) or _At(begun)
    )
    geodesic._relaxed(which, paths)
    (energy, flat), h = seen[0], 1e-6
    steps = np.eye(len(flat)) * h
    slopes = [(energy(flat + step)[0] - energy(flat - step)[0]) / (2 * h) for step in steps]
    assert_close(energy(flat)[1], slopes, atol=1e-6)
    assert energy(flat)[0] == pytest.approx(2.0)  # each path counts as one to begin with


class _At:
    def __init__(self, x):
        self.x = x


def test_parts_that_no_neighbour_joins_are_joined_by_their_nearest(rng):
    nodes = np.vstack([rng.normal(0, 0.1, (40, 2)), rng.normal(5, 0.1, (40, 2))])
    found = shortest(PLANE, nodes[:1], nodes[-1:], nodes, 7)
    assert_close(found.length, np.linalg.norm((nodes[0] - nodes[-1]) @ PLANE_J.T)[None], rtol=1e-6)


def test_two_latents_are_a_path_and_equal_ends_are_no_length(rng):
    start = rng.standard_normal((3, 2))
    assert_close(shortest(PLANE, start, start + 1, start, 2).path, np.stack([start, start + 1], axis=1))
    alike = np.zeros((5, 2))
    assert_close(shortest(PLANE, alike, alike, alike, 4).length, np.zeros(5))
