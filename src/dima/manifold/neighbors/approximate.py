"""Approximate neighbours for sets too large for exact search: faiss and pynndescent (extras)."""

import numpy as np

from dima.typing import Array, Float32, Int32

__all__ = ["search_faiss", "search_pynndescent"]

_LINKS = 32  # of an HNSW node; the library's own recommendation for high recall


def search_faiss(points: Array, queries: Array, k: int) -> tuple[Int32, Float32]:
    """Hierarchical navigable small worlds (Malkov and Yashunin 2018) by faiss; holes come back as -1."""
    import faiss  # an optional extra

    index = faiss.IndexHNSWFlat(points.shape[1], _LINKS)
    index.hnsw.efConstruction = 2 * _LINKS
    index.hnsw.efSearch = max(64, 2 * k)
    index.add(np.ascontiguousarray(points, np.float32))
    d2, ids = index.search(np.ascontiguousarray(queries, np.float32), k)
    return ids.astype(np.int32), d2.astype(np.float32)


def search_pynndescent(points: Array, queries: Array, k: int) -> tuple[Int32, Float32]:
    """Nearest-neighbour descent (Dong, Moses and Li 2011) by pynndescent."""
    from pynndescent import NNDescent  # an optional extra

    index = NNDescent(np.ascontiguousarray(points, np.float32), n_neighbors=max(k, 15), random_state=0)
    ids, distance = index.query(np.ascontiguousarray(queries, np.float32), k=k)
    return ids.astype(np.int32), np.square(distance).astype(np.float32)
