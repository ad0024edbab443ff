"""Data frames of pandas and polars to tables and back; a library is imported only when it is asked for."""

import decimal
import numbers
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dima import check
from dima.data.table import TYPES, Table, refuse_blank, type_of, unfit
from dima.data.words import drop_from_frame, indexed, refuse_names
from dima.errors import BackendError, DataTypeError, SettingError
from dima.typing import Array

__all__ = ["dtypes_of", "from_frame", "is_frame", "library_of", "to_frame"]

_LIBRARIES = ("pandas", "polars")
_FRAME = "the data frame"
_Column = tuple[Array, str, tuple[str, ...] | None]  # numbers, type or what has none, and its words
_DATES = ("date", "datetime", "timestamp", "period", "time")


def is_frame(X: Any) -> bool:
    """Whether something is a data frame of pandas or polars.

    Example:
        >>> is_frame([[1.0, 2.0]])
        False
    """
    return bool(library_of(X))


def from_frame(X: Any, blank: bool = False) -> Table:
    """Take a data frame of pandas or polars as a table; its index is left aside.

    Integers, floats, booleans and words come in any of the library's types, nullable and categorical ones
    too, and in columns of objects. Words lose their outer spaces; a missing cell is NaN.

    Args:
        X: the data frame.
        blank: whether a column may have no cell filled.

    Returns:
        (n, D) float64, or float32 where all columns are.

    Raises:
        DataTypeError: X is no data frame, or a column holds dates, lists or several types at once.
        DataError: X is empty, a column has no cell filled, or its words hardly repeat or are dates.
    """
    library = library_of(X)
    if not library:
        fix = "Pass one."
        raise DataTypeError(f"table: X must be a data frame; got a {type(X).__name__}. {fix}")
    check.form("table", _FRAME, X.shape, np.dtype(float), ("n", "D"))
    names = [str(name) for name in X.columns]
    if library == "pandas":
        found = [_from_pandas(X.iloc[:, axis]) for axis in range(len(names))]
    else:
        found = [_from_polars(column) for column in X.get_columns()]
    is_narrow = {str(dtype).lower() for dtype in X.dtypes} == {"float32"}
    strange = {name: kind for name, (_, kind, _) in zip(names, found, strict=True) if kind not in TYPES}
    listed = {name: of for name, (*_, of) in zip(names, found, strict=True) if of is not None}
    refuse_names(f"table: {_FRAME}", listed, len(X), drop_from_frame, strange=strange)
    values = np.column_stack([column for column, _, _ in found]).astype(
        np.float32 if is_narrow else np.float64
    )
    words = {axis: listed for axis, (*_, listed) in enumerate(found) if listed is not None}
    table = Table(values, names, [], tuple(kind for _, kind, _ in found), words)
    if not blank:
        refuse_blank(_FRAME, table)
    return table


def dtypes_of(X: Any) -> dict[str, Any]:
    """Types of the columns of a data frame by name, as plain values that `to_frame` makes types of.

    A type is its name in the library; where it has categories, these and whether they have an order.

    Example:
        >>> frame = to_frame(Table(np.array([[1.0], [0.0]]), ["a"], []), "pandas")
        >>> dtypes_of(frame)
        {'a': 'float64'}
    """
    types = list(X.dtypes)
    return {str(name).strip(): _described(dtype) for name, dtype in zip(X.columns, types, strict=True)}


