"""Searches of other libraries: scikit-learn's, exact; faiss and pynndescent (extras), approximate."""

import warnings

import numpy as np
from sklearn.neighbors import NearestNeighbors

from dima.typing import Array, Float32, Int32

__all__ = ["search_faiss", "search_pynndescent", "search_sklearn"]

_LINKS = 32  # of an HNSW node; the library's own recommendation for high recall
_FEWEST = 15  # neighbours below which descent finds too few of them


def search_sklearn(points: Array, queries: Array, k: int) -> tuple[Int32, Float32]:
    """Exact k nearest points, by k-d tree or by brute force as scikit-learn chooses; for few dimensions."""
    distance, ids = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(queries)
    return ids.astype(np.int32), np.square(distance).astype(np.float32)


def search_faiss(points: Array, queries: Array, k: int, effort: int = 1) -> tuple[Int32, Float32]:
    """Hierarchical navigable small worlds (Malkov and Yashunin 2018) by faiss; holes come back as -1."""
    import faiss  # an optional extra

    index = faiss.IndexHNSWFlat(points.shape[1], _LINKS)
    index.hnsw.efConstruction = 2 * _LINKS * effort
    index.hnsw.efSearch = max(64, 2 * k) * effort
    index.add(np.ascontiguousarray(points, np.float32))
    d2, ids = index.search(np.ascontiguousarray(queries, np.float32), k)
    return ids.astype(np.int32), d2.astype(np.float32)


def search_pynndescent(points: Array, queries: Array, k: int, effort: int = 1) -> tuple[Int32, Float32]:
    """Nearest-neighbour descent (Dong, Moses and Li 2011) by pynndescent; holes come back as -1.

    Points that ask for their own neighbours get the graph the descent builds, without a search in it.
    """
    from pynndescent import NNDescent  # an optional extra

    data = np.ascontiguousarray(points, np.float32)
    with warnings.catch_warnings():
        # It warns of rows it could not complete; those are filled afterwards.
        warnings.filterwarnings("ignore", "Failed to correctly find")
        wider = min(max(k, _FEWEST) * effort, len(data))
        index = NNDescent(data, n_neighbors=wider, random_state=0)
        if queries is points:
            ids, distance = index.neighbor_graph
        else:
            ids, distance = index.query(np.ascontiguousarray(queries, np.float32), k=k)
    return ids[:, :k].astype(np.int32), np.square(distance[:, :k]).astype(np.float32)
