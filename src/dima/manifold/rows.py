"""Training rows made comparable: centred, scaled, each distinct one kept once with its count."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from dima.blocks import row_blocks
from dima.errors import DataError, sentence
from dima.typing import Array, Float32, Float64, Int32

__all__ = ["DistinctRows"]

_ROWS = 8192  # rows standardised at a time, so that the float64 intermediate stays small
_SPREADS = (1e-140, 1e140)  # beyond these, squares leave the range of float64
_FARTHEST = 1e15  # a coordinate in units of the spread; squares stay inside the range of float32


@dataclasses.dataclass(frozen=True)
class DistinctRows:
    """The distinct training rows, scaled to a root mean square distance of one to their mean.

    Centring happens before the cast to float32, so that an offset costs no digits, and the scale
    keeps squares of very large or very small data inside the range of float32.

    Attributes:
        mean_X: (D,) mean of the training rows, in the data's units.
        scale: the unit of `R_uX`, in the data's units.
        R_uX: (u, D) distinct rows, sorted by their bytes.
        row_i: (n,) which distinct row each training row is.
        weight_u: (u,) how many training rows each distinct row stands for.
    """

    mean_X: Float64
    scale: float
    R_uX: Float32
    row_i: Int32
    weight_u: Float64

    @classmethod
    def of(cls, R_iX: Array, owner: str) -> "DistinctRows":
        """Collect the distinct rows of `R_iX` (n, D).

        Raises:
            DataError: all rows are equal, or so far apart or close that squares over- or underflow.
        """
        if (R_iX.max(axis=0) == R_iX.min(axis=0)).all():
            told = f"{owner}: rows must differ from each other; got {len(R_iX)} equal rows."
            raise DataError(f"{told} Pass data that vary.")
        mean = _mean(R_iX)
        scale, (least, most) = _root_mean_square(R_iX, mean), _SPREADS
        if not least < scale < most:
            rule = f"spread out by {least:g} to {most:g}"
            raise DataError(sentence(owner, "rows", rule, f"{scale:.3g}", "Rescale the data."))
        standard = _standard(R_iX, mean, scale)
        _, first, row_i, counts = np.unique(
            _as_bytes(standard), return_index=True, return_inverse=True, return_counts=True
        )
        return cls(mean, scale, standard[first], row_i.astype(np.int32), counts.astype(np.float64))

    def standard(self, R_aX: Array) -> Float32:
        """Queries (b, D) in the units of `R_uX`; absurdly far ones are brought into range."""
        return _standard(R_aX, self.mean_X, self.scale)

    def kept(self, R_aX: Array) -> Float64:
        """Rows (b, D) as this class would keep them: rounded to float32, in the data's units."""
        return self._restored(self.standard(R_aX))

    def training(self) -> Float64:
        """The training rows (n, D) in the data's units, as kept."""
        return self._restored(self.R_uX[self.row_i])

    def _restored(self, standard_aX: Float32) -> Float64:
        # In float64: a float32 array would take the scale down to its own range.
        return standard_aX.astype(np.float64) * self.scale + self.mean_X

    def find(self, standard_aX: Float32) -> Int32:
        """(b,) the distinct row each standardised query equals to the bit, or -1."""
        known, asked = _as_bytes(self.R_uX), _as_bytes(standard_aX)
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[at] == asked, at, -1).astype(np.int32)


def _blocks(R_iX: Array) -> Iterator[tuple[slice, Float64]]:
    """Row blocks in float64 and C order: neither type nor layout of the input changes a digit."""
    for rows in row_blocks(len(R_iX), _ROWS):
        yield rows, np.ascontiguousarray(R_iX[rows], np.float64)


def _mean(R_iX: Array) -> Float64:
    total = np.zeros(R_iX.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow ends as a spread out of range
        for _, block in _blocks(R_iX):
            total += block.sum(axis=0)
    return total / len(R_iX)


def _root_mean_square(R_iX: Array, mean: Float64) -> float:
    # Dividing by the largest deviation first keeps the squares of huge or tiny data in range.
    with np.errstate(over="ignore", invalid="ignore"):
        above, below = np.abs(R_iX.max(axis=0) - mean), np.abs(R_iX.min(axis=0) - mean)
        largest = float(np.maximum(above, below).max())
    if not np.isfinite(largest):
        return largest
    total = 0.0
    for _, block in _blocks(R_iX):
        deviations = (block - mean) / largest
        total += float(np.einsum("ij,ij->", deviations, deviations))
    return largest * float(np.sqrt(total / len(R_iX)))


def _standard(R_aX: Array, mean: Float64, scale: float) -> Float32:
    standard = np.empty(R_aX.shape, np.float32)
    with np.errstate(over="ignore"):  # what overflows is brought back by the clip
        for rows, block in _blocks(R_aX):
            standard[rows] = np.clip((block - mean) / scale, -_FARTHEST, _FARTHEST)
    standard += 0.0  # turns -0.0 into 0.0: equal numbers must have equal bytes
    return standard


def _as_bytes(rows: Float32) -> Array:
    """Each row as one opaque, comparable item."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * 4)))[:, 0]
