"""Conditions: rows of which some columns are known, as numbers and back; how far from all rows is too far."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dima import check
from dima.data.columns import Columns
from dima.errors import DataError, DataTypeError, SettingError, ShapeError
from dima.manifold.neighbors import knn
from dima.model.rows import Rows, as_table
from dima.scaling import Standardizer
from dima.typing import Float64

__all__ = ["Known", "conditions", "filled", "numbers_of", "split_label", "with_known"]

_MISSING = ("nan", "<NA>", "NaT")  # as they are spelt
_REACH = 1.5  # times the largest distance of a training row from its nearest,
_NEAR = 0.25  # and so many spreads: no farther may a condition be from all of them


def split_label(owner: str, rows: Rows, known: Any, y: Any) -> tuple[Any, Any]:
    """Known values without the column of labels, and the labels: those of that column, or `y`.

    Raises:
        SettingError: there are both.
        DataError: some cells of that column are missing and others are not.
    """
    name, table = None if rows.label is None else rows.label[0], as_table(known)
    there = known if isinstance(known, Mapping) else [] if table is None or not table.names else table.names
    if name is None or name not in there:
        return known, y
    if y is not None:
        fix = "Leave one out."
        raise SettingError(f"{owner}: y must be left out where known has {name!r}; got both. {fix}")
    if isinstance(known, Mapping):
        others = {other: value for other, value in known.items() if other != name}
        return others, None if _is_missing(known[name]) else known[name]
    assert table is not None
    cells = table.cells(table.shown_names.index(name))
    return table.without(name), _labels(owner, name, cells)


def _labels(owner: str, name: str, cells: list[Any]) -> list[Any] | None:
    """Labels of all conditions, or None where none is known."""
    missing = [row for row, cell in enumerate(cells, start=1) if cell is None]
    if 0 < len(missing) < len(cells):
        got, fix = f"an empty one in row {missing[0]}", "Ask for such rows by themselves."
        raise DataError(f"{owner}: {name!r} must be known in all rows or in none; got {got}. {fix}")
    return None if missing else cells


def _is_missing(value: Any) -> bool:
    """Whether a value is none: None, or what numbers and frames have for it."""
    return value is None or (not isinstance(value, str) and str(value) in _MISSING)


def conditions(owner: str, rows: Rows, known: Any) -> Float64:
    """Known values (b, D), words by their indices, NaN where unknown.

    Raises:
        DataError: a word is none of its column, or a number is infinite or beyond 1e18.
        DataTypeError: a value is of another type.
        ShapeError: there is a column that the model has not.
    """
    values = _conditions(owner, rows, known)
    check.array(owner, "known", np.where(np.isnan(values), 0, values))  # infinity is no missing value
    return values


def _conditions(owner: str, rows: Rows, known: Any) -> Float64:
    columns, table = rows.columns, as_table(known)
    D = len(columns.types)
    if table is None and not isinstance(known, Mapping):
        values = check.array(owner, "known", known, ("b", D), finite=False).astype(np.float64)
        rows.hold_word_ix(owner, values)
        return values
    names = columns.shown_names
    known_names = list(known) if isinstance(known, Mapping) else [] if table is None else table.shown_names
    if strange := [name for name in known_names if name not in names]:
        got = f"{strange[0]!r} besides"
        raise ShapeError(f"{owner}: columns must be those of the model; got {got}. Leave it out.")
    axes = [names.index(name) for name in known_names]
    if isinstance(known, Mapping):
        return _from_mapping(owner, columns, known, axes)
    assert table is not None
    words = {at: columns.words[axis] for at, axis in enumerate(axes) if axis in columns.words}
    values = np.full((len(table.values), D), np.nan)
    values[:, axes] = table.recoded(words, owner, tuple(columns.types[axis] for axis in axes)).values
    return values


def _from_mapping(owner: str, columns: Columns, known: Mapping[str, Any], axes: list[int]) -> Float64:
    values = np.full((1, len(columns.types)), np.nan)
    for (name, value), axis in zip(known.items(), axes, strict=True):
        if _is_missing(value):
            continue
        words = columns.words.get(axis)
        if words is not None and str(value) not in words:
            there = ", ".join(words[:20])
            raise DataError(f"{owner}: {name!r} must be a known word; got {value!r}. It can be {there}.")
        if words is None and isinstance(value, str):
            kind = "true or false" if columns.types[axis] == "bool" else "a number"
            raise DataTypeError(f"{owner}: {name!r} must be {kind}; got {value!r}. Convert it first.")
        number = check.array(owner, name, [value], (1,), finite=False)[0] if not words else 0.0
        values[0, axis] = words.index(str(value)) if words else number
    return values


def numbers_of(columns: Columns, values: Float64) -> Float64:
    """The same as numbers (b, W), NaN where unknown."""
    is_unknown = np.isnan(values)
    numbers = columns.apply(np.where(is_unknown, columns.fill, values)).astype(np.float64)
    for axis, part in enumerate(columns.slices()):
        numbers[is_unknown[:, axis], part] = np.nan
    return numbers


def with_known(unknown: Float64, numbers: Float64) -> Float64:
    """Numbers (n, W): the unknown ones (n, u) beside those that are known (W,), NaN where they are not."""
    together = np.tile(numbers, (len(unknown), 1))
    together[:, np.isnan(numbers)] = unknown
    return together


def filled(columns: Columns, numbers: Float64, condition: Float64) -> Float64:
    """Rows (n, D) of numbers (n, W) with the known values (D,) as they were given."""
    rows = columns.within(columns.restore(numbers))
    is_known = ~np.isnan(condition)
    rows[:, is_known] = condition[is_known]
    return rows


class Known(NamedTuple):
    """Known numbers of the training rows in their spreads, and how far from all of them is too far."""

    scale: Standardizer
    rows: Float64
    reach: float

    @classmethod
    def of(cls, train: Float64, rows: Float64) -> "Known":
        """Far beyond what rows (n, q) are from each other is too far, in spreads of all rows (N, q)."""
        if not train.shape[1]:
            return cls(Standardizer(*np.empty((3, 0))), rows, np.inf)
        scale = Standardizer.of(train)
        scaled = scale.apply(rows)
        apart = np.sqrt(knn(scaled, scaled, 2, "brute").d2[:, 1].max())
        return cls(scale, scaled, float(_REACH * apart + _NEAR))

    def reaches(self, numbers: Float64) -> bool:
        """Whether numbers (q,) lie near a training row."""
        if not len(numbers):
            return True
        nearest = knn(self.rows, self.scale.apply(numbers[None]), 1, "brute").d2[0, 0]
        return bool(np.sqrt(nearest) <= self.reach)
