"""Tables in text: .csv and .tsv, with or without a header, read as float64."""

import array
import csv
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dima.data.table import Table, check_cells, column_labels, unfit
from dima.errors import ShapeError
from dima.typing import Array

__all__ = ["read_delimited", "write_csv"]

_MISSING = frozenset({"", "na", "n/a", "nan", "<na>", "null", "none", "?"})


def read_delimited(path: Path, key: str | None, drop_text: bool) -> Table:
    """Read a .csv or .tsv table in UTF-8, streaming: rows are held as numbers, never as text."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            lines = csv.reader(handle, delimiter=delimiter, strict=True)
            return _parse(path, ((lines.line_num, row) for row in lines if row), drop_text)
    except UnicodeDecodeError as fault:
        got = f"bytes that are not ({fault.reason})"
        raise unfit(path, "be text in UTF-8", got, "Save it as UTF-8.") from fault
    except csv.Error as fault:
        raise unfit(path, "be well-formed text", str(fault), "Check its quotes and line ends.") from fault


def write_csv(handle: IO[bytes], values: Array, columns: Sequence[str] | None = None) -> None:
    """Write an array (n, D) as text in UTF-8, in the fewest digits that read back equal.

    Of the D `columns`, a name that a spreadsheet would take for a formula gets a space in front. There
    is no header where all are numbers, since no reader could tell it from a row.

    Raises:
        ShapeError: not one name for each column.
    """
    numbers = values.astype(np.uint8) if values.dtype.kind == "b" else values
    if columns is not None:
        handle.write(_header(columns, numbers[0].astype(str).tolist()).encode())
    for row in numbers:
        handle.write((",".join(row.astype(str).tolist()) + "\n").encode())


def _header(columns: Sequence[str], below: Sequence[str]) -> str:
    """The line of column names above a first row of cells; empty if it would be read as a row."""
    if len(columns) != len(below):
        fix = "Pass one for each column."
        raise ShapeError(f"table: columns must be {len(below)} names; got {len(columns)}. {fix}")
    cells = [f" {name}" if name[0] in "=+-@" else name for name in column_labels(columns)]
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # ends in \r\n, so that either of them in a name is quoted
    return line.getvalue().removesuffix("\r\n") + "\n" if _is_header([cells, below]) else ""


def _parse(path: Path, rows: Iterator[tuple[int, list[str]]], drop_text: bool) -> Table:
    """Numbers of all rows; a missing cell or a word becomes NaN and is judged at the end."""
    opening = list(itertools.islice(rows, 2))
    has_header = bool(opening) and _is_header([row for _, row in opening])
    names = opening.pop(0)[1] if has_header else None
    if not opening:
        raise unfit(path, "have at least one row", "no row", "Pass data.")
    width = len(names or opening[0][1])
    cells = array.array("d")
    text: dict[int, str] = {}
    for number, (line, row) in enumerate(itertools.chain(opening, rows), start=1):
        if len(row) != width:
            fix = f"Repair line {line}, or quote the cells that hold the separator."
            raise unfit(path, f"have {width} cells in each row", f"{len(row)} on line {line}", fix)
        try:
            # float() would read the label "12_3" as 123: a row with one goes cell by cell.
            is_plain = "_" not in "".join(row)
            cells.extend([*map(float, row)] if is_plain else _numbers(row, number, text))
        except ValueError:
            cells.extend(_numbers(row, number, text))
    values = np.frombuffer(cells, np.float64).reshape(-1, width)
    if names and not names[0].strip() and _numbers_rows(values):
        names[0], text[0] = "(row numbers)", ""
        drop_text = drop_text or len(text) == 1
    return check_cells(path, names, values, text, drop_text)


def _is_header(opening: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: a word over a number, only words, or bare positions."""
    first = [cell.strip() for cell in opening[0]]
    below = opening[1] if len(opening) > 1 else []
    named = [cell for cell in first if cell]
    is_count = len(named) > 2 and named == [str(axis) for axis in range(len(named))]
    if is_count and any("." in cell for cell in below):
        return True  # 0, 1 ... D-1 over fractions: a data frame whose columns had no names
    words = [_is_word(cell) for cell in first]
    over_numbers = (
        is_word and not math.isnan(_number(cell)) for is_word, cell in zip(words, below, strict=False)
    )
    return any(over_numbers) or (any(words) and sum(words) == len(named))


def _number(cell: str) -> float:
    """The number in a cell, NaN where there is none."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


def _is_word(cell: str) -> bool:
    return math.isnan(_number(cell)) and cell.strip().lower() not in _MISSING


def _numbers(row: Sequence[str], number: int, text: dict[int, str]) -> list[float]:
    """Numbers of one row; the first word met in each column is noted in `text`."""
    for axis, cell in enumerate(row):
        if axis not in text and _is_word(cell):
            text[axis] = f"{cell.strip()[:20]!r} in row {number}"
    return [_number(cell) for cell in row]


def _numbers_rows(values: Array) -> bool:
    """Whether a nameless first column only numbers the rows, as data frames write it."""
    first = values[:, 0]
    return values.shape[1] > 1 and first[0] in (0, 1) and bool(np.all(np.diff(first) == 1))
