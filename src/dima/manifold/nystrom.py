"""The row rule: which training rows a new row looks at, and the average it takes over them.

    P_aj ~ w_j q_j^-density_power exp(-sharpness d2_aj / (bandwidth sqrt(h_a h_j)))   for linked a and j

A row a is linked to every training row j with d_aj <= max(r_a, r_j), where r is the distance to the
k-th nearest training row. In sample this is the neighbour graph made symmetric, so a new row that
approaches a training row approaches what that one sees. Source: Bengio et al. 2004.
"""

import dataclasses
import functools

import numpy as np
from scipy import sparse

from dima.manifold.eigen import eigh
from dima.manifold.graph import row_means
from dima.manifold.neighbors import brute
from dima.manifold.widths import Widths, roots
from dima.metrics.distance import Prepared, squared_distances
from dima.typing import Array, Float32, Float64

__all__ = ["RowRule", "leading_axes"]

_FAR = 30.0  # exponent sharpness * d2 / bandwidth beyond which no training row is near
# Distances to training rows that hold so many numbers are taken in float32. Measured again in float64 are
# pairs within its rounding of a bound, and rows whose k-th neighbour is so near that digits cancel.
_MANY = 1_000_000
_ROUNDING = 1e-5
_CANCELLED = 0.1
# Variance that is left beside the axes taken; more axes than a share of all gain nothing. On MNIST (20,000
# rows, 248 axes) the coordinate that moves most moves by .009 of its spread.
_LEFT, _FEW = 0.02, 0.5
_BY_ROW = ("R_uX", "radius2_u", "log_weight_u")
_SHARED = 4.0  # times what a row has beside the axes: rows that are equal there seem twice that apart
_LOOKED_AT = 4000  # rows that tell the axes
_MOST_COLUMNS = 4096  # of which axes are found in seconds


