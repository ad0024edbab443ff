"""Gradients against loops and closed forms; charts of a strip made of its exact modes."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from close import assert_close
from dima.manifold import chart
from dima.manifold.dmap import DMAP
from dima.manifold.neighbors import Neighbors, knn
from manifold.shapes import affine_error, cloud, modes_of_strip, strip


def exact_gradients(points, a, waves):
    """Gamma (n, r, r) of cos(i pi x / a) cos(j pi y) by calculus."""
    rate = np.pi * np.array(waves) / [a, 1.0]
    cos, sin = np.cos(points[:, None] * rate), np.sin(points[:, None] * rate)
    slopes = -rate * sin * cos[:, :, ::-1]
    return slopes @ slopes.transpose(0, 2, 1)


def at(near, rows):
    return Neighbors(near.ids[rows], near.d2[rows])


def test_squared_gradients_written_out():
    points, modes, rows = cloud(30, 3), cloud(30, 4, seed=1), np.array([2, 7, 29])
    near, log_w = knn(points, points, 6, "brute"), cloud(30, 6, seed=2)
    found = chart.squared_gradients(modes, rows, at(near, rows), log_w[rows], 2)
    for i, gamma in zip(rows, found, strict=True):
        total, squared = np.zeros((4, 4)), 0.0
        for j, log_weight in zip(near.ids[i], log_w[i], strict=True):
            step, weight = modes[j] - modes[i], np.exp(log_weight) * (j != i)
            total += weight * np.outer(step, step)
            squared += weight * ((points[j] - points[i]) ** 2).sum()
        assert_close(gamma, 2 * total / squared, rtol=1e-5, atol=1e-8)


def test_far_neighbours_do_not_underflow():
    points, modes = cloud(20, 2), cloud(20, 3, seed=1)
    near, log_w = knn(points, points, 5, "brute"), cloud(20, 5, seed=2)
    shifted = log_w - 5000.0 * (near.ids != np.arange(20)[:, None])
    plain, moved = (chart.squared_gradients(modes, np.arange(20), near, w, 2) for w in (log_w, shifted))
    assert_close(moved, plain, rtol=1e-6, atol=1e-9)


def test_squared_gradients_of_a_strip_are_those_of_calculus():
    a, points = 3.5, strip(3.5, across=30)
    modes, waves = modes_of_strip(points, a, 6)
    near = knn(points, points, 25, "brute")
    gamma = chart.squared_gradients(modes, np.arange(len(points)), near, np.zeros(near.d2.shape), 2)
    expected = exact_gradients(points, a, waves)
    assert_close(gamma.mean(axis=0), expected.mean(axis=0), atol=0.05 * expected.mean(axis=0).max())


def test_the_gradient_is_that_of_finite_differences():
    roots = cloud(5 * 6, 6).reshape(5, 6, 6)
    gamma, L = roots @ roots.transpose(0, 2, 1), 0.3 * cloud(12, 1)[:, 0]
    value, slope = (lambda x, i=i: chart._unevenness(x, gamma, 2)[i] for i in (0, 1))
    assert check_grad(value, slope, L) < 1e-4 * np.linalg.norm(slope(L))
    metric = np.einsum("mi,bmn,nj->bij", L.reshape(6, 2), gamma, L.reshape(6, 2))
    assert value(L) == pytest.approx(((metric - np.eye(2)) ** 2).sum(axis=(1, 2)).mean())


@pytest.mark.parametrize(("a", "second"), [(1.5, 1), (3.5, 3), (6.5, 6)])
def test_exact_modes_of_a_strip_become_its_sides(a, second):
    points = strip(a)
    modes, waves = modes_of_strip(points, a, 32)
    L = chart.isometric(exact_gradients(points, a, waves), np.array([0, second]))
    found = modes @ L
    assert affine_error(found, points, found, points) < 0.05
    assert_close(found.std(axis=0), np.array([a, 1.0]) / np.sqrt(12), rtol=0.1)
    # Principal axes: orthogonal columns, the longest first.
    gram = L.T @ L
    assert abs(gram[0, 1]) < 1e-10 * gram[0, 0]
    assert gram[0, 0] > gram[1, 1]


@pytest.mark.parametrize("turn", [0.3, 0.8, 1.2])
def test_mixed_modes_of_one_eigenvalue_are_set_right(turn):
    a, points = 4.0, strip(4.0)
    modes, waves = modes_of_strip(points, a, 32)
    mixed = np.eye(32)
    at = [waves.index([0, 1]), waves.index([4, 0])]
    mixed[np.ix_(at, at)] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    gamma = mixed.T @ exact_gradients(points, a, waves) @ mixed
    found = modes @ mixed @ chart.isometric(gamma, np.array([0, max(at)]))
    assert affine_error(found, points, found, points) < 0.05


def test_one_coordinate_of_a_curve_is_its_length():
    x = np.sort(np.random.default_rng(0).random(400))[:, None] * 5.0
    rate = np.pi * np.arange(1, 13) / 5.0
    slopes = -rate * np.sin(x * rate)
    found = np.cos(x * rate) @ chart.isometric(slopes[:, :, None] * slopes[:, None], np.array([0]))
    assert affine_error(found, x, found, x) < 0.02
    assert found.std() == pytest.approx(x.std(), rel=0.05)


def test_beside_a_contrast_of_parts_a_chart_has_a_coordinate_that_varies():
    parts = cloud(300, 4) + 60.0 * (np.arange(300) < 150)[:, None]
    with pytest.warns(UserWarning, match="falls into 2 parts"):
        embedding = DMAP(2, k=15, coordinates="chart").fit(parts).embedding_
    assert (embedding.std(axis=0) > 0.5).all()
