"""Columns of unlike units and types as numbers of like size, and back into what they were.

    raw: as they are        standard: (x - mean) / spread        rank: the normal score of a value's rank

A column of words becomes one number in [0, 1] for each word, and the largest names the word. Back in its
units, a column is rounded to the decimals it is mostly written with, and one of few values takes the nearest.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import ndtri

from dima import fitted
from dima.check import SMALLEST_SPREAD
from dima.data.table import shown_names
from dima.errors import DataError
from dima.fitted import below, under
from dima.scaling import Standardizer
from dima.typing import Array, Arrays, Float64

__all__ = ["TREATMENTS", "Columns", "treatment_for"]

TREATMENTS = ("raw", "standard", "rank")
_KNOTS = 1000  # values of a column that are kept, evenly by rank
_FEW = 12  # different values up to which a column takes no others,
_ROWS_EACH = 10  # where each stands for so many rows
_DECIMALS = 6  # beyond which numbers count as continuous
_HELD = 0.95  # of a column that its decimals write exactly: a cell in a hundred may be a slip
_TENFOLD = 10.0


@dataclasses.dataclass(frozen=True)
class Columns:
    """What was learnt of the columns of a table; rows (n, D) in, numbers (n, W) out.

    Attributes:
        treatment: of the columns of numbers, one of `TREATMENTS`.
        names: D names, or None.
        types: D of "float", "int", "bool" and "text".
        words: those of each column of words, by its position.
        fill: (D,) median of a column of numbers, the most frequent of words: what `impute` puts in.
        scale: standardises, with "standard"; what it says of a column of words is not used.
        knots: of each column of numbers its values in order, "3/values", with their normal scores,
            "3/scores"; "3/few" where it can hold no others, "3/ends" for the range of those that have its
            decimals, where that is another.
        decimals: (D,) decimals that 95 % of its cells have at the most; -1 for more than six.

    Example:
        >>> rows = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 1.0]])
        >>> columns = Columns.of(rows, "rank", types=("int", "text"), words={1: ("no", "yes")})
        >>> columns.apply(rows).round(2)
        array([[-0.97,  1.  ,  0.  ],
               [ 0.  ,  0.  ,  1.  ],
               [ 0.97,  0.  ,  1.  ]])
        >>> columns.restore(columns.apply(rows))
        array([[1., 0.],
               [2., 1.],
               [4., 1.]])
    """

    treatment: str
    names: list[str] | None
    types: tuple[str, ...]
    words: Mapping[int, tuple[str, ...]]
    fill: Float64
    scale: Standardizer
    knots: Arrays
    decimals: Array

    @classmethod
    def of(
        cls,
        X: Array,
        treatment: str,
        *,
        names: list[str] | None = None,
        types: Sequence[str] | None = None,
        words: Mapping[int, Sequence[str]] = MappingProxyType({}),
    ) -> "Columns":
        """Learn from rows `X` (n, D); NaN is a missing cell, which only `fill` can help.

        Raises:
            DataError: a column has no cell that is not missing.
        """
        known = types or ("float",) * X.shape[1]
        is_raw = treatment == "raw"  # such columns hold any number
        types = tuple("float" if is_raw and kind != "text" else kind for kind in known)
        knots: Arrays = {}
        fill, decimals = np.zeros(X.shape[1]), np.full(X.shape[1], -1)
        missing = np.isnan(X)
        for axis in range(X.shape[1]):
            _refuse_blank(missing[:, axis], _name(names, axis))
            column = X[~missing[:, axis], axis]
            if axis not in words:
                fill[axis] = np.median(column)
            if is_raw and axis not in words:
                continue  # nothing else is asked of it
            values, counts = np.unique(column, return_counts=True)
            if axis in words:
                fill[axis] = values[counts.argmax()]
                continue
            values = values.astype(np.float64)
            decimals[axis], is_held = _decimals(values, counts, X.dtype)
            knots |= under(str(axis), _knots(values, counts, is_held))
        filled = np.where(missing, fill, X) if missing.any() else X.astype(np.float64, copy=False)
        copied = {axis: tuple(listed) for axis, listed in words.items()}
        return cls(treatment, names, types, copied, fill, Standardizer.of(filled), knots, decimals)

    @property
    def width(self) -> int:
        """W, the numbers a row becomes."""
        return sum(len(self.words.get(axis, (0,))) for axis in range(len(self.types)))

    @property
    def shown_names(self) -> list[str]:
        """D names of columns; where there are none, their positions, from 1."""
        return shown_names(self.names or [""] * len(self.types))

    @property
    def is_identity(self) -> bool:
        """Whether rows stay what they are."""
        return self.treatment == "raw" and not self.words

    def slices(self) -> list[slice]:
        """Where each of the D columns stands among the W numbers."""
        ends = np.cumsum([len(self.words.get(axis, (0,))) for axis in range(len(self.types))])
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def apply(self, X: Array) -> Array:
        """Rows (n, D) as numbers (n, W)."""
        if self.is_identity:
            return X
        treated = np.empty((len(X), self.width))
        standard = self.scale.apply(X) if self.treatment == "standard" else X
        for axis, part in enumerate(self.slices()):
            if axis in self.words:
                treated[:, part] = X[:, axis, None] == np.arange(len(self.words[axis]))
            elif self.treatment == "rank":
                treated[:, part.start] = _ranked(X[:, axis], self._knots(axis))
            else:
                treated[:, part.start] = standard[:, axis]
        return treated

    def restore(self, treated: Array) -> Array:
        """Numbers (n, W) as rows (n, D) that have the values and decimals of their columns."""
        if self.is_identity:
            return treated
        rows = np.empty((len(treated), len(self.types)))
        for axis, part in enumerate(self.slices()):
            if axis in self.words:
                rows[:, axis] = treated[:, part].argmax(axis=1)
                continue
            column = treated[:, part.start].astype(np.float64)
            if self.treatment == "rank":
                column = _unranked(column, self._knots(axis))
            elif self.treatment == "standard":
                column = column * self.scale.unit[axis] + self.scale.center[axis]
            rows[:, axis] = self._written(axis, column)
        return rows

    def within(self, rows: Array) -> Array:
        """Rows (n, D) as written, with every number drawn into the range its column was seen in."""
        inside = rows.copy()
        for axis in range(rows.shape[1]):
            if f"{axis}/values" in self.knots:
                ends = self.knots.get(f"{axis}/ends", self.knots[f"{axis}/values"])
                inside[:, axis] = np.clip(rows[:, axis], ends[0], ends[-1])
        return inside

    def imputed(self, X: Array, owner: str, *, fill: bool) -> Array:
        """Rows (n, D) without missing cells.

        Raises:
            DataError: there are some, and they are not to be filled.
        """
        missing = np.isnan(X)
        if not missing.any():
            return X
        if fill:
            return np.where(missing, self.fill, X)
        axis = int(missing.any(axis=0).argmax())
        row, fix = (
            int(missing[:, axis].argmax()) + 1,
            "Fill it, or fit with impute='median' (--impute median).",
        )
        got = f"an empty one in {_name(self.names, axis)}, first in row {row}"
        raise DataError(f"{owner}: X must have a value in every cell; got {got}. {fix}")

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes equal columns of."""
        words = {str(axis): list(listed) for axis, listed in self.words.items()}
        plain = {"treatment": self.treatment, "names": self.names, "types": list(self.types)}
        scale = under("scale", fitted.to_arrays(self.scale)[1])
        arrays = under("knots", self.knots) | scale | {"fill": self.fill, "decimals": self.decimals}
        return plain | {"levels": words}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> "Columns":
        """The columns that `to_arrays` described."""
        words = {int(axis): tuple(listed) for axis, listed in saved["levels"].items()}
        scale = fitted.from_arrays(Standardizer, {}, below(arrays, "scale"))
        knots = below(arrays, "knots")
        own = (saved["treatment"], saved["names"], tuple(saved["types"]), words)
        return cls(*own, arrays["fill"], scale, knots, arrays["decimals"])

    def _knots(self, axis: int) -> tuple[Float64, Float64]:
        return self.knots[f"{axis}/values"], self.knots[f"{axis}/scores"]

    def _written(self, axis: int, column: Float64) -> Float64:
        """Numbers of a column as it would have written them."""
        if self.treatment == "raw":
            return column
        values = self.knots[f"{axis}/values"]
        if f"{axis}/few" in self.knots:
            nearest = np.searchsorted((values[1:] + values[:-1]) / 2, column)
            return values[nearest]
        decimals = int(self.decimals[axis])
        return column if decimals < 0 else np.round(column, decimals)


