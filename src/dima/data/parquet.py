"""Tables in .parquet files, where pyarrow is installed."""

from pathlib import Path
from typing import IO, Any

import numpy as np

from dima import check
from dima.data.table import Reading, Table, check_cells, unfit
from dima.data.words import indexed
from dima.errors import BackendError
from dima.typing import Array

__all__ = ["read_parquet", "write_parquet"]


def read_parquet(path: Path, key: str | None, reading: Reading) -> Table:
    """Read the columns of one .parquet file: float32 where all are, otherwise float64.

    Raises:
        BackendError: pyarrow is not installed.
    """
    pa, parquet = _pyarrow(path, "read")
    try:
        # Not `read_table`: it would add columns made of the names of the folders above.
        stored = parquet.ParquetFile(path).read()
        check.form("table", str(path), (stored.num_rows, stored.num_columns), np.dtype(float), ("n", "D"))
        columns = [_plain(pa, column) if reading.keep_words else column for column in stored.columns]
        types = [_type_of(pa, column.type) for column in columns]
        goal = pa.float32() if {column.type for column in columns} == {pa.float32()} else pa.float64()
        blank = np.full(stored.num_rows, np.nan, np.float32)
        values, words = [], {}
        for axis, (column, kind) in enumerate(zip(columns, types, strict=True)):
            if kind == "text" and reading.keep_words:
                word_ix, words[axis] = _indexed(column)
                values.append(word_ix)
            else:
                is_number = kind in ("int", "float", "bool")
                values.append(column.cast(goal, safe=False).to_numpy() if is_number else blank)
    except (pa.ArrowException, OSError) as fault:
        got = f"a damaged one ({str(fault).splitlines()[0]})"
        raise unfit(path, "be a readable .parquet file", got, "Save it again.") from fault
    numbers = ("int", "float", "bool")
    text = {
        i: _told(pa, columns[i].type)
        for i, kind in enumerate(types)
        if kind not in numbers and i not in words
    }
    found = Table(np.column_stack(values), stored.column_names, [], tuple(types), words)
    return check_cells(path, found, text, reading)


def write_parquet(handle: IO[bytes], path: Path, table: Table) -> None:
    """Write a table as one .parquet file; columns without a name are named by position.

    Raises:
        BackendError: pyarrow is not installed.
        DataError: an integer does not fit 64 bits.
    """
    pa, parquet = _pyarrow(path, "written")
    try:
        columns = [_stored(pa, table, axis) for axis in range(table.values.shape[1])]
    except pa.ArrowInvalid as fault:
        raise unfit(path, "hold integers of 64 bits", "larger ones", "Write .csv.") from fault
    parquet.write_table(pa.Table.from_arrays(columns, names=table.shown_names), handle)


def _stored(pa: Any, table: Table, axis: int) -> Any:
    column, kind = table.values[:, axis], table.type_at(axis)
    if table.types is None:  # half precision is not read everywhere
        return pa.array(column.astype(np.float32) if column.dtype == np.float16 else column)
    is_missing = np.isnan(column)
    if kind == "text":
        word_ix = pa.array(np.where(is_missing, 0, column).astype(np.int64), mask=is_missing)
        return pa.DictionaryArray.from_arrays(word_ix, pa.array(table.words[axis])).cast(pa.string())
    if kind == "bool":
        return pa.array(np.where(is_missing, 0, column).astype(bool), mask=is_missing)
    if kind == "int":
        return pa.array(np.round(column), mask=is_missing).cast(pa.int64())
    return pa.array(column, mask=is_missing)


def _pyarrow(path: Path, done: str) -> tuple[Any, Any]:
    try:
        # An extra: only a .parquet file needs it.
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as fault:
        fix = 'Run: pip install "dima-manifold[parquet]"'
        raise BackendError(f"table: {path} must be {done} with pyarrow; got no pyarrow. {fix}") from fault
    return pa, parquet


def _type_of(pa: Any, stored: Any) -> str:
    """The type of a column by the type it is stored in; "" where it is neither numbers nor words."""
    kinds = {
        "int": (pa.types.is_integer,),
        "float": (pa.types.is_floating,),
        "bool": (pa.types.is_boolean,),
        "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    }
    return next((kind for kind, tests in kinds.items() if any(test(stored) for test in tests)), "")


def _told(pa: Any, stored: Any) -> str:
    """What a column holds that is neither numbers nor words."""
    return f"dates ({stored})" if pa.types.is_temporal(stored) else str(stored)


def _plain(pa: Any, column: Any) -> Any:
    """A column without its dictionary, as categories are stored."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _indexed(column: Any) -> tuple[Array, tuple[str, ...]]:
    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    whole = coded.chunk(0) if hasattr(coded, "chunk") else coded
    return indexed(whole.indices.fill_null(-1).to_numpy(), whole.dictionary.to_pylist())
