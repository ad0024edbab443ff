"""How long a fit takes on this machine: its parts done on few made-up rows, and counted up to all of them.

The search is timed on rows as wide as those asked for, the graph and its products on a square: both take time
by their size alone. How many products the eigensolver needs is up to the data; a usual number is taken.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dima.manifold import graph
from dima.manifold.coordinates import modes_wanted
from dima.manifold.neighbors import EXACT, backend_for, knn
from dima.manifold.spectrum import shared_product
from dima.typing import Array

__all__ = ["fit_seconds"]

_SEARCHED = 20_000_000  # numbers of the rows that are searched at the most
_ROWS, _QUERIES = 10_000, 1000
_LINKED = 4000  # rows of the graph
_PRODUCTS = 140  # of the eigensolver: 80 to 250 where measured, 500 of long sheets in few coordinates


def fit_seconds(settings_used: dict[str, Any], n: int, D: int, k: int) -> float:
    """Seconds that the fit of a map to distinct rows (n, D) takes with k neighbours, about."""
    name = backend_for(settings_used["ann_backend"], n, n, D)
    return _search(name, n, D, k) + _graph(settings_used, n, k)


def _search(name: str, n: int, D: int, k: int) -> float:
    rng = np.random.default_rng(0)
    few = min(n, max(_ROWS if name in EXACT else 4 * _ROWS, 2 * k), max(2 * k, _SEARCHED // D))
    points = rng.standard_normal((few, D), np.float32)
    if name == "brute":
        queries = points[:_QUERIES]
        return _timed(lambda: knn(points, queries, k, name)) * (n / few) * (n / len(queries))
    return _timed(lambda: knn(points, points, k, name)) * (n * np.log(n)) / (few * np.log(few))


def _graph(settings_used: dict[str, Any], n: int, k: int) -> float:
    rows = np.random.default_rng(0).random((min(n, max(_LINKED, 2 * k)), 2), np.float32)
    near, ones = knn(rows, rows, k, "brute"), np.ones(len(rows))
    beta, sym, alpha = (settings_used[name] for name in ("beta", "sym", "alpha"))
    n_modes = modes_wanted(settings_used["coordinates"], settings_used["d"] or 2)

    def built() -> Array:
        log_k = graph.log_affinity(near, float(np.median(near.d2)), beta, sym)
        chain, _ = graph.markov(log_k, ones, alpha).conjugate()
        graph.row_means(graph.others_only(log_k, ones, np.zeros(len(rows))), np.ones((len(rows), n_modes)))
        return chain

    chain = built()
    with shared_product(chain) as product:
        seconds = _PRODUCTS * _timed(lambda: product(ones))
    return (seconds + _timed(built)) * n / len(rows)


def _timed(work: Callable[[], Any]) -> float:
    """The shorter time (s) of two goes: the first makes what it works in."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
