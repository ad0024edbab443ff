"""What a table is, and the one judge of named columns read from a file."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dima.errors import DataError
from dima.typing import Array

__all__ = ["Table", "check_cells", "column_labels"]


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


def column_labels(names: Sequence[str]) -> list[str]:
    """Names of columns without outer spaces; a blank one is called by its position, from 1."""
    return [name.strip() or f"column {number}" for number, name in enumerate(names, start=1)]


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
    labels = column_labels(names or [""] * values.shape[1])
    if text and not drop_text:
        shown = ", ".join(f"{labels[axis]!r} ({text[axis]})" for axis in sorted(text)[:5])
        more = f" and {len(text) - 5} more" if len(text) > 5 else ""
        got, fix = f"{shown}{more}", "Drop them or pass drop_text=True (--drop-text)."
        raise DataError(f"table: {file} must hold numbers; got columns that are not numbers: {got}. {fix}")
    numeric = [axis for axis in range(len(labels)) if axis not in text]
    if not numeric:
        raise DataError(f"table: {file} must have a column of numbers; got none. Pass numbers.")
    values = values[:, numeric] if text else values
    missing = np.isnan(values)
    if missing.any():
        axis = int(missing.any(axis=0).argmax())
        row = int(missing[:, axis].argmax()) + 1
        got = f"an empty one in {labels[numeric[axis]]!r}, first in row {row}"
        fix = "Fill such cells or drop their rows."
        raise DataError(f"table: {file} must have a number in every cell; got {got}. {fix}")
    columns = [labels[axis] for axis in numeric] if names else None
    return Table(values, columns, [labels[axis] for axis in sorted(text)])
