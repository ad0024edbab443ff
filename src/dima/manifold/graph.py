"""Neighbours -> symmetric affinities -> density normalisation -> the chain's symmetric conjugate.

    K_ij = exp(-sharpness d2_ij / bandwidth),  K_ii = 1
    q_i  = sum_j K_ij w_j,     Kt_ij = K_ij / (q_i q_j)^density_power
    s_i  = sum_j Kt_ij w_j,    P_ij  = Kt_ij w_j / s_i,    A = S^-1/2 W^1/2 Kt W^1/2 S^-1/2

w_i counts how many times row i stands in the data, so that copies weigh like the copies they are.
Source: Coifman and Lafon 2006, section 3.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy import sparse

from dima.blocks import row_blocks, rows_within
from dima.manifold.neighbors import Neighbors
from dima.typing import Array, Float64

__all__ = ["MarkovGraph", "log_affinity", "markov", "others_only", "row_means", "rows_of"]

_TINY = np.finfo(np.float32).tiny
_HELD = 40  # bytes of an average for each of its weights


@dataclasses.dataclass(frozen=True)
class MarkovGraph:
    """The normalised graph of distinct rows.

    Attributes:
        off_ii: (n, n) sparse Kt without its diagonal.
        self_i: (n,) the diagonal of Kt.
        weight_i: (n,) multiplicity w of each row.
        density_i: (n,) q, the kernel density estimate.
        degree_i: (n,) s, the row sums of Kt W.
    """

    off_ii: sparse.csr_array
    self_i: Float64
    weight_i: Float64
    density_i: Float64
    degree_i: Float64

    @property
    def stationary_i(self) -> Float64:
        """(n,) stationary distribution of the chain; sums to one."""
        mass = self.degree_i * self.weight_i
        return mass / mass.sum()

    def conjugate(self) -> tuple[sparse.csr_array, Float64]:
        """A of the module's formula, as (its off-diagonal part, its diagonal)."""
        scale = np.sqrt(self.weight_i / self.degree_i)
        return _scaled(self.off_ii, scale, np.empty_like(self.off_ii.data)), scale**2 * self.self_i


def log_affinity(near: Neighbors, bandwidth: float, sharpness: float, sym: str) -> sparse.csr_array:
    """Log-affinities (n, n) of the neighbour graph made symmetric, without the diagonal.

    "max" keeps an edge when either end names the other, "mean" halves the edges only one end names.
    """
    directed = _directed(near)
    log_k = directed.maximum(directed.T.tocsr()).astype(np.float64)
    log_k.data *= -sharpness / bandwidth
    if sym == "mean":
        named = directed.astype(bool).astype(np.int8)
        ends = (named + named.T.tocsr()).tocsr()
        ends.sort_indices()
        log_k.sort_indices()
        log_k.data += np.log(ends.data / 2.0)
    return log_k


def _directed(near: Neighbors) -> sparse.csr_array:
    """Squared distances (n, n) of the rows to the neighbours that each names, without itself."""
    n, k = near.ids.shape
    rows = np.repeat(np.arange(n, dtype=np.int32), k)
    others = near.ids.ravel() != rows
    # Distances stay above zero, or a sparse maximum would drop the edge.
    d2 = np.maximum(near.d2.ravel()[others], _TINY)
    return sparse.coo_array((d2, (rows[others], near.ids.ravel()[others])), shape=(n, n)).tocsr()


def markov(log_k: sparse.csr_array, weight_i: Float64, density_power: float) -> MarkovGraph:
    """Normalise affinities by density and to a Markov chain."""
    off = _like(log_k, np.exp(log_k.data))
    density = off @ weight_i + weight_i
    scale = density**-density_power
    off, diagonal = _scaled(off, scale, off.data), scale**2
    return MarkovGraph(off, diagonal, weight_i, density, off @ weight_i + diagonal * weight_i)


def others_only(log_k: sparse.csr_array, weight_i: Float64, log_weight_i: Float64) -> sparse.csr_array:
    """Log-weights (n, n) by which each row sees all rows but itself; other copies of it it may see.

    `log_weight_i` (n,) is the log-weight of a row in others' eyes, its multiplicity `weight_i` counted in.
    """
    copied = np.flatnonzero(weight_i > 1)
    if not len(copied):
        return _like(log_k, log_k.data + log_weight_i[log_k.indices])
    log_w = log_k.tocoo()
    copies = (log_weight_i + np.log1p(-1 / weight_i.clip(2)))[copied]
    data = np.concatenate([log_w.data + log_weight_i[log_w.col], copies])
    index = (np.concatenate([log_w.row, copied]), np.concatenate([log_w.col, copied]))
    return sparse.coo_array((data, index), shape=log_k.shape).tocsr()


def row_means(log_w: sparse.csr_array, values_jx: Array) -> Float64:
    """Averages (b, d) of `values_jx` (n, d), weighted by exp of each row's stored log-weights.

    The largest weight of a row counts as one, so that a row far from all others does not underflow
    but takes the value of its nearest. Every row must hold an entry.
    """
    means = np.empty((log_w.shape[0], values_jx.shape[1]))
    for rows, part in _parts(log_w):
        starts = part.indptr[:-1]
        largest = np.maximum.reduceat(part.data, starts)
        weights = np.exp(part.data - np.repeat(largest, np.diff(part.indptr)))
        summed = _like(part, weights) @ values_jx
        means[rows] = summed / np.add.reduceat(weights, starts)[:, None]
    return means


def rows_of(matrix: sparse.csr_array, rows: slice) -> sparse.csr_array:
    """Consecutive rows of a matrix, in its memory: a slice, and the constructor, would copy them."""
    ends = matrix.indptr[rows.start : rows.stop + 1]
    stored = slice(ends[0], ends[-1])
    part = sparse.csr_array((len(ends) - 1, matrix.shape[1]), dtype=matrix.dtype)
    part.indptr, part.indices, part.data = ends - ends[0], matrix.indices[stored], matrix.data[stored]
    return part


def _parts(matrix: sparse.csr_array) -> Iterator[tuple[slice, sparse.csr_array]]:
    """Blocks of rows in the matrix's memory, of as many as what is made of their numbers leaves room for."""
    n = matrix.shape[0]
    for rows in row_blocks(n, rows_within(_HELD * (1 + matrix.nnz // max(1, n)))):
        yield rows, rows_of(matrix, rows)


def _scaled(matrix: sparse.csr_array, scale: Array, into: Array) -> sparse.csr_array:
    """diag(scale) matrix diag(scale), its numbers written `into` an array, which may be their own."""
    scaled = _like(matrix, into)
    for rows, part in _parts(matrix):
        factors = scale[part.indices] * np.repeat(scale[rows], np.diff(part.indptr))
        np.multiply(part.data, factors, out=rows_of(scaled, rows).data)
    return scaled


def _like(matrix: sparse.csr_array, data: Array) -> sparse.csr_array:
    """Other values, sharing the pattern."""
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
