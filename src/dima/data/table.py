"""What a table is, and the one judge of every table read from or written to a file."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dima.errors import DataError, DataTypeError, ShapeError, sentence
from dima.typing import Array

__all__ = ["Table", "check_array", "check_cells", "told"]


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers read from a file.

    Attributes:
        values: array (n, D), one row per sample; read-only where it is memory-mapped.
        columns: D names where the file has them, else None.
        left_out: names of the columns in the file that are not in `values`.
    """

    values: Array
    columns: list[str] | None
    left_out: list[str]


def told(file: Path | str, rule: str, got: object, fix: str) -> str:
    """Word a message about a file."""
    return sentence("table", str(file), rule, got, fix)


def check_array(file: Path | str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that is no table of real numbers, before its elements are touched.

    Raises:
        DataTypeError: objects, text, records, dates, complex or extended-precision numbers.
        ShapeError: not two axes.
        DataError: no row or no column.
    """
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        fix = "Convert it with X.astype(float), or keep only the columns that are numbers."
        raise DataTypeError(told(file, "an array of real numbers", f"dtype {dtype}", fix))
    if len(shape) != 2:
        flatten = "Flatten each sample with X.reshape(len(X), -1)."
        reshape = "Reshape it to (n, 1), or stack it with one row per sample."
        fix = flatten if len(shape) > 2 else reshape
        raise ShapeError(told(file, "a table with two axes (n, D)", f"shape {shape}", fix))
    if 0 in shape:
        rule = "a table with at least one row and one column"
        raise DataError(told(file, rule, f"shape {shape}", "Pass data."))


def check_cells(
    file: Path,
    names: Sequence[str] | None,
    values: Array,
    text: Mapping[int, str],
    drop_text: bool,
) -> Table:
    """Judge named columns: those with words are dropped or refused, missing cells are refused.

    Args:
        file: where the table comes from, for the message.
        names: D names, or None.
        values: array (n, D); NaN marks a cell that is missing or holds a word.
        text: for each column with words, by position, an example for the message.
        drop_text: leave such columns out instead of refusing the table.

    Raises:
        DataError: a column holds words and `drop_text` is False, a cell is missing, or no column
            is left.
    """
    called = [name.strip() for name in names or [""] * values.shape[1]]
    called = [name or f"column {number}" for number, name in enumerate(called, start=1)]
    if text and not drop_text:
        shown = ", ".join(f"{called[axis]!r} ({text[axis]})" for axis in sorted(text)[:5])
        more = f" and {len(text) - 5} more" if len(text) > 5 else ""
        fix = "Drop them or pass drop_text=True (--drop-text)."
        got = f"columns that are not numbers: {shown}{more}"
        raise DataError(told(file, "a table of numbers", got, fix))
    kept = [axis for axis in range(len(called)) if axis not in text]
    if not kept:
        raise DataError(told(file, "a table with a column of numbers", "none", "Pass numbers."))
    values = values[:, kept] if text else values
    missing = np.isnan(values)
    if missing.any():
        axis = int(missing.any(axis=0).argmax())
        row = int(missing[:, axis].argmax()) + 1
        got = f"an empty one in {called[kept[axis]]!r}, first in row {row}"
        fix = "Fill such cells or drop their rows."
        raise DataError(told(file, "a table with a number in every cell", got, fix))
    columns = [called[axis] for axis in kept] if names else None
    return Table(values, columns, [called[axis] for axis in sorted(text)])
