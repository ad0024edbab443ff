"""Tables in and out of files, by suffix: .npy, .npz, .csv, .tsv and .parquet."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dima import check
from dima.data.delimited import read_delimited, write_csv
from dima.data.npy import read_npy, read_npz, write_npy
from dima.data.parquet import read_parquet
from dima.data.table import Reading, Table, unfit
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
_Write = Callable[[IO[bytes], Array, Sequence[str] | None], None]
_WRITERS: dict[str, _Write] = {".npy": write_npy, ".csv": write_csv}
_NPZ_SPEC = re.compile(r"(?P<path>.*\.npz):(?P<key>.+)", re.IGNORECASE | re.DOTALL)


def table(
    path_or_spec: str | Path, drop_text: bool = False, words: bool = False, missing: bool = False
) -> Table:
    """Read a table (n, D) of numbers and, when asked, of words and booleans.

    Args:
        path_or_spec: a .npy file (memory-mapped, never loaded whole), .npz as `file.npz:key` (without the
            key if there is one array), .csv or .tsv (UTF-8, with or without a header, read as float64), or
            .parquet (needs pyarrow).
        drop_text: leave out columns that do not hold numbers, named in `Table.left_out`, instead of
            refusing the file. A nameless first column that only numbers the rows is always left out.
        words: keep columns of words, and of True and False in text, instead of refusing the file. Words are
            stripped of outer spaces. Words that hardly repeat and dates are refused still.
        missing: let missing cells be NaN instead of refusing the file; not all cells of a column.

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
        return read(path, key, Reading(drop_text, words, missing))
    except OSError as fault:
        raise unfit(path, "be readable", str(fault.strerror), "Check its permissions.") from fault
    except MemoryError as fault:
        fix = "Save it as .npy, which is read from disk as needed."
        raise MemoryBudgetError(f"table: {path} must fit into memory; got more. {fix}") from fault


def save_table(path: str | Path, values: Array, columns: Sequence[str] | None = None) -> None:
    """Write a table (n, D) as .npy or .csv, by suffix; the file appears whole or not at all.

    A .csv has a header where `columns` names the D columns, a .npy never; no cell can be taken for a
    formula by a spreadsheet. What is written reads back equal.

    Raises:
        DataError: the suffix is unknown, the array is empty, or the file cannot be written.
        DataTypeError: the elements are not real numbers.
        ShapeError: the array does not have two axes, or not as many columns as there are names.
    """
    path, values = Path(path), np.asarray(values)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        fix = f"It can be {', '.join(_WRITERS)}."
        raise unfit(path, "be of a kind to write", f"the suffix {path.suffix!r}", fix)
    if not path.parent.is_dir():
        raise unfit(path, "be in a folder that exists", "none there", "Create it first.")
    check.form("table", str(path), values.shape, values.dtype, ("n", "D"))
    replace_file(path, lambda file: write(file, values, columns), "table")
