"""The row rule of new points against its definition, one row and one link at a time."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from close import assert_close
from dima.manifold import nystrom
from dima.manifold.neighbors import knn
from dima.manifold.nystrom import RowRule
from dima.metrics import distance
from dima.scaling import drawn_in
from manifold.shapes import cloud

K = 6
TRAIN = cloud(60, 3).astype(np.float32)
VALUES = cloud(60, 2, seed=7)


def rule(halved=False, rate=1.5):
    radius2 = knn(TRAIN, TRAIN, K, "brute").d2[:, -1].astype(float)
    return RowRule(TRAIN, radius2, cloud(60, 1, seed=3)[:, 0], K, rate, halved)


def literal(rule, row):
    d2 = cdist(row[None], TRAIN, "sqeuclidean")[0]
    own = np.sort(d2)[rule.k - 1] * (1 + 1e-5)
    theirs = rule.radius2_u * (1 + 1e-5)
    by_query, by_row = d2 <= own, d2 <= theirs
    weights = np.exp(rule.log_weight_u - rule.rate * d2) * (by_query | by_row)
    if rule.halved:
        weights[by_query != by_row] /= 2
    return weights @ VALUES / weights.sum()


@pytest.mark.parametrize("halved", [False, True])
def test_means_are_the_definition(halved):
    queries = cloud(25, 3, seed=1)
    means, far = rule(halved).means(queries, VALUES)
    assert_close(means, np.array([literal(rule(halved), row) for row in queries]), atol=1e-12)
    assert far == 0


def test_blocks_change_nothing(monkeypatch):
    queries = cloud(25, 3, seed=1)
    whole, _ = rule(halved=True).means(queries, VALUES)
    monkeypatch.setattr(distance.blocks, "rows_within", lambda _: 4)
    assert_close(rule(halved=True).means(queries, VALUES)[0], whole, atol=1e-13)


@pytest.mark.parametrize("reach", [1e3, 1e7, 1e15])
@pytest.mark.parametrize("row", [0, 17])
def test_far_rows_take_the_value_of_the_nearest(reach, row):
    direction = TRAIN[row] / np.linalg.norm(TRAIN[row])
    query = (reach * direction)[None]
    nearest = (TRAIN @ direction).argmax()  # what is nearest from infinity
    means, far = rule(rate=100.0).means(drawn_in(query), VALUES)
    assert far == 1
    assert_close(means[0], VALUES[nearest], atol=1e-6)


def test_far_is_counted_row_by_row():
    queries = np.vstack([cloud(3, 3, seed=1), np.full((2, 3), 50.0)])
    assert rule().means(queries, VALUES)[1] == 2


def test_a_row_that_approaches_a_training_row_sees_what_it_sees():
    at, _ = rule().means(TRAIN[:5], VALUES)
    for step in (1e-6, 1e-9):
        close, _ = rule().means(TRAIN[:5].astype(float) + step, VALUES)
        assert_close(close, at, atol=20 * step)


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("kind", ["scattered", "grid", "close", "clusters"])
def test_distances_of_many_rows_in_float32_change_next_to_nothing(monkeypatch, kind, halved):
    queries = cloud(40, 3, seed=1)
    make = {
        "scattered": lambda rows: rows,
        "grid": lambda rows: np.round(2 * rows),
        "close": lambda rows: rows * 1e-3 + 1,
        "clusters": lambda rows: rows * 1e-3 + np.where(np.arange(len(rows)) % 2, 3, -3)[:, None],
    }[kind]
    train, queries = make(TRAIN).astype(np.float32), make(queries)
    train, queries = np.unique(train, axis=0), queries.astype(np.float32)
    radius2 = knn(train, train, K, "brute").d2[:, -1].astype(float)
    rate = 1.0 / float(np.median(radius2))
    given = (train, radius2, cloud(len(train), 1, seed=3)[:, 0], K, rate, halved)
    values = cloud(len(train), 2, seed=7)
    exact, far = RowRule(*given).means(queries, values)
    monkeypatch.setattr(nystrom, "_MANY", 1)
    quick, far_too = RowRule(*given).means(queries, values)
    assert far == far_too
    # Six neighbours: of the hundreds there are where this is used, rounding averages out.
    assert_close(quick, exact, atol=4e-6)
    alone = np.vstack([RowRule(*given).means(query[None], values)[0] for query in queries])
    assert_close(alone, quick, atol=4e-6)


def test_a_row_just_beyond_the_bound_is_not_linked_in_float32_either(monkeypatch):
    train = np.array([[-1.0], [1.0], [1.0 + 0.75e-5], [9.0]], np.float32)  # its square is 1.5e-5 too large
    given = (train, np.zeros(4), np.zeros(4), 2, 1.0, False)
    values = np.eye(4)
    exact, _ = RowRule(*given).means(np.zeros((1, 1)), values)
    monkeypatch.setattr(nystrom, "_MANY", 1)
    quick, _ = RowRule(*given).means(np.zeros((1, 1)), values)
    assert_close(exact, [[0.5, 0.5, 0.0, 0.0]], atol=1e-5)
    assert_close(quick, exact, atol=1e-6)


def _noisy_plane(n, seed):
    """Rows of 40 columns: two wide directions, and noise of a tenth in all."""
    directions = np.linalg.qr(cloud(40, 2, seed=5))[0]
    wide = cloud(n, 2, seed) @ directions.T
    return (wide + 0.02 * cloud(n, 40, seed + 50)).astype(np.float32)


def _rule_of(train):
    radius2 = knn(train, train, 30, "brute").d2[:, -1].astype(float)
    return RowRule(train, radius2, np.zeros(len(train)), 30, 1 / float(np.median(radius2)), False)


def test_along_all_axes_the_averages_are_those_of_the_distances():
    train, queries = _noisy_plane(300, 0), _noisy_plane(20, 9)
    exact, values = _rule_of(train), cloud(300, 3, seed=7)
    every = np.linalg.qr(cloud(40, 40, seed=3))[0].astype(np.float32)
    along = dataclasses.replace(exact, axes=every)
    assert_close(along.means(queries, values)[0], exact.means(queries, values)[0], atol=1e-3)
    few = dataclasses.replace(
        exact, axes=every[:, :1]
    )  # which tell so little that each row is measured exactly
    assert_close(few.means(queries, values)[0], exact.means(queries, values)[0], atol=1e-9)


def test_leading_axes_are_those_beside_which_little_is_left():
    train = _noisy_plane(400, 0)
    axes = nystrom.leading_axes(train)
    assert axes.shape == (40, 2)
    assert_close(axes.T @ axes, np.eye(2), atol=1e-5)
    left = (train - train.mean(axis=0)).astype(float)
    beside = left - left @ axes @ axes.T
    assert (beside**2).sum() < 0.02 * (left**2).sum()
    assert nystrom.leading_axes(cloud(400, 40).astype(np.float32)) is None  # too many to gain by
    assert nystrom.leading_axes(train[:79]) is None  # so few rows tell no axes
    assert nystrom.leading_axes(np.zeros((5, 9000), np.float32)) is None


def test_rows_whose_neighbours_are_too_near_for_axes_are_measured_exactly(rng):
    train = _noisy_plane(300, 0)
    train[:40] = 50 + 1e-3 * rng.standard_normal((40, 40))
    exact, values = _rule_of(train), cloud(300, 2, seed=7)
    along = dataclasses.replace(exact, axes=np.eye(40, 2, dtype=np.float32))
    assert_close(along.means(train[:5], values)[0], exact.means(train[:5], values)[0], atol=1e-9)


def test_the_rule_of_the_others_is_that_without_some():
    exact = _rule_of(_noisy_plane(60, 0))
    others = exact.without(np.array([3, 10]))
    assert_close(others.R_uX, np.delete(exact.R_uX, [3, 10], axis=0))
    assert_close(others.radius2_u, np.delete(exact.radius2_u, [3, 10]))
    assert len(others.log_weight_u) == 58
