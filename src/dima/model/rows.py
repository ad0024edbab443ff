"""Rows as users hold them, as numbers that the parts of a model work on, and back.

Arrays, pandas and polars frames and tables from files come in; columns are treated as was asked
(`dima.data.columns`), labels are set apart, and what a model draws goes out in the form it came in.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dima import check
from dima.data import frame
from dima.data.columns import Columns
from dima.data.table import Table
from dima.errors import DataError, ShapeError
from dima.typing import Array, ArrayLike, Arrays

__all__ = ["TABLE", "Rows", "as_table", "by_name"]

TABLE = "table"
_HOLDS = {"int": "whole numbers", "bool": "booleans, True and False or 1 and 0"}


@dataclasses.dataclass(frozen=True)
class Rows:
    """What a fitted model knows of the rows it was fitted to.

    Attributes:
        columns: the treatment of the D columns.
        impute: whether missing cells are filled.
        library: "pandas", "polars" or "table" where rows came as such, None for arrays.
        classes: the classes of rows, in order; None where rows have none.
        label: name and position of the column that named them, where it was one of the table.
        left_out: names of columns that the table had, and that nothing was learnt of.
        dtypes: of the columns of a frame by name, in the words of `dima.data.frame`.
    """

    columns: Columns
    impute: bool = False
    library: str | None = None
    classes: list[Any] | None = None
    label: tuple[str, int] | None = None
    left_out: tuple[str, ...] = ()
    dtypes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def read(self, model: Any, X: Any) -> Array:
        """New rows as numbers (b, W).

        Raises:
            ShapeError: another width, or columns of other names; their order may be another.
            DataTypeError: a column is of a type that no model knows.
            DataError: a word or a cell that the model does not know what to do with, or a number in a column
                of integers or booleans that is none.
        """
        owner, table = type(model).__name__, as_table(X)
        if table is None:
            if not self.columns.words and not self.impute:
                values = check.points(model, X, reset=False)
                self.hold_types(owner, values)
                return self.columns.apply(values)
            values = check.array(owner, "X", X, ("b", model.n_features_in_), finite=False)
            self.hold_word_ix(owner, values)
        else:
            table = by_name(owner, self.columns.names, self.learnt_of(table))
            if (got := table.values.shape[1]) != (width := len(self.columns.types)):
                fix = "Pass those of the training table."
                raise ShapeError(f"{owner}: X must have {width} columns; got {got}. {fix}")
            table = table.recoded(self.columns.words, owner, self.columns.types)
            values = table.values
        self.hold_types(owner, values)
        values = self.columns.imputed(values, owner, fill=self.impute)
        return self.columns.apply(check.array(owner, "X", values))

    def learnt_of(self, table: Table) -> Table:
        """The table less the column of labels and those that were left out, where it has them."""
        if table.names is not None and not set(self.left_out).isdisjoint(table.shown_names):
            names = table.shown_names
            table = table.select([axis for axis, name in enumerate(names) if name not in self.left_out])
        if self.label is None or self.label[0] not in table.shown_names:
            return table
        # Columns without names are called by their positions, which a narrower table has too.
        is_there = table.names is not None or table.values.shape[1] > len(self.columns.types)
        return table.without(self.label[0]) if is_there else table  # labels may be missing

    def labels_of(self, X: Any) -> list[Any] | None:
        """The labels of rows; None where none were learnt, or the rows have no column of that name."""
        table = as_table(X)
        if self.label is None or table is None or self.label[0] not in (table.names or []):
            return None
        return table.split_off(self.label[0])[1]

    def written(self, model: Any, treated: Array) -> Any:
        """Numbers (b, W) as rows in the form that was asked for, or that rows came in.

        An array (b, D), unless `set_output` asks for frames, or there are words or labels of a table.
        """
        return self.as_asked(model, self.columns.restore(treated))

    def as_asked(self, model: Any, values: Array, class_ix: Array | None = None) -> Any:
        """Rows (b, D) in that form, with the column of their classes where that was one of the table."""
        library = _asked(model)
        if library == "default" and not self.columns.words and self.label is None:
            return values
        if library == "default":
            library = self.library or TABLE
        table = self.table(values, class_ix)
        dtypes = self.dtypes if library == self.library else {}
        return table if library == TABLE else frame.to_frame(table, library, dtypes)

    def table(self, values: Array, class_ix: Array | None = None) -> Table:
        """The same as a table, with names, types and words."""
        columns = self.columns
        table = Table(values, columns.names, [], columns.types, dict(columns.words))
        if self.label is None or class_ix is None:
            return table
        return _inserted(table, *self.label, self.classes or [], class_ix)

    def bounds(self, decoded: Array, half: Array) -> tuple[Array, Array]:
        """Rows (b, D) so far below and above numbers (b, W), each by its half width; NaN for words."""
        columns, known = self.columns, np.where(np.isinf(half), 0.0, half)
        beyond = (half - known)[:, [part.start for part in columns.slices()]]  # infinite in any unit
        beyond[:, [*columns.words]] = np.nan
        return columns.restore(decoded - known) - beyond, columns.restore(decoded + known) + beyond

    def class_ix(self, owner: str, labels: ArrayLike | Mapping[Any, int], n: int, name: str = "y") -> Array:
        """Index (n,) of each label among the classes; one label stands for all, {label: rows} for so many.

        `name` is what messages call the labels.

        Raises:
            DataError: the model has no classes, or not that one.
            ShapeError: not one label a row.
        """
        if self.classes is None:
            fix = "Fit with labels (dima fit --label NAME) first."
            raise DataError(f"{owner}: y must be left out; got labels, and the model has no classes. {fix}")
        if isinstance(labels, Mapping):
            labels = [label for label, count in labels.items() for _ in range(count)]
        wanted = np.asarray(labels)
        wanted = np.full(n, wanted.item(), dtype=wanted.dtype) if wanted.ndim == 0 else wanted
        if wanted.shape != (n,):
            got, fix = f"shape {wanted.shape}", "Pass as many."
            raise ShapeError(f"{owner}: y must be one label, or one for each of {n} rows; got {got}. {fix}")
        if wanted.dtype.kind == "f" and np.array_equal(wanted, np.round(wanted)):
            wanted = wanted.astype(int)  # as in `fit`
        # As text: the labels of a saved model, or of a command line, have lost their NumPy types.
        known = {str(name): index for index, name in enumerate(self.classes)}
        found = np.array([known.get(str(label), -1) for label in wanted.tolist()], int)
        if (found < 0).any():
            strange = wanted.tolist()[int((found < 0).argmax())]
            there = ", ".join(list(known)[:10])
            raise DataError(
                f"{owner}: {name} must hold classes of the model; got {strange!r}. There are: {there}."
            )
        return found

    def facts(self) -> dict[str, Any]:
        """What there is to know: names in snake_case, JSON-plain values."""
        treated = {} if self.columns.treatment == "raw" else {"columns_taken": self.columns.treatment}
        label = {} if self.label is None else {"label": self.label[0]}
        return treated | label | ({} if self.classes is None else {"classes": list(map(str, self.classes))})

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes an equal one of."""
        plain, arrays = self.columns.to_arrays()
        names = ("impute", "library", "classes", "label", "left_out", "dtypes")
        return {"columns": plain} | {name: getattr(self, name) for name in names}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> "Rows":
        """What `to_arrays` described."""
        own = {name: saved[name] for name in ("impute", "library", "classes")}
        label = saved["label"] and (saved["label"][0], saved["label"][1])
        # Older models name none.
        own |= {"left_out": tuple(saved.get("left_out", ())), "dtypes": saved.get("dtypes", {})}
        return cls(Columns.from_arrays(saved["columns"], arrays), **own, label=label)

    def hold_word_ix(self, owner: str, values: Array) -> None:
        """Refuse numbers (b, D) that are no indices of words in a column of words; NaN may be."""
        for axis, words in self.columns.words.items():
            column = values[:, axis]
            column = column[~np.isnan(column)]
            if not np.isin(column, np.arange(len(words))).all():
                rule = f"hold indices of its {len(words)} words, 0 to {len(words) - 1}"
                fix = "Pass a data frame, which holds the words themselves."
                raise DataError(f"{owner}: column {axis + 1} must {rule}; got other numbers. {fix}")

    def hold_types(self, owner: str, values: Array) -> None:
        """Refuse numbers (b, D) that are none their column was learnt to hold; NaN may be, and 30.0 is whole.

        Raises:
            DataError: a column of integers or booleans holds another number.
        """
        for axis, kind in enumerate(self.columns.types):
            if kind not in _HOLDS:
                continue
            column = values[:, axis]
            fits = np.isin(column, (0, 1)) if kind == "bool" else column == np.rint(column)
            if (strange := np.flatnonzero(~fits & ~np.isnan(column))).size:
                name = repr(self.columns.names[axis]) if self.columns.names else axis + 1
                got = f"{column[strange[0]]:.12g} in row {strange[0] + 1}"
                rule, fix = _HOLDS[kind], "Change it, or fit to rows that hold such."
                raise DataError(f"{owner}: column {name} must hold {rule}; got {got}. {fix}")


