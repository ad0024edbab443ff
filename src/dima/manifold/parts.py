"""Parts of the neighbour graph between which nothing, or next to nothing, leads: found and bridged."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from dima.metrics.distance import squared_distances
from dima.typing import Float32, Int32

__all__ = ["bridged", "connected"]

_UNSEEN = 1e-7  # an edge of A below it joins nothing: what it would tell apart takes Lanczos minutes to find
_BRIDGE = -1.0  # log-affinity of a bridge: as that of a neighbour at the bandwidth


def connected(off: sparse.csr_array) -> tuple[int, Int32]:
    """Number of parts, and the one of each row, of `MarkovGraph.conjugate` without edges next to nothing."""
    seen = off.data > _UNSEEN
    if not seen.all():
        before = np.concatenate([[0], np.cumsum(seen)])
        form = (off.data[seen], off.indices[seen], before[off.indptr])
        off = sparse.csr_array(form, shape=off.shape)
    # Of a symmetric graph the same as undirected, without a copy of it.
    n_parts, labels = connected_components(off, directed=True, connection="strong")
    return int(n_parts), labels


def bridged(log_k: sparse.csr_array, R_uX: Float32, labels: Int32) -> sparse.csr_array:
    """The log-affinities (u, u) with an edge from each part but the largest to the row nearest to it.

    Again and again this leaves one part, joined by the shortest edges there are. Source: Boruvka 1926.
    """
    asked = np.flatnonzero(labels != np.bincount(labels).argmax())
    nearest, gap = np.empty(len(asked), np.int32), np.empty(len(asked), np.float32)
    for rows, d2 in squared_distances(R_uX[asked], R_uX, np.float32, equal_at_zero=False, bytes_beside=1):
        d2[labels[asked[rows], None] == labels] = np.inf
        nearest[rows], gap[rows] = d2.argmin(axis=1), d2.min(axis=1)
    order = np.lexsort((gap, labels[asked]))
    first = order[np.unique(labels[asked[order]], return_index=True)[1]]
    ends = np.column_stack([asked[first], nearest[first]])
    rows, columns = np.unique(np.vstack([ends, ends[:, ::-1]]), axis=0).T  # two parts may name one edge
    added = sparse.coo_array((_BRIDGE - log_k[rows, columns], (rows, columns)), shape=log_k.shape)
    return (log_k + added.tocsr()).tocsr()
