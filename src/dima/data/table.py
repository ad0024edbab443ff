"""What a table is, and the one judge of named columns read from a file."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dima.errors import DataError
from dima.typing import Array

__all__ = ["Table", "check_cells", "column_labels", "unfit"]


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers read from a file.

    Attributes:
        values: (n, D), one row per sample; read-only where it is memory-mapped.
        columns: D names where the file has them, else None.
        left_out: names of the columns in the file that are not in `values`.
    """

    values: Array
    columns: list[str] | None
    left_out: list[str]


def unfit(file: Path | str, rule: str, got: str, fix: str) -> DataError:
    """The error for a file that cannot be used as a table."""
    return DataError(f"table: {file} must {rule}; got {got}. {fix}")


def column_labels(names: Sequence[str]) -> list[str]:
    """Names of columns without outer spaces; a blank one is called by its position, from 1."""
    return [name.strip() or f"column {number}" for number, name in enumerate(names, start=1)]


def check_cells(
    file: Path, names: Sequence[str] | None, values: Array, text: Mapping[int, str], drop_text: bool
) -> Table:
    """Judge columns: those with words are dropped or refused, missing cells are refused.

    Args:
        file: where the table comes from, for the message.
        names: D names, or None.
        values: (n, D); NaN marks a cell that is missing or holds a word.
        text: for each column with words, by position, an example for the message.
        drop_text: leave such columns out instead of refusing the table.

    Raises:
        DataError: a column holds words and may not be dropped, a cell is missing, or no column is left.
    """
    labels = column_labels(names or [""] * values.shape[1])
    if text and not drop_text:
        shown = ", ".join(f"{labels[axis]!r} ({text[axis]})" for axis in sorted(text)[:5])
        got = f"columns that are not numbers: {shown}{f' and {len(text) - 5} more' if len(text) > 5 else ''}"
        raise unfit(file, "hold numbers", got, "Drop them or pass drop_text=True (--drop-text).")
    numeric = [axis for axis in range(len(labels)) if axis not in text]
    if not numeric:
        raise unfit(file, "have a column of numbers", "none", "Pass numbers.")
    kept = [labels[axis] for axis in numeric]
    values = values[:, numeric] if text else values
    missing = np.argwhere(np.isnan(values).T)  # by column, then by row
    if len(missing):
        column, row = missing[0]
        got = f"an empty one in {kept[column]!r}, first in row {row + 1}"
        raise unfit(file, "have a number in every cell", got, "Fill such cells or drop their rows.")
    return Table(values, kept if names else None, [labels[axis] for axis in sorted(text)])
