"""Shortest paths on the sheet that a decoder draws, and along it: not where no training row has been.

    E = sum_i w(m_i)^2 |f(z_i+1) - f(z_i)|^2,    m_i = (z_i + z_i+1) / 2

`f` decodes, and `w` is 1 where training rows are and grows with the decoder's doubt. Where it is 1 a path
of least E is a geodesic of the metric J'J; steps through a hole are dearer. It begins with a straight line,
or with the shortest way from training latent to training latent.
Source: Arvanitidis, Hansen and Hauberg 2018, section 3 (doubt that repels, there as a term of the metric: of
noisy rows it saturates, and a path cuts across a ring); Tenenbaum, de Silva and Langford 2000 (the graph).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

from dima.blocks import row_blocks
from dima.metrics.distance import distance_matrix
from dima.progress import track
from dima.typing import Array, Float64

__all__ = ["Geodesic", "Surface", "shortest", "straight"]

_NEAR = 32  # neighbours of a latent in the graph: with 12, gaps between random rows opened a ring
_TINY = np.finfo(float).tiny
_BLOCK = 512  # steps that are decoded at a time
_STEPS = 100  # of L-BFGS
_CLOSE = 1e-7  # relative gain of a step from which it ends


@dataclasses.dataclass(frozen=True)
class Geodesic:
    """Shortest paths between pairs of latents.

    Attributes:
        path: (b, n, d) latents on each, evenly apart where they decode to.
        length: (b,) of what they decode to, in the units of the decoded numbers.
    """

    path: Float64
    length: Float64


@dataclasses.dataclass(frozen=True)
class Surface:
    """What paths of the module's formula are measured by.

    Attributes:
        decode: latents (b, d) -> f (b, W).
        pull: latents (b, d), v (b, W) -> J'v (b, d), J the derivative of f.
        doubt: latents (b, d) -> w (b,) and its derivatives (b, d).
    """

    decode: Callable[[Float64], Float64]
    pull: Callable[[Float64, Float64], Float64]
    doubt: Callable[[Float64], tuple[Float64, Float64]]

    def steps(self, paths: Float64) -> tuple[Float64, Float64, Float64]:
        """f(z_i+1) - f(z_i) along paths (b, n, d), with w and its derivatives in the middle of each step."""
        b, n, d = paths.shape
        steps = np.diff(self.decode(paths.reshape(-1, d)).reshape(b, n, -1), axis=1)
        w, slopes = self.doubt(((paths[:, 1:] + paths[:, :-1]) / 2).reshape(-1, d))
        return steps, w.reshape(b, n - 1), slopes.reshape(b, n - 1, d)

    def costs(self, paths: Float64) -> Float64:
        """The roots (b, n - 1) of the terms of E of paths (b, n, d)."""
        steps, w, _ = self.steps(paths)
        return w * np.linalg.norm(steps, axis=2)


def straight(start: Float64, end: Float64, n: int) -> Float64:
    """Paths (b, n, d) of `n` latents on the straight line from each of `start` (b, d) to its `end` (b, d)."""
    share = np.linspace(0.0, 1.0, n)[:, None]
    return start[:, None] * (1 - share) + end[:, None] * share


def shortest(surface: Surface, start: Float64, end: Float64, nodes: Float64, n: int) -> Geodesic:
    """Paths of `n` latents from each of `start` (b, d) to each of `end` (b, d), by way of `nodes` (s, d).

    Each is looked for by itself: the others asked for change nothing.
    """
    graph, paths = _graph(surface, nodes), np.empty((len(start), n, start.shape[1]))
    lengths = np.empty(len(start))
    for i in track(range(len(start)), len(start), "shortest paths"):
        paths[i] = _shortest(surface, start[i : i + 1], end[i : i + 1], nodes, graph, n)
        lengths[i] = np.linalg.norm(surface.steps(paths[i : i + 1])[0], axis=2).sum()
    return Geodesic(paths, lengths)


def _shortest(
    surface: Surface, start: Float64, end: Float64, nodes: Float64, graph: sparse.coo_array, n: int
) -> Float64:
    """The path (1, n, d) from `start` (1, d) to `end` (1, d)."""
    ways = straight(start, end, n), _around(surface, start, end, nodes, graph, n)
    return _relaxed(surface, min(ways, key=lambda way: surface.costs(way).sum()))


def _relaxed(surface: Surface, paths: Float64) -> Float64:
    """The paths (b, n, d) of least E near these, with the same ends."""
    b, n, d = paths.shape
    if n == 2:
        return paths

    def energy(flat: Float64) -> tuple[float, Float64]:
        moved = paths.copy()
        moved[:, 1:-1] = flat.reshape(b, n - 2, d)
        steps, w, slopes = surface.steps(moved)
        squares = np.square(steps).sum(axis=2)
        bent = -np.diff(steps * (2 * w**2 / unit)[:, :, None], axis=1)
        slope = surface.pull(moved[:, 1:-1].reshape(-1, d), bent.reshape(-1, bent.shape[2])).reshape(b, -1, d)
        dearer = (squares * w / unit)[:, :, None] * slopes  # half of each middle's for either end
        slope += dearer[:, 1:] + dearer[:, :-1]
        return float((w**2 * squares / unit).sum()), slope.ravel()

    unit = np.square(surface.costs(paths)).sum(axis=1, keepdims=True)  # a short path counts like a long one
    unit[unit == 0] = 1.0
    options = {"maxiter": _STEPS, "maxfun": 2 * _STEPS, "ftol": _CLOSE}
    found = minimize(energy, paths[:, 1:-1].ravel(), method="L-BFGS-B", jac=True, options=options)
    relaxed = paths.copy()
    relaxed[:, 1:-1] = found.x.reshape(b, n - 2, d)
    return relaxed


def _graph(surface: Surface, nodes: Float64) -> sparse.coo_array:
    """Costs (s, s) of steps between latents that are near, or that alone join two parts."""
    apart = np.maximum(distance_matrix(nodes, nodes), _TINY)  # a stored zero would be no step
    linked = minimum_spanning_tree(apart).toarray() > 0
    np.put_along_axis(linked, _nearest(apart), True, axis=1)
    at, to = np.nonzero(linked)
    return sparse.coo_array((_edges(surface, nodes[at], nodes[to]), (at, to)), shape=apart.shape)


def _around(
    surface: Surface, start: Float64, end: Float64, nodes: Float64, graph: sparse.coo_array, n: int
) -> Float64:
    """The path (1, n, d) from node to node that is as cheap as any in the graph."""
    s, latents = len(nodes), np.concatenate([nodes, start, end])
    near = _nearest(distance_matrix(latents[s:], nodes)).ravel()
    ends = np.repeat([s, s + 1], len(near) // 2)
    costs = np.concatenate([graph.data, _edges(surface, latents[ends], nodes[near])])
    pairs = (np.concatenate([graph.coords[0], ends]), np.concatenate([graph.coords[1], near]))
    whole = sparse.coo_array((costs, pairs), shape=(s + 2, s + 2))
    _, before = dijkstra(whole, directed=False, indices=s, return_predecessors=True)
    return _even(surface, latents[_way(before, s, s + 1)], n)[None]


def _nearest(apart: Float64) -> Array:
    """Places (b, c) of the nearest in each row (b, s) of distances."""
    s = apart.shape[1]
    return np.argpartition(apart, min(_NEAR, s - 1), axis=1)[:, : min(_NEAR, s)]


def _edges(surface: Surface, at: Float64, to: Float64) -> Float64:
    """Costs (e,) of single steps between latents (e, d)."""
    both, costs = np.stack([at, to], axis=1), np.empty(len(at))
    for some in row_blocks(len(at), _BLOCK):
        costs[some] = surface.costs(both[some])[:, 0]
    return np.maximum(costs, _TINY)


def _way(before: Array, start: int, end: int) -> list[int]:
    """Nodes from start to end, of those `before` each."""
    way = [end]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return way[::-1]


def _even(surface: Surface, corners: Float64, n: int) -> Float64:
    """`n` latents along straight lines from corner (c, d) to corner, evenly apart by cost."""
    along = np.concatenate([[0.0], np.cumsum(surface.costs(corners[None])[0])])
    wanted = np.linspace(0.0, along[-1], n)
    return np.column_stack([np.interp(wanted, along, axis) for axis in corners.T])
