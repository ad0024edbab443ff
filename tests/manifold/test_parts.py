"""Parts of a graph: the bridges between them are those of the minimum spanning tree."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from close import assert_close
from dima import DMAP
from dima.errors import DataError
from dima.manifold.parts import bridged, connected
from manifold.shapes import cloud

CENTRES = np.array([[0.0, 0], [30, 0], [0, 70], [200, 10], [210, 400]])


def islands(n=20):
    return np.vstack([centre + cloud(n, 2, seed=seed) for seed, centre in enumerate(CENTRES)])


def graph_of(labels):
    """Log-affinities of a graph in which all rows of one label are joined, and no others."""
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    return sparse.csr_array(np.where(same, -0.5, 0.0))


def test_bridges_are_the_edges_of_the_minimum_spanning_tree_between_parts():
    X, labels = islands(), np.repeat(np.arange(5), 20)
    log_k, n_parts = graph_of(labels), 5
    while n_parts > 1:
        log_k = bridged(log_k, X.astype(np.float32), labels.astype(np.int32))
        n_parts, labels = connected_components(log_k, directed=False)
    tree = minimum_spanning_tree(cdist(X, X)).tocoo()
    island = np.repeat(np.arange(5), 20)
    between = island[tree.row] != island[tree.col]
    expected = {tuple(sorted(edge)) for edge in zip(tree.row[between], tree.col[between], strict=True)}
    found = sparse.coo_array(log_k)
    crossing = island[found.row] != island[found.col]
    edges = set(zip(found.row[crossing], found.col[crossing], strict=True))
    assert {tuple(sorted(edge)) for edge in edges} == expected
    assert {(b, a) for a, b in edges} == edges
    assert (found.data[crossing] == -1).all()
    assert (found.data[~crossing] == -0.5).all()


def test_an_edge_that_joins_next_to_nothing_is_replaced():
    log_k = sparse.csr_array(np.array([[0.0, -1, 0], [-1, 0, -40], [0, -40, 0]]))
    X, labels = np.array([[0.0], [1], [9]], np.float32), np.array([0, 0, 1], np.int32)
    assert_close(bridged(log_k, X, labels).toarray(), [[0, -1, 0], [-1, 0, -1], [0, -1, 0]])


def test_parts_are_told_though_a_trace_of_an_edge_joins_them():
    chain = sparse.csr_array(np.array([[0, 0.5, 0], [0.5, 0, 1e-9], [0, 1e-9, 0]]))
    n_parts, labels = connected(chain)
    assert (n_parts, labels[0] == labels[1], labels[1] == labels[2]) == (2, True, False)


def test_a_bridged_map_is_of_one_part_and_keeps_parts_and_rows_apart():
    X = islands()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dmap = DMAP(4, k=16, components="bridge").fit(X)
    assert dmap.n_components_ == 1
    assert (dmap.eigenvalues_ < 1).all()
    island = np.repeat(np.arange(5), 20)
    centres = np.array([dmap.embedding_[island == part].mean(axis=0) for part in range(5)])
    told = cdist(dmap.embedding_, centres).argmin(axis=1) == island
    assert told.mean() >= 0.95  # rows at bridges lie between
    assert_close(dmap.transform(X), dmap.embedding_)


def test_parts_are_refused_or_warned_of():
    with pytest.raises(DataError, match=r"must be in one part; got 5 parts\. .*components=\"bridge\""):
        DMAP(2, k=16, components="error").fit(islands())
    with pytest.warns(UserWarning, match="falls into 5 parts"):
        assert DMAP(2, k=16).fit(islands()).n_components_ == 5


@pytest.mark.parametrize("components", ["bridge", "error"])
def test_a_graph_in_one_part_is_left_alone(components):
    X = cloud(200, 3)
    assert_close(DMAP(2, components=components).fit(X).embedding_, DMAP(2).fit(X).embedding_)


def test_parts_are_numbered_by_their_first_rows():
    apart = [[0, 3], [1, 4], [2, 5]]
    links = np.zeros((6, 6))
    for one, other in apart:
        links[one, other] = links[other, one] = 1.0
    n_parts, labels = connected(sparse.csr_array(links))
    assert (n_parts, labels.tolist()) == (3, [0, 1, 2, 0, 1, 2])
