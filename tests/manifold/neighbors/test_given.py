"""Neighbours from elsewhere make the map that its own search makes, or are refused."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from close import assert_close
from dima import DMAP
from dima.errors import DataError, SettingError, ShapeError
from manifold.shapes import cloud


def searched(X, k):
    distances, ids = NearestNeighbors(n_neighbors=k).fit(X).kneighbors(X)
    return ids, distances


@pytest.mark.parametrize("k", [None, 20])
def test_the_map_is_that_of_its_own_search(k):
    X = cloud(300, 4)
    usual = DMAP(2, k=k).fit(X)
    dmap = DMAP(2, k=k).fit(X, neighbors=searched(X, 60))
    assert (dmap.k_, dmap.recall_) == (usual.k_, 1.0)
    assert_close(dmap.embedding_, usual.embedding_, rtol=1e-4, atol=1e-5)
    assert_close(dmap.transform(X[:7] + 0.01), usual.transform(X[:7] + 0.01), rtol=1e-4, atol=1e-5)
    assert_close(DMAP(2, k=k).fit_transform(X, neighbors=searched(X, 60)), dmap.embedding_)


def test_fewer_than_usual_are_all_used():
    X = cloud(300, 4)
    assert DMAP(2).fit(X, neighbors=searched(X, 20)).k_ == 20


def changed(table, at, value):
    table = table.copy()
    table[at] = value
    return table


X = cloud(30, 3)
IDS, DISTANCES = searched(X, 9)


@pytest.mark.parametrize(
    ("neighbors", "error", "message"),
    [
        (IDS, ShapeError, r"must be a pair of ids and distances, each \(n, k\); got a ndarray"),
        ((IDS[:9], DISTANCES[:9]), ShapeError, r"distances to neighbors must have shape \(30, k\)"),
        ((IDS[:, :4], DISTANCES), ShapeError, r"ids of neighbors must have shape \(30, 9\)"),
        ((changed(IDS, (2, 3), 30), DISTANCES), DataError, "must be numbers of rows, 0 to 29; got 0 to 30"),
        ((changed(IDS, (2, 3), -1), DISTANCES), DataError, "must be numbers of rows, 0 to 29; got -1 to 29"),
        ((IDS + 0.5, DISTANCES), DataError, "must be numbers of rows, 0 to 29; got 0.5"),
        ((changed(IDS, (2, 3), IDS[2, 4]), DISTANCES), DataError, "none twice; got others in 1 rows"),
        (
            (IDS[:, ::-1], DISTANCES),
            DataError,
            "each row itself first, and none twice; got others in 30 rows",
        ),
        ((IDS, DISTANCES[:, ::-1]), DataError, "must rise from 0"),
        ((IDS, DISTANCES + 1), DataError, "must rise from 0, .* got others in 30 rows"),
        ((IDS[:, :1], DISTANCES[:, :1]), DataError, "must be at least 2, the row itself counted; got 1"),
        ((IDS, DISTANCES**2), DataError, "must be those between the rows; got others"),
        ((IDS, DISTANCES * 1e17), DataError, "must be those between the rows; got others"),
        ((IDS, changed(DISTANCES, (0, 8), np.nan)), DataError, "distances to neighbors must be finite"),
    ],
)
def test_what_is_wrong_is_named(neighbors, error, message):
    with pytest.raises(error, match=f"^DMAP.fit: .*{message}"):
        DMAP(2, k=5).fit(X, neighbors=neighbors)


@pytest.mark.parametrize("D", [10, 20, 64])
def test_a_row_may_be_a_rounding_away_from_itself(D):
    rows = cloud(500, D)
    ids, distances = searched(rows, 30)
    assert (distances[:, 0] > 0).any() == (D > 15)  # as scikit-learn's brute force gives it
    dmap = DMAP(2, k=30).fit(rows, neighbors=(ids, distances))
    assert_close(dmap.embedding_, DMAP(2, k=30).fit(rows).embedding_, rtol=1e-3, atol=1e-4)


def test_more_than_were_given_cannot_be_used():
    with pytest.raises(SettingError, match="k must be at most the number of neighbors given = 9; got 10"):
        DMAP(2, k=10).fit(X, neighbors=(IDS, DISTANCES))


def test_copies_have_no_order_of_their_own():
    doubled = np.vstack([X, X[:2]])
    with pytest.raises(DataError, match="rows must be distinct where neighbors are given; got 2 copies"):
        DMAP(2, k=5).fit(doubled, neighbors=searched(np.vstack([X, X[:2] + 1e-9]), 5))
