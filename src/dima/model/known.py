"""Conditions: rows of which some columns are known, as numbers and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dima import check
from dima.data.columns import Columns
from dima.errors import DataError, DataTypeError, ShapeError
from dima.model.rows import Rows, as_table
from dima.typing import Float64

__all__ = ["conditions", "filled", "numbers_of"]


def conditions(owner: str, rows: Rows, known: Any) -> Float64:
    """Known values (b, D), words by their indices, NaN where unknown."""
    columns, table = rows.columns, as_table(known)
    D = len(columns.types)
    if table is None and not isinstance(known, Mapping):
        values = check.array(owner, "known", known, ("b", D), finite=False).astype(np.float64)
        rows.hold_word_ix(owner, values)
        return values
    names = columns.shown_names
    known_names = list(known) if isinstance(known, Mapping) else [] if table is None else table.shown_names
    if strange := [name for name in known_names if name not in names]:
        fix = "Labels cannot be given yet." if rows.label and strange[0] == rows.label[0] else "Leave it out."
        raise ShapeError(f"{owner}: columns must be those of the model; got {strange[0]!r} besides. {fix}")
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


def filled(columns: Columns, unknown: Float64, numbers: Float64, condition: Float64) -> Float64:
    """Rows (n, D) with the unknown numbers (n, u) filled in and the known values as they were given."""
    full = np.tile(numbers, (len(unknown), 1))
    full[:, np.isnan(numbers)] = unknown
    rows = columns.within(columns.restore(full))
    is_known = ~np.isnan(condition)
    rows[:, is_known] = condition[is_known]
    return rows
