"""Tables in text: .csv and .tsv, with or without a header, read as float64."""

import array
import contextlib
import csv
import dataclasses
import io
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dima.data import words
from dima.data.table import Reading, Table, check_cells, column_labels, unfit
from dima.errors import ShapeError
from dima.typing import Array

__all__ = ["read_delimited", "write_csv"]

_MISSING = frozenset({"", "na", "n/a", "nan", "<na>", "null", "none", "?"})
_WHOLE = re.compile(rf"[+-]?[0-9]+|{'|'.join(map(re.escape, _MISSING))}", re.IGNORECASE)
_BLOCK_ROWS = 4096  # read at a time where words are kept


def read_delimited(path: Path, key: str | None, reading: Reading) -> Table:
    """Read a .csv or .tsv table in UTF-8, streaming: rows are held as numbers, never as text.

    Where words are kept, the file is read a second time for the columns that hold them.
    """
    try:
        with _rows(path) as rows:
            found, text, has_header = _numbers_of(path, rows)
        if text and reading.words:
            with _rows(path) as rows:
                found = _with_words(found, text, itertools.islice(rows, int(has_header), None))
            text = {}
    except UnicodeDecodeError as fault:
        got = f"bytes that are not ({fault.reason})"
        raise unfit(path, "be text in UTF-8", got, "Save it as UTF-8.") from fault
    except csv.Error as fault:
        raise unfit(path, "be well-formed text", str(fault), "Check its quotes and line ends.") from fault
    if found.columns and not found.columns[0].strip() and _numbers_rows(found.values):
        found.columns[0], text[0] = "(row numbers)", ""
    return check_cells(path, found, text, reading)


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


@contextlib.contextmanager
def _rows(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The rows of a file that are not blank, each with the number of its line."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as handle:
        lines = csv.reader(handle, delimiter=delimiter, strict=True)
        yield ((lines.line_num, row) for row in lines if row)


def _numbers_of(path: Path, rows: Iterator[tuple[int, list[str]]]) -> tuple[Table, dict[int, str], bool]:
    """Numbers of all rows, NaN for missing cells and words; an example of each column of words; if named."""
    opening = list(itertools.islice(rows, 2))
    has_header = bool(opening) and _is_header([row for _, row in opening])
    names = opening.pop(0)[1] if has_header else None
    if not opening:
        raise unfit(path, "have at least one row", "no row", "Pass data.")
    width = len(names or opening[0][1])
    cells = array.array("d")
    text: dict[int, str] = {}
    whole = list(range(width))  # columns of integers so far
    for number, (line, row) in enumerate(itertools.chain(opening, rows), start=1):
        if len(row) != width:
            fix = f"Repair line {line}, or quote the cells that hold the separator."
            raise unfit(path, f"have {width} cells in each row", f"{len(row)} on line {line}", fix)
        joined = "".join(row)
        if whole and not joined.replace("-", "").isdecimal():
            whole = [axis for axis in whole if _WHOLE.fullmatch(row[axis].strip())]
        try:
            # float() would read the label "12_3" as 123: a row with one goes cell by cell.
            cells.extend(_numbers(row, number, text) if "_" in joined else [*map(float, row)])
        except ValueError:
            cells.extend(_numbers(row, number, text))
    values = np.frombuffer(cells, np.float64).reshape(-1, width)
    types = tuple("int" if axis in whole else "float" for axis in range(width))
    return Table(values, names, [], types), text, has_header


def _with_words(found: Table, axes: Iterable[int], rows: Iterator[tuple[int, list[str]]]) -> Table:
    """A table with the words of some columns, or True and False where they hold nothing else."""
    values, levels, types = found.values, {}, [found.type_at(axis) for axis in range(found.values.shape[1])]
    for axis, (codes, cells) in _coded(axes, rows, words.most_words(len(values))).items():
        codes = np.concatenate([codes, np.full(len(values) - len(codes), -1)])
        if {cell.lower() for cell in cells} <= {"true", "false", ""}:
            truth = {"true": 1.0, "false": 0.0, "": np.nan}
            values[:, axis], types[axis] = np.array([truth[cell.lower()] for cell in cells])[codes], "bool"
        else:
            (values[:, axis], levels[axis]), types[axis] = words.placed(codes, cells), "text"
    return dataclasses.replace(found, types=tuple(types), levels=levels)


def _coded(
    axes: Iterable[int], rows: Iterator[tuple[int, list[str]]], most: int
) -> dict[int, tuple[Array, list[str]]]:
    """Cells of some columns as places in a list of the different ones, "" for a missing one.

    A column with more than `most` words is refused or left out later: its other rows are not read.
    """
    places: dict[int, defaultdict[str, int]] = {axis: defaultdict() for axis in axes}
    codes = {axis: array.array("q") for axis in places}
    for place in places.values():
        place.default_factory = place.__len__  # a new cell gets the next place
    while block := list(itertools.islice(rows, _BLOCK_ROWS)):
        for axis, place in places.items():
            if len(place) <= most + 1:  # one of them may be the missing one
                stripped = (row[axis].strip() for _, row in block)
                cells = ("" if cell.lower() in _MISSING else cell for cell in stripped)
                codes[axis].extend(map(place.__getitem__, cells))
    return {axis: (np.frombuffer(codes[axis], np.int64), [*place]) for axis, place in places.items()}


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
