"""Exact search against SciPy's distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from close import assert_close
from dima.manifold.neighbors import brute
from dima.metrics import distance
from manifold.shapes import cloud


def recall(ids, truth):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, truth, strict=True)])


@pytest.mark.parametrize("D", [1, 3, 50])
@pytest.mark.parametrize("k", [1, 7])
def test_search_is_what_all_distances_say(D, k):
    points, queries = cloud(120, D), cloud(40, D, seed=1)
    ids, d2 = brute.search(points, queries, k)
    truth = cdist(queries, points, "sqeuclidean")
    assert_close(ids, np.argsort(truth, axis=1)[:, :k])
    assert_close(d2, np.sort(truth, axis=1)[:, :k], rtol=1e-4, atol=1e-6 * D)
    assert (ids.dtype, d2.dtype) == (np.int32, np.float32)


def test_all_points_come_back_in_order():
    points = cloud(20, 3)
    ids, d2 = brute.search(points, points, 20)
    assert_close(np.sort(ids, axis=1), np.tile(np.arange(20), (20, 1)))
    assert_close(ids[:, 0], np.arange(20))
    assert (np.diff(d2, axis=1) >= 0).all()


def test_an_offset_costs_no_neighbours():
    points = (cloud(600, 784) + 1e3).astype(np.float32)
    ids, _ = brute.search(points, points, 10)
    truth = np.argsort(cdist(points.astype(float), points.astype(float)), axis=1)[:, :10]
    assert recall(ids, truth) >= 0.999


def test_close_neighbours_far_from_the_origin_keep_their_digits():
    points = (cloud(50, 4) * 1e-3 + 1.0).astype(np.float32)
    ids, d2 = brute.search(points, points, 5)
    truth = cdist(points.astype(float), points.astype(float), "sqeuclidean")
    assert_close(d2, np.sort(truth, axis=1)[:, :5], rtol=1e-5, atol=1e-13)
    assert_close(ids, np.argsort(truth, axis=1)[:, :5])


def test_blocks_change_nothing(monkeypatch):
    points, queries = cloud(90, 6), cloud(41, 6, seed=1)
    whole = brute.search(points, queries, 4)
    monkeypatch.setattr(distance.blocks, "rows_within", lambda _: 3)
    for actual, expected in zip(brute.search(points, queries, 4), whole, strict=True):
        assert_close(actual, expected, rtol=1e-5)  # a matrix product may round by its number of rows


def test_inputs_are_left_alone():
    points = cloud(30, 3)
    points.flags.writeable = False
    before = points.copy()
    brute.search(points, points, 3)
    assert_close(points, before)


@pytest.mark.parametrize("kind", ["scattered", "in order", "ties", "all equal"])
def test_few_of_a_long_row_are_those_that_sorting_finds(kind, rng):
    block = 200 + rng.standard_normal((7, 5000)).astype(np.float32)  # distances are not below zero
    block = {
        "scattered": block,
        "in order": np.sort(block, axis=1),  # the bound of every eighth is the best there is
        "ties": np.round(2 * block),
        "all equal": 0 * block,
    }[kind]
    if kind == "all equal":
        assert brute._cut_down(block, 20)[1] is block  # cutting down would only copy
    block[3, ::8] = 300.0  # nothing small among those that tell the bound,
    block[5, ::8] -= 100.0  # or all that is small: the bound is too large, too small
    for k in (1, 20, 70):
        ids, values = brute._smallest(block, k)
        assert_close(values, np.sort(block, axis=1)[:, :k])
        assert_close(np.take_along_axis(block, ids, axis=1), values)
        assert (np.diff(np.sort(ids, axis=1), axis=1) > 0).all()