def by_name(owner: str, names: Sequence[str] | None, table: Table) -> Table:
    """The table with its columns in the order learnt, as they are called; as it is where either has no names.

    Raises:
        ShapeError: a column is missing, or there are others or twins.
    """
    if names is None or table.names is None or names == table.names:
        return table
    missing = [f"none named {name!r}" for name in names if name not in table.names]
    extra = [f"{name!r} besides" for name in table.names if name not in names]
    twice = [f"{name!r} twice" for name in names if table.names.count(name) > 1]
    if got := " and ".join([*missing[:1], *extra[:1]]) or next(iter(twice), ""):
        fix = "Pass the columns of the training table."
        raise ShapeError(f"{owner}: columns must be those of the model; got {got}. {fix}")
    return table.select([table.names.index(name) for name in names])


def as_table(X: Any) -> Table | None:
    """A frame or a table as a table; None for anything else."""
    if isinstance(X, Table):
        return X
    return frame.from_frame(X, blank=True) if frame.is_frame(X) else None


def _inserted(table: Table, name: str, position: int, classes: Sequence[Any], class_ix: Array) -> Table:
    """The table with the column of its classes where it stood."""
    is_text = isinstance(classes[0], str)
    column = class_ix.astype(np.float64) if is_text else np.asarray(classes, np.float64)[class_ix]
    kind = "text" if is_text else "bool" if isinstance(classes[0], bool) else "int"
    types = list(table.types or ("float",) * table.values.shape[1])
    words = {axis + (axis >= position): listed for axis, listed in table.words.items()}
    return Table(
        np.insert(table.values, position, column, axis=1),
        [*table.shown_names[:position], name, *table.shown_names[position:]],
        table.left_out,
        (*types[:position], kind, *types[position:]),
        words | ({position: tuple(classes)} if is_text else {}),
    )


def _asked(model: Any) -> str:
    """The form that scikit-learn's `set_output`, or its configuration, asks for."""
    from sklearn import get_config

    own = getattr(model, "_sklearn_output_config", {}).get("transform")
    return str(own or get_config()["transform_output"])
