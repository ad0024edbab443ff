"""Training rows made comparable: standardised, each distinct one kept once with its count."""

import dataclasses

import numpy as np

from dima.errors import DataError
from dima.scaling import Standardizer
from dima.typing import Array, Float32, Float64, Int32

__all__ = ["DistinctRows"]


@dataclasses.dataclass(frozen=True)
class DistinctRows:
    """The distinct training rows, centred and in one common unit.

    Centring happens before the cast to float32, so that an offset costs no digits.

    Attributes:
        scale: what takes rows from the data's units to those of `R_uX`.
        R_uX: (u, D) distinct rows, sorted by their bytes.
        row_i: (n,) which distinct row each training row is.
        weight_u: (u,) how many training rows each distinct row stands for.
    """

    scale: Standardizer
    R_uX: Float32
    row_i: Int32
    weight_u: Float64

    @classmethod
    def of(cls, R_iX: Array, owner: str) -> "DistinctRows":
        """Collect the distinct rows of `R_iX` (n, D).

        Raises:
            DataError: all rows are equal.
        """
        if (R_iX.max(axis=0) == R_iX.min(axis=0)).all():
            got = f"{len(R_iX)} equal rows. Pass data that vary."
            raise DataError(f"{owner}: rows must differ from each other; got {got}")
        scale = Standardizer.of(R_iX, common=True)
        standard = _standard(scale, R_iX)
        _, first, row_i, counts = np.unique(
            _as_bytes(standard), return_index=True, return_inverse=True, return_counts=True
        )
        return cls(scale, standard[first], row_i.astype(np.int32), counts.astype(np.float64))

    @property
    def unit2(self) -> float:
        """A squared distance of one between rows of `R_uX`, in squared units of the data."""
        return float(self.scale.unit[0]) ** 2

    def standard(self, R_aX: Array) -> Float32:
        """Queries (b, D) in the units of `R_uX`."""
        return _standard(self.scale, R_aX)

    def training(self) -> Float64:
        """The training rows (n, D) in the data's units, as kept."""
        return self.scale.restore(self.R_uX[self.row_i])

    def find(self, standard_aX: Float32) -> Int32:
        """(b,) the distinct row each standardised query equals to the bit, or -1."""
        known, asked = _as_bytes(self.R_uX), _as_bytes(standard_aX)
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[at] == asked, at, -1).astype(np.int32)


def _standard(scale: Standardizer, R_aX: Array) -> Float32:
    standard = scale.apply(R_aX, np.float32)
    standard += 0.0  # turns -0.0 into 0.0: equal numbers must have equal bytes
    return standard


def _as_bytes(rows: Float32) -> Array:
    """Each row as one opaque, comparable item."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * 4)))[:, 0]
