"""Tables in text: .csv and .tsv, with or without a header, read as float64."""

import array
import contextlib
import csv
import dataclasses
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dima import blocks
from dima.data.separator import delimiter_of, refuse_others
from dima.data.table import Reading, Table, check_cells, shown_names, unfit
from dima.data.words import indexed, most_words, stray
from dima.errors import warn_user
from dima.typing import Array

__all__ = ["read_delimited", "write_delimited"]

_MISSING = frozenset({"", "na", "n/a", "nan", "<na>", "null", "none", "?"})
_MAYBE_WORDS = frozenset({"na", "n/a", "null", "none"})  # of these, what a column of words may mean
_WHOLE = re.compile(rf"[+-]?[0-9]+|{'|'.join(map(re.escape, _MISSING))}", re.IGNORECASE)
_YEAR = re.compile("1[5-9][0-9][0-9]|20[0-9][0-9]")
_STRAY = 0.05  # of the rows of a column of numbers, up to which a word in them is told
_BLOCK_ROWS = 4096  # of text at a time


def read_delimited(path: Path, key: str | None, reading: Reading) -> Table:
    """Read a .csv or .tsv table in UTF-8, streaming: rows are held as numbers, never as text.

    Where words are kept, the file is read a second time for the columns that hold them.
    """
    try:
        with _rows(path) as rows:
            found, text, has_header = _numbers_of(path, rows, reading.keep_words)
        if text and reading.keep_words:
            with _rows(path) as rows:
                found = _with_words(found, text, itertools.islice(rows, int(has_header), None))
            text = {}
    except UnicodeDecodeError as fault:
        got = f"bytes that are not ({fault.reason})"
        raise unfit(path, "be text in UTF-8", got, "Save it as UTF-8.") from fault
    except csv.Error as fault:
        raise unfit(path, "be well-formed text", str(fault), "Check its quotes and line ends.") from fault
    if found.names and not found.names[0].strip() and _numbers_rows(found.values):
        found.names[0], text[0] = "the unnamed first column of row numbers", ""
    return check_cells(path, found, text, reading)


def write_delimited(handle: IO[bytes], path: Path, table: Table) -> None:
    """Write a table as text in UTF-8, numbers in the fewest digits that read back equal.

    A name or a word that a spreadsheet would take for a formula gets a space in front. There is no
    header where all names are numbers, since no reader could tell it from a row; where the first row
    itself would be taken for one, columns are named by position.

    Raises:
        DataError: words would be read as something else: numbers, True and False, or missing cells.
    """
    delimiter = delimiter_of(path)
    shown = {axis: _shown_words(path, table, axis, delimiter) for axis in table.words}

    def lines(rows: slice) -> list[list[str]]:
        values = table.values[rows]
        columns = [_texts(values[:, axis], table, axis, shown.get(axis)) for axis in range(values.shape[1])]
        return [list(cells) for cells in zip(*columns, strict=True)]

    header = _header(table, lines(slice(0, 2)))
    cells = [_quoted(_harmless(name), delimiter) for name in header]
    handle.write((delimiter.join(cells) + "\n").encode() if cells else b"")
    for rows in blocks.row_blocks(len(table.values), _BLOCK_ROWS):
        # A blank line is no row: a single cell that is missing is quoted.
        written = (delimiter.join(row) or '""' for row in lines(rows))
        handle.write(("\n".join(written) + "\n").encode())


def _header(table: Table, opening: Sequence[Sequence[str]]) -> list[str]:
    """The names to write above the first two rows; none if they would be read as a row."""
    if table.names is not None and _is_header([table.shown_names, opening[0]]):
        return table.shown_names
    is_misread = _is_header(opening) or _is_years(opening)
    return shown_names([""] * len(opening[0])) if is_misread else []


def _texts(column: Array, table: Table, axis: int, shown: Array | None) -> list[str]:
    """Cells of one column as text; `shown` holds its words as they are written, a blank one last."""
    if table.types is None:
        return column.astype(np.uint8 if column.dtype.kind == "b" else column.dtype).astype(str).tolist()
    kind, is_missing = table.type_at(axis), np.isnan(column)
    if shown is None and kind != "bool":
        numbers = [f"{cell:.0f}" for cell in (np.round(column) + 0.0).tolist()]
        texts = np.array(numbers if kind == "int" else column.astype(str), object)
        return np.where(is_missing, "", texts).tolist()
    told = np.array(["False", "True", ""], object) if shown is None else shown
    return told[np.where(is_missing, -1, column).astype(int)].tolist()


def _shown_words(path: Path, table: Table, axis: int, delimiter: str) -> Array:
    """Words of a column as they are written, and a blank one for a missing cell."""
    words = [word.strip() for word in table.words[axis]]
    column = table.values[:, axis]
    found = [words[index] for index in np.unique(column[~np.isnan(column)]).astype(int).tolist()]
    blank = next((word for word in found if word.lower() in _MISSING), None)
    are_truths = {word.lower() for word in found} <= {"true", "false"}
    if blank is not None or (found and (are_truths or not any(map(_is_word, found)))):
        rule = "hold words that cannot be read as numbers, True, False or missing cells"
        got = f"{found[0] if blank is None else blank!r} in {table.shown_names[axis]!r}"
        raise unfit(path, rule, got, "Write .parquet.")
    return np.array([*(_quoted(_harmless(word), delimiter) for word in words), ""], object)


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f" {cell}" if cell[:1] in {"=", "+", "-", "@"} else cell


