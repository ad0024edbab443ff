"""What is learnt of the rows of a fit: their columns, their numbers and their classes."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta

from dima import check
from dima.data import frame
from dima.data.columns import TREATMENTS, Columns, treatment_for
from dima.data.table import Table
from dima.data.words import drop_by_name, drop_from_frame, most_words, refuse_names
from dima.errors import DataError, ShapeError, warn_user
from dima.model.rows import TABLE, Rows, as_table
from dima.settings import OneOf
from dima.typing import Array

__all__ = ["ColumnsTreated", "Impute", "Learnt", "Treatment", "learn"]

ColumnsTreated = Annotated[
    str,
    OneOf("auto", *TREATMENTS),
    Meta(
        description="columns as they are, over their spread or by normal scores of rank; auto: an array raw,"
        " a table rank where spreads differ by more than tenfold, else standard"
    ),
]
Impute = Annotated[
    str,
    OneOf("median"),
    Meta(description="what fills missing cells, words by the most frequent; refused if not given"),
]
_FEW_WORDS = 10  # that a small table may hold once each
_MOST_CLASSES = 100
_SCALE = 8  # names in order that are no row but a scale
_NUMBER = re.compile(r"([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)(?:\.[0-9]+)?")  # pandas counts equal ones
_ROWS_EACH = 5  # of a class, on average


@dataclasses.dataclass(frozen=True)
class Treatment:
    """How columns are treated, and whether missing cells are filled.

    Attributes:
        columns: a name in `dima.data.columns`; "auto" leaves arrays raw, and takes frames and tables as told
            there.
        impute: whether missing cells are filled.
    """

    columns: str
    impute: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The treatment that settings of a model ask for; images have none."""
        return cls(settings.get("columns", "raw"), settings.get("impute") is not None)

    def taken(self, values: Array, table: Table | None) -> str:
        """The treatment of columns that rows (n, D) get, which came as an array or as a table."""
        if self.columns != "auto":
            return self.columns
        return "raw" if table is None else treatment_for(values, table.words)


@dataclasses.dataclass(frozen=True)
class Learnt:
    """Rows of a fit: what was learnt of them, their numbers (n, W), and the index (n,) of their classes."""

    rows: Rows
    treated: Array
    class_ix: Array | None


def learn(model: Any, X: Any, y: Any, names: Sequence[str] | None, treatment: Treatment) -> Learnt:
    """Read the rows of a fit.

    Args:
        model: the model that is fitted; told of width and names.
        X: an array, a frame or a `Table`.
        y: labels (n,), the name of a column of `X` that holds them, or None.
        names: of the columns, where `X` has none.
        treatment: of the columns.
    """
    owner, table, label = type(model).__name__, as_table(X), None
    library = frame.library_of(X) if frame.is_frame(X) else TABLE if isinstance(X, Table) else None
    dtypes = frame.dtypes_of(X) if frame.is_frame(X) else {}
    if isinstance(y, str):
        if table is None:
            raise DataError(f"{owner}: y must be labels where X is an array; got {y!r}. Pass a data frame.")
        whole, (table, y), label = table, table.split_off(y), y
        X, label = table, (label, whole.shown_names.index(label))
    _refuse_twins(owner, list(names or ()) if table is None else table.shown_names)
    if table is not None:
        _warn_of_numbers(owner, table.names)
    values = _values(model, X, table, names, impute=treatment.impute)
    types, words = (None, {}) if table is None else (table.types, table.words)
    left_out = () if table is None else tuple(table.left_out)
    if table is not None:
        fix = drop_from_frame if frame.is_frame(X) else drop_by_name
        named_words = {table.shown_names[axis]: listed for axis, listed in table.words.items()}
        refuse_names(f"{owner}: X", named_words, len(table), fix, _FEW_WORDS)
    named = check.feature_names(model, names)
    columns = Columns.of(values, treatment.taken(values, table), names=named, types=types, words=words)
    values = columns.imputed(values, owner, fill=treatment.impute)
    classes, class_ix = _classes(owner, y, len(values), name=None if label is None else label[0])
    rows = Rows(columns, treatment.impute, library, classes, label, left_out, dtypes)
    return Learnt(rows, columns.apply(values), class_ix)


