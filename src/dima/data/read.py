"""Tables in and out of files, by suffix: .npy, .npz, .csv, .tsv and .parquet."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dima import check
from dima.data.delimited import read_delimited, write_delimited
from dima.data.npy import read_npy, read_npz, write_numbers
from dima.data.parquet import read_parquet, write_parquet
from dima.data.table import Reading, Table, check_table, unfit
from dima.errors import MemoryBudgetError
from dima.files import replace_file
from dima.typing import Array

__all__ = ["Table", "save_table", "table"]

_READERS: dict[str, Callable[[Path, str | None, Reading], Table]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".parquet": read_parquet,
}
_WRITERS: dict[str, Callable[[IO[bytes], Path, Table], None]] = {
    ".npy": write_numbers,
    ".csv": write_delimited,
    ".tsv": write_delimited,
    ".parquet": write_parquet,
}
_NPZ_SPEC = re.compile(r"(?P<path>.*\.npz):(?P<key>.+)", re.IGNORECASE | re.DOTALL)


def table(
    path_or_spec: str | Path,
    drop_text: bool = False,
    keep_words: bool = False,
    missing: bool = False,
    drop: Collection[str] = (),
    blank: bool = False,
) -> Table:
    """Read a table (n, D) of numbers and, when asked, of words and booleans.

    Args:
        path_or_spec: a .npy file (memory-mapped, never loaded whole), .npz as `file.npz:key` (without the
            key if there is one array), .csv or .tsv (UTF-8, with or without a header, read as float64), or
            .parquet (needs pyarrow).
        drop_text: leave out columns that do not hold numbers, named in `Table.left_out`, instead of
            refusing the file. A nameless first column that only numbers the rows is always left out.
        keep_words: keep columns of words, and of True and False in text, instead of refusing the file. Words
            are stripped of outer spaces. Words that hardly repeat and dates are refused still.
        missing: let missing cells be NaN instead of refusing the file; not all cells of a column,
            unless `blank`.
        drop: names of columns to leave out, whatever they hold; those that the file has not are passed over.
        blank: with `missing`, let all cells of a column be missing.

    Raises:
        DataError: the file is missing, damaged, empty, ragged or of an unknown kind, or has missing cells
            or columns that are not numbers and not asked for, more than 50 different words in a column
            and more than half as many as rows, dates, or a column without a single cell filled.
        DataTypeError: the elements are objects, text, records, dates or complex numbers.
        ShapeError: the array does not have two axes.
        BackendError: a .parquet file, and pyarrow is not installed.
        MemoryBudgetError: the table does not fit into memory.
    """
    spec = os.fspath(path_or_spec)
    match = _NPZ_SPEC.fullmatch(spec)
    path, key = (Path(match["path"]), match["key"]) if match else (Path(spec), None)
    if path.is_dir():
        raise unfit(path, "be a file", "a folder", "Name a file in it.")
    read = _READERS.get(path.suffix.lower())
    if read is None:
        fix = f"It can be {', '.join(_READERS)}."
        raise unfit(path, "be of a known kind", f"the suffix {path.suffix!r}", fix)
    if not path.is_file():
        raise unfit(path, "be a file that exists", "none there", "Check the path.")
    if path.stat().st_size == 0:
        raise unfit(path, "be a file with data in it", "0 bytes", "Write it again.")
    try:
        return read(path, key, Reading(drop_text, keep_words, missing, drop, blank))
    except OSError as fault:
        raise unfit(path, "be readable", str(fault.strerror), "Check its permissions.") from fault
    except MemoryError as fault:
        fix = "Save it as .npy, which is read from disk as needed."
        raise MemoryBudgetError(f"table: {path} must fit into memory; got more. {fix}") from fault


def save_table(
    path: str | Path,
    values: Array,
    names: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    words: Mapping[int, Sequence[str]] | None = None,
) -> None:
    """Write a table (n, D) as .csv, .tsv, .parquet or .npy, by suffix; the file appears whole or not at all.

    A text has a header where `names` are those of the D columns; no cell can be taken for a formula by a
    spreadsheet. Integers are rounded and have no point, booleans are True and False, words are quoted
    where needed, and a missing cell is empty. What is written reads back as an equal table. A .npy holds
    the numbers alone, without names and types.

    Args:
        path: where to write.
        values: (n, D); in a column of words the index of each among them, NaN where one is missing.
        names: of the D columns.
        types: "float", "int", "bool" or "text" for each of the D columns; without them numbers are written
            as they are.
        words: those of each column of words, by position.

    Raises:
        DataError: the suffix is unknown, the array is empty, a number does not fit its type, the file cannot
            hold the words, or cannot be written.
        DataTypeError: the elements are not real numbers, or a type is unknown.
        ShapeError: the array does not have two axes, or not as many columns as there are names or types.
        BackendError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "x.csv"
        >>> save_table(path, np.array([[1.0, 0], [2, 1]]), ["a", "kind"], ("int", "text"), {1: ("x", "y")})
        >>> path.read_text().split()
        ['a,kind', '1,x', '2,y']
    """
    path, values = Path(path), np.asarray(values)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        fix = f"It can be {', '.join(_WRITERS)}."
        raise unfit(path, "be of a kind to write", f"the suffix {path.suffix!r}", fix)
    if not path.parent.is_dir():
        raise unfit(path, "be in a folder that exists", "none there", "Create it first.")
    check.form("table", str(path), values.shape, values.dtype, ("n", "D"))
    if words and types is None:
        types = ["text" if axis in words else "float" for axis in range(values.shape[1])]
    copied = {axis: tuple(listed) for axis, listed in (words or {}).items()}
    named, kinds = None if names is None else list(names), None if types is None else tuple(types)
    found = Table(values, named, [], kinds, copied)
    check_table(found)
    replace_file(path, lambda file: write(file, path, found), "table")