@dataclasses.dataclass(frozen=True)
class RowRule:
    """What a new row needs to know of the training graph.

    Attributes:
        radius2_u: (u,) squared distance of each distinct training row to its k-th nearest.
        log_weight_u: (u,) log(w_u q_u^-density_power), what a row weighs before distance counts.
        rate: sharpness / bandwidth.
        halved: whether links that only one of the two ends would make count half (sym="mean").
        width: what gives h of a squared distance to the k-th nearest, over the median one: see `widths`.
        axes: (D, q) orthonormal ones, along which alone inner products of rows are taken; all if None.
    """

    R_uX: Float32
    radius2_u: Float64
    log_weight_u: Float64
    k: int
    rate: float
    halved: bool
    width: Widths | None = None
    axes: Float32 | None = None

    def without(self, some: Array) -> "RowRule":
        """The rule of the other training rows."""
        left = {name: np.delete(getattr(self, name), some, axis=0) for name in _BY_ROW}
        return dataclasses.replace(self, **left)

    def means(self, rows_aX: Array, values_ux: Float64) -> tuple[Float64, int]:
        """Averages P values (b, d) for rows (b, D), and how many of those lie far from all training rows."""
        means, is_far = np.empty((len(rows_aX), values_ux.shape[1])), np.zeros(len(rows_aX), bool)
        dtype = np.float64 if self.R_uX.size < _MANY and self.axes is None else np.float32
        lossy = self._fill(rows_aX, np.arange(len(rows_aX)), values_ux, means, is_far, dtype)
        if len(lossy):
            exact = dataclasses.replace(self, axes=None)
            exact._fill(rows_aX, lossy, values_ux, means, is_far, np.float64)
        return means, int(is_far.sum())

    def _fill(
        self, rows_aX: Array, into: Array, values_ux: Float64, means: Float64, is_far: Array, dtype: type
    ) -> Array:
        """Write the averages for the rows `into`; those (l,) of them whose distances have lost digits so."""
        asked, lossy = rows_aX[into], [np.empty(0, int)]
        norms = np.einsum("ij,ij->i", asked, asked)
        # Beside a block stand an eighth of it and the masks of links.
        known = self.R_uX if self.axes is None else self._along_axes
        for block, d2 in squared_distances(asked, known, dtype, equal_at_zero=False, bytes_beside=4):
            place, own = brute.farthest_of_nearest(d2, self.k)
            rows, queries = into[block], asked[block]
            least = np.maximum(_CANCELLED * norms[block], self._beside(queries))
            if dtype is np.float32 and (is_lost := own < least).any():
                lossy.append(rows[is_lost])
                rows, queries, d2, place, own = (each[~is_lost] for each in (rows, queries, d2, place, own))
            if not len(rows):
                continue
            linked, own = self._links(queries, d2, place, own)
            nearest = np.minimum.reduceat(linked.data, linked.indptr[:-1])
            is_far[rows] = self.rate * nearest > _FAR  # whatever the width there: it grows with the distance
            halves = self._one_sided(linked) if self.halved else 0.0
            linked.data /= self._widths(linked, own)
            linked.data = self.log_weight_u[linked.indices] - self.rate * linked.data + halves
            means[rows] = row_means(linked, values_ux)
        return np.concatenate(lossy)

    @functools.cached_property
    def _along_axes(self) -> Prepared:
        """The training rows along the axes: less than half as many numbers as they have."""
        return Prepared.of(self.R_uX, np.float32, self.axes)

    def _beside(self, rows: Array) -> Array | float:
        """The k-th squared distance (b,) below which what `rows` have beside the axes may be what is near."""
        if self.axes is None:
            return 0.0
        left = rows - self._along_axes.centre
        along = left @ self.axes
        beside: Array = np.einsum("ij,ij->i", left, left) - np.einsum("ij,ij->i", along, along)
        return _SHARED * beside

    def _links(self, rows: Array, d2: Array, place: Array, own: Array) -> tuple[sparse.csr_array, Float64]:
        """Squared distances (b, u) kept where the row rule links a query, and (b,) of it to its k-th nearest.

        In float32 they are measured again where rounding might tell, if they are of all axes.
        """
        n, rounding = d2.shape[1], _ROUNDING if d2.dtype == np.float32 and self.axes is None else 0.0
        own = own.astype(np.float64) if rounding == 0 else self._measured(rows, np.arange(len(own)), place)
        slack = brute.TIES + rounding
        near = d2 <= (own * slack).astype(d2.dtype)[:, None]
        near |= d2 <= (self.radius2_u * slack).astype(d2.dtype)
        flat = np.flatnonzero(near)
        at, columns = flat // n, (flat % n).astype(np.int32)
        found = d2.ravel()[flat].astype(np.float64)
        bound = np.maximum(own[at], self.radius2_u[columns]) * brute.TIES
        close = np.flatnonzero(np.abs(found - bound) <= rounding * bound) if rounding else at[:0]
        found[close] = self._measured(rows, at[close], columns[close])
        kept = found <= bound
        indptr = np.concatenate([[0], np.cumsum(np.bincount(at[kept], minlength=len(d2)))])
        return sparse.csr_array((found[kept], columns[kept], indptr), shape=d2.shape), own

    def _measured(self, rows: Array, at: Array, columns: Array) -> Float64:
        """Squared distances (p,) of pairs of a row and a training row, term by term."""
        steps = rows[at].astype(np.float64) - self.R_uX[columns]
        return np.einsum("ij,ij->i", steps, steps)

    def _widths(self, linked: sparse.csr_array, own: Float64) -> Float64 | float:
        """What divides the squared distance of each link: sqrt(h_a h_j)."""
        if self.width is None:
            return 1.0
        root_a = roots(self.width, own, self.radius2_u)
        widths: Float64 = np.repeat(root_a, np.diff(linked.indptr)) * self._roots_u[linked.indices]
        return widths

    @functools.cached_property
    def _roots_u(self) -> Float64:
        """sqrt(h_j) (u,) of the training rows, where there are widths."""
        assert self.width is not None
        return roots(self.width, self.radius2_u, self.radius2_u)

    def _one_sided(self, linked: sparse.csr_array) -> Float64:
        """Log 1/2 for links that only one of the two ends would make."""
        counts = np.diff(linked.indptr)
        order = np.lexsort((linked.data, np.repeat(np.arange(len(counts)), counts)))
        kth = linked.data[order][linked.indptr[:-1] + self.k - 1]
        by_query = linked.data <= np.repeat(kth, counts) * brute.TIES
        by_row = linked.data <= self.radius2_u[linked.indices] * brute.TIES
        return np.where(by_query & by_row, 0.0, -np.log(2.0))


def leading_axes(R_uX: Float32) -> Float32 | None:
    """Principal axes (D, q) beside which rows vary little; None where there are too many to gain by."""
    u, D = R_uX.shape
    if _MOST_COLUMNS < D or u < 2 * D:
        return None
    some = R_uX[:: -(-u // _LOOKED_AT)]
    left = some - some.mean(axis=0)
    variances, axes = eigh((left.T @ left).astype(np.float64))
    q = int((np.cumsum(variances) > _LEFT * variances.sum()).sum())  # rising
    return None if q > _FEW * D else np.ascontiguousarray(axes[:, ::-1][:, :q].astype(np.float32))