def treatment_for(X: Array, words: Mapping[int, Sequence[str]] = MappingProxyType({})) -> str:
    """How to treat the columns of a table `X` (n, D), NaN where a cell is missing, if nobody says.

    By "rank" where the spreads of its columns of numbers differ by more than tenfold, else "standard".

    Example:
        >>> treatment_for(np.array([[1.0, 100.0], [2.0, 300.0]]))
        'rank'
    """
    spreads = np.array([np.nanstd(X[:, axis]) for axis in range(X.shape[1]) if axis not in words])
    varying = spreads[spreads > 0]
    are_unlike = len(varying) > 1 and varying.max() > _TENFOLD * varying.min()
    return "rank" if are_unlike else "standard"


def _name(names: list[str] | None, axis: int) -> str:
    return f"column {axis + 1}" if names is None else repr(names[axis])


def _refuse_blank(missing: Array, name: str) -> None:
    if missing.all():
        raise DataError(f"columns: {name} must have a value in some row; got none. Drop it.")


def _knots(values: Float64, counts: Array, is_held: Array) -> Arrays:
    """Values and their normal scores, those of mid-ranks, at most a thousand; and which others may occur."""
    n = counts.sum()
    # Mid-ranks: equal values share one score, and neither end is at infinity (Blom 1958 has other offsets).
    scores = ndtri((np.cumsum(counts) - counts / 2) / n)
    if len(values) <= min(_FEW, max(2, n // _ROWS_EACH)):
        return {"values": values, "scores": scores, "few": np.array(True)}
    kept = np.unique(np.linspace(0, len(values) - 1, _KNOTS).round().astype(int))
    ends = {} if is_held[0] and is_held[-1] else {"ends": values[is_held][[0, -1]]}
    return {"values": values[kept], "scores": scores[kept]} | ends


def _decimals(values: Float64, counts: Array, dtype: np.dtype[Any]) -> tuple[int, Array]:
    """Decimals that write nearly every value exactly, and which do; -1 where six do not.

    That is 95 % of the cells and of the different values: a column that is mostly 0 says by its other cells
    how it is written.
    """
    rounding = 4 * np.spacing(np.abs(values).astype(dtype)).astype(np.float64)
    for decimals in range(_DECIMALS + 1):
        is_held = np.abs(np.round(values, decimals) - values) <= rounding
        if min(is_held.mean(), counts[is_held].sum() / counts.sum()) >= _HELD:
            return decimals, is_held
    return -1, np.full(len(values), True)


def _ranked(column: Array, knots: tuple[Float64, Float64]) -> Float64:
    """Normal scores of numbers; beyond the ends, on the line through them, so that no two are one."""
    values, scores = knots
    if _is_constant(values):
        return np.zeros(len(column))
    slope = (scores[-1] - scores[0]) / (values[-1] - values[0])
    beyond = column - np.clip(column, values[0], values[-1])
    return np.interp(column, values, scores) + slope * beyond


def _unranked(column: Float64, knots: tuple[Float64, Float64]) -> Float64:
    values, scores = knots
    if _is_constant(values):
        return np.full(len(column), values[0])
    slope = (values[-1] - values[0]) / (scores[-1] - scores[0])
    beyond = column - np.clip(column, scores[0], scores[-1])
    return np.interp(column, scores, values) + slope * beyond


def _is_constant(values: Float64) -> bool:
    return bool(values[-1] - values[0] < SMALLEST_SPREAD)