def to_frame(table: Table, library: str, dtypes: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """A data frame of a table: integers, booleans and words as such, missing cells as the library has them.

    Args:
        table: what to convert.
        library: "pandas" or "polars".
        dtypes: of columns by name, as `dtypes_of` a frame of that library has them. A column that has none,
            or holds cells that do not fit, gets the library's own for what it holds.

    Raises:
        BackendError: the library is not installed.
        SettingError: it is another one.
        DataError: two columns have the same name.

    Example:
        >>> frame = to_frame(Table(np.array([[1.0], [0.0]]), ["is"], [], ("bool",)), "pandas")
        >>> frame["is"].tolist()
        [True, False]
    """
    if library not in _LIBRARIES:
        rule, fix = f"one of {', '.join(_LIBRARIES)}", "Choose one."
        raise SettingError(f"table: library must be {rule}; got {library!r}. {fix}")
    names = table.shown_names
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise unfit("its columns", "have different names", f"{twice[0]!r} twice", "Rename one.")
    cells = {name: table.cells(axis) for axis, name in enumerate(names)}
    kinds = [table.type_at(axis) for axis in range(len(names))]
    try:
        # Only who asks for a data frame needs the library.
        return (_to_pandas if library == "pandas" else _to_polars)(cells, kinds, dtypes)
    except ImportError as fault:
        fix = f"Run: pip install {library}"
        raise BackendError(f"table: {library} must be installed; got no {library}. {fix}") from fault


def library_of(X: Any) -> str:
    """The library that a data frame or what it inherits from is of; "" for anything else."""
    roots = [base.__module__.split(".")[0] for base in type(X).__mro__ if base.__name__ == "DataFrame"]
    return next((root for root in roots if root in _LIBRARIES), "")


def _from_pandas(column: Any) -> _Column:
    if column.dtype.kind in "iufb":
        return column.to_numpy(dtype=np.float64, na_value=np.nan), type_of(column.dtype), None
    is_there = column.notna().to_numpy(dtype=bool)
    return _from_objects(column.astype(object).to_numpy(), is_there)


def _from_polars(column: Any) -> _Column:
    polars = sys.modules["polars"]
    dtype = column.dtype
    if dtype.is_numeric() or dtype == polars.Boolean:
        kind = "bool" if dtype == polars.Boolean else "int" if dtype.is_integer() else "float"
        return column.cast(polars.Float64).to_numpy(), kind, None
    if dtype in (polars.String, polars.Categorical, polars.Enum):
        spelt = column.cast(polars.String)
        codes = spelt.rank("dense").fill_null(0).to_numpy().astype(np.int64) - 1
        word_ix, words = indexed(codes, spelt.drop_nulls().unique().sort().to_list())
        return word_ix, "text", words
    if dtype not in (polars.Object, polars.Null):
        return _odd(column, str(dtype))
    cells = np.fromiter(column.to_list(), object, len(column))
    return _from_objects(cells, cells != np.array(None))


def _from_objects(cells: Array, is_there: Array) -> _Column:
    """A column of Python objects, all of them words, booleans or numbers."""
    held = cells[is_there]
    kinds = set(map(type, held))
    if kinds and all(issubclass(kind, str) for kind in kinds):
        codes, listed = np.full(len(cells), -1), {word: at for at, word in enumerate(dict.fromkeys(held))}
        codes[is_there] = [*map(listed.__getitem__, held)]
        word_ix, words = indexed(codes, [*listed])
        return word_ix, "text", words
    if not all(issubclass(kind, numbers.Real | np.bool_ | decimal.Decimal) for kind in kinds):
        return _odd(cells, " and ".join(sorted(kind.__name__ for kind in kinds)))
    values = np.full(len(cells), np.nan)
    try:
        values[is_there] = held.astype(np.float64)
    except OverflowError:
        return _odd(cells, "integers beyond float64")
    if kinds and kinds <= {bool, np.bool_}:
        return values, "bool", None
    is_whole = kinds and all(issubclass(kind, numbers.Integral) for kind in kinds)
    return values, "int" if is_whole else "float", None


def _odd(cells: Any, got: str) -> _Column:
    """A column of neither numbers nor words: what it holds stands for its type."""
    is_date = got.split("(")[0].lower() in _DATES
    return np.full(len(cells), np.nan), f"dates ({got})" if is_date else got, None


def _described(dtype: Any) -> Any:
    if type(dtype).__name__ not in ("CategoricalDtype", "Enum"):
        return str(dtype)
    return {"categories": dtype.categories.to_list(), "ordered": bool(getattr(dtype, "ordered", True))}


def _to_pandas(cells: dict[str, list[Any]], kinds: list[str], dtypes: Mapping[str, Any]) -> Any:
    import pandas as pd

    series = {}
    for (name, column), kind in zip(cells.items(), kinds, strict=True):
        # Only the nullable types have a place for a missing integer or boolean.
        plain, nullable = {"int": ("int64", "Int64"), "bool": ("bool", "boolean")}.get(kind, (None, None))
        dtype = "float64" if kind == "float" else nullable if None in column else plain
        plain = pd.Series(column, dtype=dtype)
        series[name] = _as_pandas(plain, kind, dtypes[name]) if name in dtypes else plain
    return pd.DataFrame(series)


def _as_pandas(plain: Any, kind: str, wanted: Any) -> Any:
    """A column in the type that is wanted, where its cells are the same there."""
    import pandas as pd

    has_categories = isinstance(wanted, dict)
    try:
        dtype = pd.CategoricalDtype(**wanted) if has_categories else pd.api.types.pandas_dtype(wanted)
        is_number = not has_categories and kind != "text"
        if has_categories and not plain.isin(dtype.categories).all():
            return plain
        if is_number and (dtype.kind == "O" or type_of(dtype) != kind):
            return plain
        made = plain.astype(dtype)
    except (TypeError, ValueError, ImportError):  # too large, or not known here
        return plain
    may_round = is_number and kind == "float"
    return made if may_round or made.tolist() == plain.tolist() else plain


def _to_polars(cells: dict[str, list[Any]], kinds: list[str], dtypes: Mapping[str, Any]) -> Any:
    import polars as pl

    types = {"int": pl.Int64, "bool": pl.Boolean, "text": pl.String, "float": pl.Float64}
    series = []
    for (name, column), kind in zip(cells.items(), kinds, strict=True):
        plain = pl.Series(name, column, types[kind])
        series.append(_as_polars(plain, dtypes[name]) if name in dtypes else plain)
    return pl.DataFrame(series)


def _as_polars(plain: Any, wanted: Any) -> Any:
    """A column in the type that is wanted, where it is of that kind and its cells fit."""
    import polars as pl

    narrow = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32)
    known = {str(dtype()): dtype for dtype in (*narrow, pl.Categorical)}
    dtype = pl.Enum(wanted["categories"]) if isinstance(wanted, dict) else known.get(wanted, plain.dtype)
    is_number = dtype.is_numeric() and dtype.is_integer() == plain.dtype.is_integer()
    if is_number != plain.dtype.is_numeric():
        return plain
    made = plain.cast(dtype, strict=False)  # what does not fit is missing
    return made if made.null_count() == plain.null_count() else plain