def _values(model: Any, X: Any, table: Table | None, names: Sequence[str] | None, *, impute: bool) -> Array:
    """Values (n, D) of the rows of a fit, whose width and names the model remembers."""
    owner = type(model).__name__
    if table is None and not impute:
        return check.points(model, model.as_rows(X), reset=True, min_rows=2)
    if isinstance(X, Table) or impute or (table is not None and not _is_full(table)):
        values = check.array(owner, "X", X if table is None else table.values, finite=False)
        check.array(owner, "X", np.where(np.isnan(values), 0, values))  # infinity is no missing cell
        known = names if table is None or table.names is None else table.names
        check.remember(model, values.shape[1], None if known is None else [str(name) for name in known])
        if len(values) < 2:
            raise DataError(f"{owner}: X must hold at least 2 rows; got {len(values)}. Pass more rows.")
        return values
    # scikit-learn reads frames of numbers as well, and remembers their names.
    return check.points(model, X, reset=True, min_rows=2)


def _refuse_twins(owner: str, names: Sequence[str]) -> None:
    """Hold columns to names of their own."""
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{owner}: columns must have different names; got {twice[0]!r} twice. Rename one.")


def _warn_of_numbers(owner: str, names: Sequence[str] | None) -> None:
    """Warn where names look like a row: all numbers, but neither years in order nor many wavelengths."""
    found = [match for name in names or () if (match := _NUMBER.fullmatch(name))]
    steps = np.diff([float(match[1]) for match in found])
    is_ordered = (steps > 0).all() or (steps < 0).all()
    is_scale = is_ordered and (len(found) >= _SCALE or all(match[0].isdecimal() for match in found))
    if names and len(found) == len(names) and not is_scale:
        got = f"numbers such as {names[0]!r}, which may be the first row"
        warn_user(f"{owner}: columns should have names; got {got}. Read the file with header=None if so.")


def _is_full(table: Table) -> bool:
    """Whether every cell holds a number."""
    return not table.words and not np.isnan(table.values).any()


def _classes(owner: str, y: Any, n: int, *, name: str | None) -> tuple[list[Any] | None, Array | None]:
    """Classes in order and their index for each row; none without labels, or with a target of regression.

    Pipelines of scikit-learn hand their target to every step: numbers are labels only where they are whole,
    few, and each in several rows. A column that was named as labels must be such.
    """
    try:
        labels = None if y is None else np.asarray(y)
    except ValueError:
        got, fix = f"a {type(y).__name__} of unlike parts", "Pass as many."
        raise ShapeError(f"{owner}: y must be one label for each of {n} rows; got {got}. {fix}") from None
    if labels is None or (name is None and _is_target(labels)):
        return None, None
    if labels.shape != (n,):
        got = f"shape {labels.shape}"
        raise ShapeError(f"{owner}: y must be one label for each of {n} rows; got {got}. Pass as many.")
    is_missing = np.array([one is None or one != one for one in labels.tolist()])
    if is_missing.any():
        got, fix = f"none in row {int(is_missing.argmax()) + 1}", "Fill it, or drop such rows."
        raise DataError(f"{owner}: y must hold a label for every row; got {got}. {fix}")
    if _is_target(labels):
        got, fix = _target(labels), "Leave the label out, and it is drawn like the others."
        raise DataError(f"{owner}: column {name!r} must hold classes; got {got}. {fix}")
    if labels.dtype.kind == "O":
        labels = labels.astype(int if all(isinstance(one, int) for one in labels) else str)
    known, class_ix = np.unique(
        labels.astype(int) if labels.dtype.kind == "f" else labels, return_inverse=True
    )
    if len(known) < 2:
        raise DataError(f"{owner}: y must hold at least 2 classes; got {len(known)}. Leave labels out.")
    if len(known) > most_words(n, _FEW_WORDS):
        got, fix = f"{len(known)} different ones in {n} rows", "Name another column."
        called = "y" if name is None else f"column {name!r}"
        raise DataError(f"{owner}: {called} must hold labels that repeat; got {got}. {fix}")
    return known.tolist(), class_ix


def _is_target(y: Array) -> bool:
    """Whether this is no column of labels: words, booleans, or numbers that look like such."""
    return y.ndim != 1 or not (y.dtype.kind in "bOU" or (y.dtype.kind in "iuf" and _are_classes(y)))


def _target(y: Array) -> str:
    """What a column holds that is none of labels."""
    if y.dtype.kind == "f" and (strange := y[y != np.round(y)]).size:
        return f"numbers that are not whole, such as {strange[0]:.6g}"
    return f"{len(np.unique(y))} different numbers in {len(y)} rows"


def _are_classes(numbers: Array) -> bool:
    """Whether numbers look like labels: whole, at most a hundred, each in five rows or more on average."""
    numbers = numbers[~np.isnan(numbers)] if numbers.dtype.kind == "f" else numbers  # labels with gaps
    if numbers.dtype.kind == "f" and not np.array_equal(numbers, np.round(numbers)):
        return False
    n_known = len(np.unique(numbers))
    return n_known <= _MOST_CLASSES and n_known * _ROWS_EACH <= max(len(numbers), 2 * _ROWS_EACH)
