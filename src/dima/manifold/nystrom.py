"""The row rule: which training rows a new row looks at, and the average it takes over them.

    P_aj ~ w_j q_j^-density_power exp(-sharpness d2_aj / bandwidth)   for linked a and j

A row a is linked to every training row j with d_aj <= max(r_a, r_j), where r is the distance to the
k-th nearest training row. In sample this is the neighbour graph made symmetric, so a new row that
approaches a training row approaches what that one sees. Source: Bengio et al. 2004.
"""

import dataclasses

import numpy as np
from scipy import sparse

from dima.manifold.graph import row_means
from dima.metrics.distance import squared_distances
from dima.typing import Array, Float32, Float64

__all__ = ["RowRule"]

_FAR = 30.0  # exponent sharpness * d2 / bandwidth beyond which no training row is near
# float32 rows carry no finer distances; ties of gridded data must not break by rounding.
_TIES = 1 + 1e-5


@dataclasses.dataclass(frozen=True)
class RowRule:
    """What a new row needs to know of the training graph.

    Attributes:
        radius2_u: (u,) squared distance of each distinct training row to its k-th nearest.
        log_weight_u: (u,) log(w_u q_u^-density_power), what a row weighs before distance counts.
        rate: sharpness / bandwidth.
        halved: whether links that only one of the two ends would make count half (sym="mean").
    """

    R_uX: Float32
    radius2_u: Float64
    log_weight_u: Float64
    k: int
    rate: float
    halved: bool

    def means(self, rows_aX: Array, values_ux: Float64) -> tuple[Float64, int]:
        """Averages P values (b, d) for rows (b, D), and how many of those lie far from all training rows."""
        means, far = np.empty((len(rows_aX), values_ux.shape[1])), 0
        # Beside a block stand its partitioned copy and the mask of links.
        for block, d2 in squared_distances(rows_aX, self.R_uX, equal_at_zero=False, bytes_beside=9):
            linked = self._links(d2)
            far += int((self.rate * np.minimum.reduceat(linked.data, linked.indptr[:-1]) > _FAR).sum())
            means[block] = row_means(self._log_weights(linked), values_ux)
        return means, far

    def _links(self, d2: Float64) -> sparse.csr_array:
        """Squared distances (b, u) kept where the row rule links query and training row."""
        own = np.partition(d2, self.k - 1, axis=1)[:, self.k - 1 : self.k]
        linked = d2 <= np.maximum(own, self.radius2_u) * _TIES
        indptr = np.concatenate([[0], np.cumsum(linked.sum(axis=1))])
        columns = np.nonzero(linked)[1].astype(np.int32)
        return sparse.csr_array((d2[linked], columns, indptr), shape=d2.shape)

    def _log_weights(self, linked: sparse.csr_array) -> sparse.csr_array:
        halves = self._one_sided(linked) if self.halved else 0.0
        log_w = self.log_weight_u[linked.indices] - self.rate * linked.data + halves
        return sparse.csr_array((log_w, linked.indices, linked.indptr), shape=linked.shape)

    def _one_sided(self, linked: sparse.csr_array) -> Float64:
        """Log 1/2 for links that only one of the two ends would make."""
        counts = np.diff(linked.indptr)
        order = np.lexsort((linked.data, np.repeat(np.arange(len(counts)), counts)))
        kth = linked.data[order][linked.indptr[:-1] + self.k - 1]
        by_query = linked.data <= np.repeat(kth, counts) * _TIES
        by_row = linked.data <= self.radius2_u[linked.indices] * _TIES
        return np.where(by_query & by_row, 0.0, -np.log(2.0))
