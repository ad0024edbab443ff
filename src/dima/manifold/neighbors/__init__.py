"""Nearest neighbours behind one function: `knn`, its registry of backends and the choice by size.

A backend is a function `(points (n, D), queries (b, D), k) -> (ids (b, k) int32, d2 (b, k) float32)`,
nearest first, squared Euclidean distances. `brute` is exact and the reference; the others may miss
neighbours, fewer with more `effort`, a factor on what they look at. Whatever they answer is made whole here:
missing ids are filled by exact search.
"""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dima.errors import BackendError, SettingError, warn_user
from dima.manifold.neighbors import brute, libraries
from dima.typing import Array, Float32, Int32

__all__ = ["BACKENDS", "EXACT", "Neighbors", "backend_for", "certified", "choose", "knn"]


class Neighbors(NamedTuple):
    """Neighbour ids (b, k) and squared distances (b, k), nearest first."""

    ids: Int32
    d2: Float32


Backend = Callable[..., tuple[Int32, Float32]]

BACKENDS: dict[str, Backend] = {
    "brute": brute.search,
    "sklearn": libraries.search_sklearn,
    "faiss": libraries.search_faiss,
    "pynndescent": libraries.search_pynndescent,
}

# What a backend imports, and the extra that brings it.
_PACKAGES = {"faiss": ("faiss", "faiss"), "pynndescent": ("pynndescent", "descent")}

# Exact search is one large matrix product: at 330 GFLOP/s, n = 60,000 by D = 784 takes some 20 s.
_EXACT_WORK = 6e12
_LOW_DIMENSION = 6
EXACT = ("brute", "sklearn")

_EFFORTS = (1, 2, 4)
_RECALL = 0.98  # from which no more effort is made
_CERTIFIED = 1000  # rows searched exactly to tell it


def knn(points: Array, queries: Array, k: int, backend: str = "auto") -> Neighbors:
    """Find the `k` nearest `points` (n, D) of each of the `queries` (b, D).

    Squared distances must fit float32: rows are expected in units of about their own spread.

    Raises:
        SettingError: the backend is unknown, or k is not in 1..n.
        BackendError: the backend's package is not installed.
    """
    if not 1 <= k <= len(points):
        raise SettingError(f"knn: k must be in 1..n = {len(points)}; got {k}.")
    name = backend_for(backend, len(points), len(queries), points.shape[1])
    return _searched(name, points, queries, k)


def certified(points: Array, k: int, backend: str = "auto", seed: int = 0) -> tuple[Neighbors, float]:
    """The `k` nearest points of each of the `points` (n, D), itself counted, and the recall.

    The recall is the share that an approximate search found of the neighbours of 1,000 random rows that exact
    search finds; more effort is made until it is 0.98. Warns if it stays below.

    Raises:
        SettingError, BackendError: as `knn`.
    """
    name = backend_for(backend, len(points), len(points), points.shape[1])
    if name in EXACT:
        return knn(points, points, k, name), 1.0
    some = np.sort(np.random.default_rng(seed).permutation(len(points))[:_CERTIFIED])
    reach = knn(points, points[some], k, "brute").d2[:, -1:] * brute.TIES
    for effort in _EFFORTS:
        near = _searched(name, points, points, k, effort=effort)
        recall = float((near.d2[some] <= reach).mean())
        if recall >= _RECALL:
            return near, recall
    fix = 'Lower k, or use ann_backend="brute", which is exact.'
    warn_user(f"knn: {name} finds {recall:.1%} of the neighbours. {fix}")
    return near, recall


def backend_for(backend: str, n: int, b: int, D: int) -> str:
    """The name of a search that is installed."""
    name = choose(n, b, D) if backend == "auto" else backend
    if name not in BACKENDS:
        rule = "one of " + ", ".join(map(repr, sorted(BACKENDS)))
        raise SettingError(f"knn: backend must be {rule}; got {name!r}.")
    package, extra = _PACKAGES.get(name, ("", ""))
    if package and not importlib.util.find_spec(package):
        fix = f'Run: pip install "dima-manifold[{extra}]", or use ann_backend="brute".'
        raise BackendError(f"knn: backend {name!r} must be installed; got no package {package!r}. {fix}")
    return name


def _searched(name: str, points: Array, queries: Array, k: int, **effort: int) -> Neighbors:
    return Neighbors(*_holes_filled(points, queries, *BACKENDS[name](points, queries, k, **effort)))


def choose(n: int, b: int, D: int) -> str:
    """Pick a backend by size: trees in few dimensions, exact while affordable, else approximate."""
    work = 2.0 * n * b * D
    if D <= _LOW_DIMENSION and work > 1e9:
        return "sklearn"
    if work <= _EXACT_WORK:
        return "brute"
    installed = (name for name, (package, _) in _PACKAGES.items() if importlib.util.find_spec(package))
    return next(installed, "brute")


def _holes_filled(points: Array, queries: Array, ids: Int32, d2: Float32) -> tuple[Int32, Float32]:
    """Search exactly where an approximate backend left a hole (-1 or a non-finite distance)."""
    broken = np.flatnonzero((ids < 0).any(axis=1) | ~np.isfinite(d2).all(axis=1))
    if len(broken):
        ids, d2 = ids.copy(), d2.copy()
        ids[broken], d2[broken] = brute.search(points, queries[broken], ids.shape[1])
    return ids, d2