def _quoted(cell: str, delimiter: str) -> str:
    needs_quotes = any(mark in cell for mark in (delimiter, '"', "\r", "\n"))
    return '"{}"'.format(cell.replace('"', '""')) if needs_quotes else cell


@contextlib.contextmanager
def _rows(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The rows of a file that are not blank, each with the number of its line."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        opening = handle.readline(), handle.readline()
        refuse_others(path, *opening)
        lines = csv.reader(itertools.chain(opening, handle), delimiter=delimiter_of(path), strict=True)
        yield ((lines.line_num, row) for row in lines if row)


def _numbers_of(
    path: Path, rows: Iterator[tuple[int, list[str]]], keep_words: bool
) -> tuple[Table, dict[int, str], bool]:
    """Numbers of all rows, NaN for missing cells and words; an example of each column of words; if named."""
    opening = list(itertools.islice(rows, 2))
    first_rows = [row for _, row in opening]
    has_header = bool(opening) and (_is_header(first_rows) or (keep_words and _is_years(first_rows)))
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
    values, words, types = found.values, {}, [found.type_at(axis) for axis in range(found.values.shape[1])]
    most = most_words(len(values))
    for axis, (codes, cells, blank) in _coded(axes, rows, most).items():
        codes = np.concatenate([codes, np.full(len(values) - len(codes), -1)])
        if {cell.lower() for cell in cells} <= {"true", "false", ""}:
            truth = {"true": 1.0, "false": 0.0, "": np.nan}
            values[:, axis], types[axis] = np.array([truth[cell.lower()] for cell in cells])[codes], "bool"
            continue
        if len(cells) <= most:  # others are refused or left out
            _warn_of_stray(found.shown_names[axis], codes, cells)
            if blank:
                message = f"table: {found.shown_names[axis]!r} holds words, and {blank}, which is taken for"
                warn_user(f"{message} a missing cell; write it otherwise if it is a word.")
        (values[:, axis], words[axis]), types[axis] = indexed(codes, cells), "text"
    return dataclasses.replace(found, types=tuple(types), words=words)


def _warn_of_stray(name: str, codes: Array, cells: list[str]) -> None:
    """Warn of a word in few rows of a column of numbers; the codes (n,) count its different cells."""
    other = stray(cells)
    if other is None:
        return
    rows = np.flatnonzero(codes == cells.index(other))
    if len(rows) <= _STRAY * len(codes):
        message = f"{name!r} holds numbers but for words such as {other!r} in row {rows[0] + 1}"
        warn_user(f"table: {message}; it is taken for words. Leave such cells empty if they are none.")


def _coded(
    axes: Iterable[int], rows: Iterator[tuple[int, list[str]]], most: int
) -> dict[int, tuple[Array, list[str], str]]:
    """Cells of some columns as indices in a list of the different ones, "" for a missing one.

    Beside them stands the first missing cell that is spelt as a word may be, and its row, "" for none.

    A column with more than `most` words is refused or left out later: its other rows are not read.
    """
    indices: dict[int, defaultdict[str, int]] = {axis: defaultdict() for axis in axes}
    codes = {axis: array.array("q") for axis in indices}
    blank = dict.fromkeys(indices, "")
    for index in indices.values():
        index.default_factory = index.__len__  # a new cell gets the next number
    while block := list(itertools.islice(rows, _BLOCK_ROWS)):
        for axis, index in indices.items():
            if len(index) <= most + 1:  # one of them may be the missing one
                stripped = [row[axis].strip() for _, row in block]
                cells = ("" if cell.lower() in _MISSING else cell for cell in stripped)
                first = len(codes[axis]) + 1
                codes[axis].extend(map(index.__getitem__, cells))
                if "" in index and not blank[axis]:
                    blank[axis] = _maybe_word(stripped, first)
    return {
        axis: (np.frombuffer(codes[axis], np.int64), [*index], blank[axis]) for axis, index in indices.items()
    }


def _maybe_word(cells: Sequence[str], first: int) -> str:
    """The first of these that is missing and may be meant as a word, with its row counted from `first`."""
    spelt = ((cell, row) for row, cell in enumerate(cells, first) if cell.lower() in _MAYBE_WORDS)
    return next((f"{cell!r} in row {row}" for cell, row in spelt), "")


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


def _is_years(opening: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is words over words and years over other numbers: "country,2019,2020".

    Where words are not kept such a file is refused, and nobody has to know.
    """
    if len(opening) < 2:
        return False
    pairs = [(name.strip(), cell.strip()) for name, cell in zip(*opening, strict=False)]
    over_numbers = [pair for pair in pairs if not all(map(_is_word, pair))]
    years = {name for name, _ in over_numbers if _YEAR.fullmatch(name)}
    if not 0 < len(years) == len(over_numbers) < len(pairs):
        return False
    return not all(_YEAR.fullmatch(cell) for _, cell in over_numbers)


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
