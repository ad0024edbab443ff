"""Tables in .parquet files, where pyarrow is installed."""

from pathlib import Path

import numpy as np

from dima import check
from dima.data.table import Table, check_cells, unfit
from dima.errors import BackendError

__all__ = ["read_parquet"]


def read_parquet(path: Path, key: str | None, drop_text: bool) -> Table:
    """Read the columns of one .parquet file: float32 where all are, otherwise float64.

    Raises:
        BackendError: pyarrow is not installed.
    """
    try:
        # An extra: only a .parquet file needs it.
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as fault:
        fix = 'Run: pip install "dima-manifold[parquet]"'
        raise BackendError(f"table: {path} must be read with pyarrow; got no pyarrow. {fix}") from fault
    is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    try:
        # Not `read_table`: it would add columns made of the names of the folders above.
        stored = parquet.ParquetFile(path).read()
        kinds = stored.schema.types
        text = {i: str(kind) for i, kind in enumerate(kinds) if not any(f(kind) for f in is_number)}
        goal = pa.float32() if set(kinds) == {pa.float32()} else pa.float64()
        blank = np.full(stored.num_rows, np.nan, np.float32)
        columns = [
            blank if axis in text else column.cast(goal, safe=False).to_numpy()
            for axis, column in enumerate(stored.columns)
        ]
    except (pa.ArrowException, OSError) as fault:
        got = f"a damaged one ({str(fault).splitlines()[0]})"
        raise unfit(path, "be a readable .parquet file", got, "Save it again.") from fault
    check.form("table", str(path), (stored.num_rows, stored.num_columns), np.dtype(float), ("n", "D"))
    return check_cells(path, stored.column_names, np.column_stack(columns), text, drop_text)
